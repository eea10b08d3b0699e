"""The scripts of the pages as browsers get them: each page's own with all that it imports, in one file that is asked for once."""

import re
from collections.abc import Mapping
from typing import Final

_IMPORT: Final = re.compile(r'^import (?:(\{[^}]*\}) from )?"\./([\w.]+)";$', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:class|function|const) (\w+))", re.MULTILINE)


def joined(name: str, texts: Mapping[str, str]) -> str:
    """Return a module with the modules that it imports before it, each once, in a scope of its own.

    Args:
        name: Of the module that a page names.
        texts: All modules by name. An import is a line of its own that names a file beside it; `export` stands before its name.
    """
    order: list[str] = []

    def follow(each: str) -> None:
        for _, other in _IMPORT.findall(texts[each]):
            if other not in order:
                follow(other)
        order.append(each)

    follow(name)
    if len(order) == 1:
        return texts[name]
    parts = [f'MODULES["{each}"] = (() => {{\n{_inside(texts[each])}\n}})();' for each in order[:-1]]
    return "\n".join(("const MODULES = {};", *parts, _bound(texts[name])))


def _inside(text: str) -> str:
    return f"{_EXPORT.sub('', _bound(text))}\nreturn {{ {', '.join(_EXPORT.findall(text))} }};"


def _bound(text: str) -> str:
    """Return a module that takes what it imports from the modules before it."""
    return _IMPORT.sub(lambda found: f'const {found[1]} = MODULES["{found[2]}"];' if found[1] else "", text)
