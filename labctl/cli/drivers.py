"""The instrument drivers that are installed."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def command(*, json: Annotated[bool, typer.Option("--json", help="a JSON list instead of a table")] = False) -> None:
    """List the drivers that a station file may name, with where they come from and whether anybody ran them on hardware."""
    from importlib.metadata import entry_points

    rows = [described(entry) for entry in sorted(entry_points(group="labctl.drivers"), key=lambda entry: entry.name)]
    if json:
        import orjson

        typer.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    import textwrap

    width = max(len(row["driver"]) for row in rows)
    for row in rows:
        verified = {"yes": "verified on hardware", "no": "verified: false"}.get(row["verified"], "verified: ?")
        typer.echo(f"{row['driver']:{width}}  {row['quality']:6}  {verified}, of {row['from']}")
        for line in textwrap.wrap(f"{row['what']} {row['why'][:1].upper()}{row['why'][1:]}.", 76 - width):
            typer.echo(f"{'':{width}}  {line}")
        for line in textwrap.wrap(_proven(row["proven"]), 76 - width):
            typer.echo(f"{'':{width}}  {line}")
    typer.echo("\nbronze passes the contract suite against its emulator; gold was run on hardware besides")
    typer.echo("verified: false until somebody ran it on hardware; practise without: labctl emulate --help")


def _proven(proofs: "Mapping[str, Sequence[str]]") -> str:
    """Say which modes are proven, and by what."""
    if not proofs:
        return ""
    named = {by: ", ".join(proofs[by]) or "none" for by in ("emulator", "none", "others", "hardware")}
    return (
        f"Modes proven by the emulator: {named['emulator']}; offered and given by no test: {named['none']}; "
        f"other people's client: {named['others']}; hardware: {named['hardware']}."
    )


def described(entry: "object") -> dict[str, Any]:
    """Return what is known of a driver; one that cannot be imported says why."""
    name, source = str(getattr(entry, "name", "")), getattr(getattr(entry, "dist", None), "name", "?")
    try:
        driver = entry.load()  # type: ignore[attr-defined]
    except Exception as error:  # noqa: BLE001 - somebody else's code
        return {
            "driver": name,
            "quality": "-",
            "why": "",
            "verified": "?",
            "from": str(source),
            "what": f"cannot be imported: {error}",
            "proven": {},
        }
    document = (sys.modules[driver.__module__].__doc__ or "").strip().partition("\n")[0]
    verified = "yes" if getattr(driver, "verified", False) else "no"
    quality, why, proven = quality_of(name, driver)
    return {
        "driver": name, "quality": quality, "why": why, "verified": verified, "from": str(source), "what": document,
        "proven": proven,
    }  # fmt: skip


def quality_of(name: str, driver: type) -> "tuple[str, str, Mapping[str, Sequence[str]]]":
    """Return the tier of a driver, why, and what proves its modes, as its own package computes them from the suite's record."""
    import importlib
    import json
    from importlib.resources import files

    module = sys.modules[driver.__module__.partition(".")[0]]
    try:
        beside = files(module) if hasattr(module, "__path__") else Path(str(module.__file__)).parent
        outcomes = json.loads(beside.joinpath("quality.json").read_text(encoding="utf-8"))
        computed = importlib.import_module("labctl_drivers.contract.quality")
    except (OSError, ValueError, ImportError):
        return "-", "no record of the contract suite beside it", {}
    quality, why = computed.tier(driver, outcomes.get(name))
    return str(quality), str(why), computed.proofs(name, driver, outcomes.get(name))
