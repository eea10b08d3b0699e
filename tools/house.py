"""Print the figures of the house: circles, lengths of functions and modules, class names that stand twice.

    python tools/house.py

The bounds behind them are kept by `tests/unit/test_house.py`; this shows how far from them the code is.
"""

import ast
import functools
import statistics
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("labctl", "drivers/labctl_drivers", "simulators/labctl_simulators")


@functools.cache
def tree_of(text: str) -> ast.Module:
    """Return the syntax tree of a module, made once."""
    return ast.parse(text)


def modules() -> dict[str, str]:
    """Return the text of every module of the product by its path from the repository's root."""
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Give every function and method of a module, those inside others too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function has from its name on, without its docstring."""
    docstring = ast.get_docstring(node, clean=False)
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    return lines - (docstring.count("\n") + 1 if docstring else 0)


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many parameters a function takes, without `self` and `cls`."""
    given = node.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"])) + bool(given.vararg) + bool(given.kwarg)


def classes(texts: dict[str, str]) -> dict[str, list[str]]:
    """Return by class name, without a leading underscore, the modules that define one of that name at their top."""
    places: dict[str, list[str]] = defaultdict(list)
    for path, text in texts.items():
        for node in tree_of(text).body:
            if isinstance(node, ast.ClassDef):
                places[node.name.lstrip("_")].append(path)
    return dict(places)


def imports(texts: dict[str, str]) -> dict[str, set[str]]:
    """Return which modules each imports, anywhere in it: inside functions and for types only as well."""
    names = {_dotted(path): path for path in texts}
    arrows: dict[str, set[str]] = {path: set() for path in texts}
    for path, text in texts.items():
        for node in ast.walk(tree_of(text)):
            if isinstance(node, ast.ImportFrom) and node.module:
                targets = [f"{node.module}.{each.name}" for each in node.names]
                arrows[path] |= {names.get(each) or names.get(node.module, path) for each in targets} - {path}
            elif isinstance(node, ast.Import):
                arrows[path] |= {names[each.name] for each in node.names if each.name in names} - {path}
    return arrows


def _dotted(path: str) -> str:
    parts = Path(path).with_suffix("").parts
    parts = parts[1:] if parts[0] in {"drivers", "simulators"} else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other in a circle: what is left where no more ends can be taken off."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for target in arrows[waiting.pop()] - seen:
                seen.add(target)
                waiting.append(target)
        return seen

    reach = {path: reached(path) for path in arrows}
    groups = {
        frozenset(other for other in reach[path] if path in reach[other]) for path in arrows if path in reach[path]
    }
    return sorted(sorted(group) for group in groups)


def main() -> None:
    """Print the figures."""
    texts = modules()
    lengths = sorted(length(node) for text in texts.values() for node in functions(tree_of(text)))
    twice = {name: places for name, places in classes(texts).items() if len(places) > 1}
    longest = max(texts, key=lambda path: texts[path].count("\n"))
    print(f"modules                {len(texts)}, {sum(text.count(chr(10)) for text in texts.values())} lines")
    print(f"circles of imports     {len(circles(imports(texts)))}")
    print(f"functions              {len(lengths)}")
    print(f"  median length        {statistics.median(lengths):.0f} lines")
    print(f"  99th percentile      {lengths[int(0.99 * len(lengths))]} lines")
    print(f"  longest              {lengths[-1]} lines")
    print(f"class names twice      {len(twice)}")
    print(f"longest module         {longest}, {texts[longest].count(chr(10))} lines")
    print(f"modules over 400       {sum(text.count(chr(10)) > 400 for text in texts.values())}")


if __name__ == "__main__":
    main()
