"""The instrument drivers that are installed."""

import sys
from typing import Annotated

import typer


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
    typer.echo("\nbronze passes the contract suite against its emulator; gold was run on hardware besides")
    typer.echo("verified: false until somebody ran it on hardware; practise without: labctl emulate --help")


def described(entry: "object") -> dict[str, str]:
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
        }
    document = (sys.modules[driver.__module__].__doc__ or "").strip().partition("\n")[0]
    verified = "yes" if getattr(driver, "verified", False) else "no"
    quality, why = quality_of(name, driver)
    return {
        "driver": name, "quality": quality, "why": why, "verified": verified, "from": str(source), "what": document,
    }  # fmt: skip


def quality_of(name: str, driver: type) -> tuple[str, str]:
    """Return the tier of a driver, computed by its own package from the record of its contract suite, and why."""
    import importlib
    import json
    from importlib.resources import files

    package = driver.__module__.partition(".")[0]
    try:
        outcomes = json.loads(files(package).joinpath("quality.json").read_text(encoding="utf-8"))
        tier = importlib.import_module("labctl_drivers.contract.quality").tier
    except (OSError, ValueError, ImportError):
        return "-", "no record of the contract suite beside it"
    quality, why = tier(driver, outcomes.get(name))
    return str(quality), str(why)
