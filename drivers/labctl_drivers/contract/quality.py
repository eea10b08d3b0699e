"""What a driver is worth so far, computed from what its contract suite found."""

import ast
import hashlib
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

OTHERS: Final[Mapping[str, str]] = {
    "arbin": "pycti-arbin",
    "biologic": "easy-biologic",
    "keithley2400": "pymeasure and labmcp-keithley-smu",
    "keithley2450": "pymeasure and labmcp-keithley-smu",
    "keithley2600": "pymeasure and labmcp-keithley-smu",
    "maccor": "pymacnet",
    "modbus": "pymodbus",
    "neware": "aurora-neware",
    "palmsens": "labmcp-palmsens",
    "rodeostat": "iorodeo-potentiostat",
    "zaber": "zaber.serial",
}
"""Whose client or simulator speaks to a driver's emulator or to the driver, in `make test-independent`."""
SHOWN = 3  # reasons of skipped tests


def digest(driver: type) -> str:
    """Return a digest of a driver's code, by which a result of its suite is known to be of this version.

    Of the module of its class, or of every module of the package where a make has one, and of what these import from the
    package of the drivers, such as their common lines.
    """
    name = sys.modules[driver.__module__].__file__
    if name is None:
        return ""
    path = Path(name)
    whole = "." in driver.__module__.partition(".")[2]  # a package in the drivers' own
    known, left = set[Path](), set(path.parent.glob("*.py")) if whole else {path}
    while left:
        known |= left
        left = {file for each in left for file in _imported(each, driver.__module__.partition(".")[0])} - known
    texts = b"".join(file.read_bytes().replace(b"\r\n", b"\n") for file in sorted(known))
    return hashlib.sha256(texts).hexdigest()[:16]


def _imported(file: Path, package: str) -> Iterator[Path]:
    """Give the files of the modules of a package from which a module imports names."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}."):
            found = find_spec(node.module or "")
            if found is not None and found.origin is not None:
                yield Path(found.origin)


def tier(driver: type, outcomes: Mapping[str, object] | None) -> tuple[str, str]:
    """Return the tier of a driver and why.

    None: no result of the contract suite. Bronze: it passes the suite against its emulator, faults of the line included.
    Gold: besides, somebody ran it on hardware. There is no way to silver from here: captured sessions cannot be computed.

    Args:
        driver: Its class.
        outcomes: Entry of the driver in a record written by `pytest --labctl-quality=FILE`, None if there is none.
    """
    if outcomes is None:
        return "-", "the contract suite was not run over it"
    if outcomes.get("failed") or not outcomes.get("passed"):
        return "-", f"{outcomes.get('failed')} tests of the contract suite fail"
    if outcomes.get("digest") != digest(driver):
        return "-", "changed since the contract suite was run over it"
    passed = f"passes {outcomes['passed']} tests of the contract suite against its emulator{_skips(outcomes)}"
    return ("gold", f"{passed}, run on hardware") if getattr(driver, "verified", False) else ("bronze", passed)


def _skips(outcomes: Mapping[str, object]) -> str:
    """Return how many tests say nothing of a driver, and the reasons that count most."""
    skipped = outcomes.get("skipped")
    if not isinstance(skipped, Mapping) or not skipped:
        return ""
    reasons = sorted(((int(count), str(reason)) for reason, count in skipped.items()), reverse=True)
    named = ", ".join(f"{reason.partition(': ')[2] or reason} ({count})" for count, reason in reasons[:SHOWN])
    more = ", ..." if len(reasons) > SHOWN else ""
    return f"; {sum(count for count, _ in reasons)} say nothing of it: {named}{more}"


def proofs(name: str, driver: type, outcomes: Mapping[str, object] | None) -> dict[str, tuple[str, ...]]:
    """Return what proves the modes of a driver: `emulator` and `none` name modes, `others` other people's clients.

    A mode is proven by the emulator where a passed test of the contract suite gave it to the driver, and by `none` where the
    driver offers it and no test did. `hardware` names the modes that were run on an instrument: all of a driver that says so of
    itself, else none.
    """
    counts = (outcomes or {}).get("modes")
    modes = {str(mode): int(count) for mode, count in counts.items()} if isinstance(counts, Mapping) else {}
    proven = tuple(mode for mode, count in modes.items() if count)
    return {
        "emulator": proven,
        "none": tuple(mode for mode, count in modes.items() if not count),
        "others": (OTHERS[name],) if name in OTHERS else (),
        "hardware": proven if getattr(driver, "verified", False) else (),
    }
