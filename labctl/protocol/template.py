"""Commented files to start from."""

from importlib.resources import files
from typing import Final

TEMPLATES: Final = ("protocol", "cell", "station")


def template(name: str) -> str:
    """Return the commented `protocol`, `cell` or `station` file.

    Raises:
        KeyError: There is none of that name.
    """
    if name not in TEMPLATES:
        raise KeyError(name)
    return files("labctl.protocol").joinpath("templates", f"{name}.yaml").read_text(encoding="utf-8")
