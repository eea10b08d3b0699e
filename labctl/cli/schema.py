"""JSON Schemas for editors."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Name(StrEnum):
    """What there is a schema of."""

    PROTOCOL = "protocol"
    CELL = "cell"
    STATION = "station"
    MODEL = "model"


def command(
    name: Annotated[Name, typer.Argument(help="kind of file")] = Name.PROTOCOL,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="file to write instead of stdout", show_default=False)
    ] = None,
) -> None:
    """Print the JSON Schema (2020-12) of protocol, cell, station or model files, from which an editor completes every key.

    A file whose first line is `# yaml-language-server: $schema=./labctl-protocol.schema.json` uses the one beside it.
    """
    from json import dumps

    from labctl.store.whole_file import whole_file

    text = dumps(schema_of(name.value), indent=1, ensure_ascii=False) + "\n"
    if output is None:
        print(text, end="")
        return
    with whole_file(output) as part:
        part.write_text(text, encoding="utf-8")
    print(f"{output}: written")


def schema_of(name: str) -> Mapping[str, object]:
    """Return the schema of a kind of file; that of `model` files is the simulated cells' own."""
    if name == "model":
        from labctl.run.stand_in import parameters_schema

        return parameters_schema()
    from labctl.protocol.schema import schema

    return schema(name)
