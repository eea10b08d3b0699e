"""What a driver is worth so far, computed from what its contract suite found."""

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path


def digest(driver: type) -> str:
    """Return a digest of the module of a driver, by which a result of its suite is known to be of this version."""
    path = sys.modules[driver.__module__].__file__
    return "" if path is None else hashlib.sha256(Path(path).read_bytes().replace(b"\r\n", b"\n")).hexdigest()[:16]


def tier(driver: type, found: Mapping[str, object] | None) -> tuple[str, str]:
    """Return the tier of a driver and why.

    None: no result of the contract suite. Bronze: it passes the suite against its emulator, faults of the line included.
    Gold: besides, somebody ran it on hardware. There is no way to silver from here: captured sessions cannot be computed.

    Args:
        driver: Its class.
        found: Entry of the driver in a record written by `pytest --labctl-quality=FILE`, None if there is none.
    """
    if found is None:
        return "-", "the contract suite was not run over it"
    if found.get("failed") or not found.get("passed"):
        return "-", f"{found.get('failed')} tests of the contract suite fail"
    if found.get("digest") != digest(driver):
        return "-", "changed since the contract suite was run over it"
    passed = f"passes {found['passed']} tests of the contract suite against its emulator"
    return ("gold", f"{passed}, run on hardware") if getattr(driver, "verified", False) else ("bronze", passed)
