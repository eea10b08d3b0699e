"""`labctl emulate NAME ...`: an instrument to practise on, in a process of its own."""

import difflib
import importlib
import pkgutil
import sys
from collections.abc import Callable, Sequence

from labctl_simulators import wire

OTHER_NAMES = {"cell": "practice"}  # what a person calls it, where the module is called otherwise


def main(argv: Sequence[str]) -> int:
    """Run the emulator that the first word names with the words after it, and return its exit code."""
    if not argv or argv[0] in {"-h", "--help"}:
        sys.stdout.write("usage: labctl emulate NAME ...\n\ninstruments:\n  " + "\n  ".join(sorted(installed())) + "\n")
        return 0 if argv else 2
    commands = installed().get(argv[0])
    if commands is None:
        names = sorted(installed())
        word = argv[0].lower()
        close = difflib.get_close_matches(word, names)  # of those as near, the one that begins as the word does
        nearest = max(close, key=lambda name: alike(name, word), default="")
        hint = f"; did you mean {nearest}?" if nearest else ""
        sys.stderr.write(f"labctl emulate: wanted one of {', '.join(names)}, found {argv[0]!r}{hint}\n")
        return 2
    return commands(list(argv[1:]))


def alike(one: str, other: str) -> int:
    """Return how many letters two words have in common at their begins."""
    return next(
        (at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), min(len(one), len(other))
    )


def installed() -> dict[str, Callable[[Sequence[str]], int]]:
    """Return the emulators by name: modules of `labctl_simulators.wire` that have a `main`."""
    names = {name: name for _, name, _ in pkgutil.iter_modules(wire.__path__)} | OTHER_NAMES
    for module in OTHER_NAMES.values():
        names.pop(module, None)
    loaded = {name: importlib.import_module(f"{wire.__name__}.{module}") for name, module in names.items()}
    return {name: module.main for name, module in loaded.items() if hasattr(module, "main")}
