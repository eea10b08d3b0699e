"""What an error code means."""

from typing import Annotated

import typer


def command(
    code: Annotated[str | None, typer.Argument(help="code, as in error[unit.bare]", show_default=False)] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="JSON instead of text")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="the page of the reference, with every code")] = False,
) -> None:
    """Say what an error code means, with a wrong and a right example; without a code, list them all."""
    from json import dumps

    from labctl.errors import UsageError
    from labctl.protocol.catalogue import CODES, Code
    from labctl.protocol.catalogue import markdown as page
    from labctl.text.fields import near

    if markdown:
        print(page(), end="")
        return
    if code is None:
        if json:
            print(dumps({name: entry.about for name, entry in CODES.items()}, ensure_ascii=False))
            return
        width = max(map(len, CODES))
        print("\n".join(f"{name:<{width}}  {entry.about}" for name, entry in CODES.items()))
        return
    name = code.removeprefix("error").removeprefix("warning").strip("[]: ")
    entry: Code | None = CODES.get(name)
    if entry is None:
        family = [other for other in CODES if other.split(".")[0] == name.split(".")[0]]
        hint = near(name, CODES) or (
            "codes of this family are " + ", ".join(family) if family else "labctl explain lists them"
        )
        raise UsageError(f"wanted an error code, found {name!r}; {hint}")
    print(
        dumps(
            {"code": name, "about": entry.about, "why": entry.why, "wrong": entry.wrong, "right": entry.right},
            ensure_ascii=False,
        )
        if json
        else entry.text(name)
    )
