"""Instrument drivers by name: entry points of the group `labctl.drivers`, loaded when named and not before."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from labctl.driver import Instrument, Stepped
from labctl.errors import OptionRefused, StationError
from labctl.inputs import near
from labctl.run.options import OptionError, OptionFault, option_faults

GROUP = "labctl.drivers"


@cache
def installed() -> tuple[EntryPoint, ...]:
    """Return the installed drivers; looking through all that is installed takes as long as a thousand rows, so once."""
    return tuple(entry_points(group=GROUP))


def names() -> list[str]:
    """Return the names of the installed drivers."""
    return sorted(entry.name for entry in installed())


def make(where: str, driver: str, options: Mapping[str, object]) -> Instrument | Stepped:
    """Return an instrument of a driver with the options of its entry in a station file; it is not opened.

    Raises:
        OptionError: An option that it does not have, one that it needs, or a value that is none; `where` says whose.
        StationError: No such driver.
    """
    kind = load(where, driver)
    faults = option_faults(kind, driver, options)
    if not faults:
        try:
            return kind(**options)
        except OptionRefused as error:
            faults = [OptionFault(error.path, str(error), error.hint)]
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            faults = [
                OptionFault((), f"wanted options that driver {driver} takes, found some that it does not: {error}")
            ]
    raise OptionError(where, faults)


def load(where: str, driver: str) -> type[Instrument | Stepped]:
    """Return the class of a driver.

    Raises:
        StationError: There is none of that name, or it cannot be loaded; `where` says who asked.
    """
    for entry in installed():
        if entry.name != driver:
            continue
        try:
            kind: type[Instrument | Stepped] = entry.load()
        except ImportError as error:
            raise StationError(f"{where}: driver {driver} cannot be loaded: {error}") from error
        return kind
    there = names()
    raise StationError(
        f"{where}: wanted an installed driver, found {driver!r}{near(driver, there)}; there are {', '.join(there)}"
    )
