"""Instrument drivers by name: entry points of the group `labctl.drivers`, loaded when named and not before."""

import difflib
import inspect
from collections.abc import Mapping
from importlib.metadata import entry_points

from labctl.driver import Instrument
from labctl.errors import StationError

GROUP = "labctl.drivers"


def names() -> list[str]:
    """Return the names of the installed drivers."""
    return sorted(entry.name for entry in entry_points(group=GROUP))


def make(where: str, driver: str, options: Mapping[str, object]) -> Instrument:
    """Return an instrument of a driver with the options of its entry in a station file; it is not opened.

    Raises:
        StationError: No such driver, an option that it does not have, or one that it needs; `where` says whose.
    """
    kind = _load(where, driver)
    accepted = inspect.signature(kind).parameters
    for key in options:
        if key not in accepted:
            raise StationError(
                f"{where}: driver {driver} has no option {key!r}{near(key, accepted)}; it has {', '.join(accepted)}"
            )
    missing = [key for key, item in accepted.items() if item.default is inspect.Parameter.empty and key not in options]
    if missing:
        raise StationError(
            f"{where}: driver {driver} wants {' and '.join(missing)}, found {', '.join(options) or 'nothing'}"
        )
    try:
        made = kind(**options)
    except (TypeError, ValueError) as error:
        raise StationError(f"{where}: driver {driver}: {error}") from error
    return made


def _load(where: str, driver: str) -> type[Instrument]:
    for entry in entry_points(group=GROUP, name=driver):
        try:
            kind: type[Instrument] = entry.load()
        except ImportError as error:
            raise StationError(f"{where}: driver {driver} cannot be loaded: {error}") from error
        return kind
    installed = names()
    raise StationError(
        f"{where}: wanted an installed driver, found {driver!r}{near(driver, installed)}; there are {', '.join(installed)}"
    )


def near(word: str, known: Mapping[str, object] | list[str]) -> str:
    """Return a hint at the nearest known word, or ""."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
