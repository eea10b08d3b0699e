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
        close = difflib.get_close_matches(argv[0].lower(), names, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        sys.stderr.write(f"labctl emulate: wanted one of {', '.join(names)}, found {argv[0]!r}{hint}\n")
        return 2
    return commands(list(argv[1:]))


def installed() -> dict[str, Callable[[Sequence[str]], int]]:
    """Return the emulators by name: modules of `labctl_simulators.wire` that have a `main`."""
    names = {name: name for _, name, _ in pkgutil.iter_modules(wire.__path__)} | OTHER_NAMES
    for module in OTHER_NAMES.values():
        names.pop(module, None)
    loaded = {name: importlib.import_module(f"{wire.__name__}.{module}") for name, module in names.items()}
    return {name: module.main for name, module in loaded.items() if hasattr(module, "main")}
