"""JSON Schemas for editors."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Name(StrEnum):
    """What there is a schema of."""

    PROTOCOL = "protocol"
    CELL = "cell"
    STATION = "station"


def command(
    name: Annotated[Name, typer.Argument(help="kind of file")] = Name.PROTOCOL,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="file to write instead of stdout", show_default=False)
    ] = None,
) -> None:
    """Print the JSON Schema (2020-12) of protocol, cell or station files, from which an editor completes every key.

    A file whose first line is `# yaml-language-server: $schema=./labctl-protocol.schema.json` uses the one beside it.
    """
    from json import dumps

    from labctl.cli.main import refused
    from labctl.errors import UsageError
    from labctl.protocol.schema import schema

    text = dumps(schema(name.value), indent=1, ensure_ascii=False) + "\n"
    if output is None:
        print(text, end="")
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(refused(error)) from error
    print(f"{output}: written")
