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
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="dim", padding=(0, 2))
    for name in ("driver", "verified", "from", "what"):
        table.add_column(name)
    for row in rows:
        table.add_row(row["driver"], row["verified"], row["from"], row["what"])
    Console().print(table)
    typer.echo("verified: somebody ran it on hardware. Practise without: labctl emulate --help")


def described(entry: "object") -> dict[str, str]:
    """Return what is known of a driver; one that cannot be imported says why."""
    name, source = str(getattr(entry, "name", "")), getattr(getattr(entry, "dist", None), "name", "?")
    try:
        driver = entry.load()  # type: ignore[attr-defined]
    except Exception as error:  # noqa: BLE001 - somebody else's code
        return {"driver": name, "verified": "?", "from": str(source), "what": f"cannot be imported: {error}"}
    document = (sys.modules[driver.__module__].__doc__ or "").strip().partition("\n")[0]
    verified = "yes" if getattr(driver, "verified", False) else "no"
    return {"driver": name, "verified": verified, "from": str(source), "what": document}
