"""Write a file in its usual form."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    files: Annotated[
        list[Path], typer.Argument(help="protocol, cell or station files; - reads stdin and writes stdout")
    ],
    *,
    check: Annotated[bool, typer.Option("--check", help="write nothing; exit code 1 if a file would change")] = False,
) -> None:
    """Write files in their usual form: two spaces a level, one after a colon. Comments and meaning stay."""
    from labctl.cli.terminal.input_files import bounded
    from labctl.protocol.format import format_text

    changed = []
    for file in files:
        source = bounded(file)
        written = format_text(source, str(file))
        same = written.encode() == source
        if str(file) == "-":
            print(written, end="")
            continue
        if not same:
            changed.append(file)
            print(f"{file}: {'would change' if check else 'written'}")
            if not check:
                _replace(file, written)
    raise typer.Exit(1 if check and changed else 0)


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.chmod(path.stat().st_mode)
    beside.replace(path)
