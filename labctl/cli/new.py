"""Write a commented file to start from."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="TEMPLATE",
            help="protocol, cell, station, model, service, or a protocol of the library",
            show_default=False,
        ),
    ] = None,
    file: Annotated[Path | None, typer.Argument(help="file to write; - is stdout", show_default=False)] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="write over a file that is there")] = False,
) -> None:
    """Write a commented protocol, cell, station, model or service file to start from; without a name, list the templates.

    The JSON Schema that its first line names is written beside it, so that an editor completes every key.
    """
    from labctl.cli.terminal.input_files import library_names
    from labctl.errors import UsageError
    from labctl.protocol.template import TEMPLATES
    from labctl.text.fields import near

    if name is None:
        print("commented files: " + ", ".join((*TEMPLATES, "model", "service")))
        print("protocols of the library: " + ", ".join(library_names()))
        return
    known = (*TEMPLATES, "model", "service", *library_names())
    if name not in known:
        hint = near(name, known) or "templates are " + ", ".join(known)
        raise UsageError(f"wanted the name of a template, found {name!r}; {hint}")
    text = _text(name)
    if str(file) == "-":
        print(text, end="")
        return
    path = file or Path("labctl.service" if name == "service" else f"{name}.yaml")
    _write(path, text, force=force)
    if name == "service":
        print(f"{path}: written; sudo install -m 644 {path} /etc/systemd/system/ && sudo systemctl enable --now labctl")
        return
    _schema_beside(path, name if name in {*TEMPLATES, "model"} else "protocol")
    print(f"{path}: written; labctl check {path} finds its errors")


def _text(name: str) -> str:
    from labctl.cli.terminal.input_files import library
    from labctl.protocol.template import TEMPLATES, template

    if name in TEMPLATES:
        return template(name)
    if name == "service":
        from labctl.doctor.unit import unit_text

        return unit_text()
    if name == "model":
        from labctl.run.stand_in import parameters_template

        return parameters_template()
    return (library() / f"{name}.yaml").read_text(encoding="utf-8")


def _write(path: Path, text: str, *, force: bool) -> None:
    from labctl.cli.main import refused
    from labctl.errors import FileError

    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise FileError(f"{path}: wanted a new file, found one that is there; --force writes over it") from None
    except OSError as error:
        raise FileError(refused(error)) from error


def _schema_beside(path: Path, kind: str) -> None:
    """Write the schema that the file's modeline names, unless there is one."""
    from json import dumps

    from labctl.cli.schema import schema_of

    beside = path.parent / f"labctl-{kind}.schema.json"
    if not beside.exists():
        beside.write_text(dumps(schema_of(kind), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
