"""Instrument drivers by name: entry points of the group `labctl.drivers`, loaded when named and not before."""

import inspect
from collections.abc import Mapping
from importlib.metadata import entry_points

from labctl.driver import Instrument, Stepped
from labctl.errors import StationError
from labctl.inputs import near

GROUP = "labctl.drivers"


def names() -> list[str]:
    """Return the names of the installed drivers."""
    return sorted(entry.name for entry in entry_points(group=GROUP))


def make(where: str, driver: str, options: Mapping[str, object]) -> Instrument | Stepped:
    """Return an instrument of a driver with the options of its entry in a station file; it is not opened.

    Raises:
        StationError: No such driver, an option that it does not have, or one that it needs; `where` says whose.
    """
    kind = load(where, driver)
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


def load(where: str, driver: str) -> type[Instrument | Stepped]:
    """Return the class of a driver.

    Raises:
        StationError: There is none of that name, or it cannot be loaded; `where` says who asked.
    """
    for entry in entry_points(group=GROUP, name=driver):
        try:
            kind: type[Instrument | Stepped] = entry.load()
        except ImportError as error:
            raise StationError(f"{where}: driver {driver} cannot be loaded: {error}") from error
        return kind
    installed = names()
    raise StationError(
        f"{where}: wanted an installed driver, found {driver!r}{near(driver, installed)}; there are {', '.join(installed)}"
    )
