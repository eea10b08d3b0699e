"""Instrument drivers by name: entry points of the group `labctl.drivers`, loaded when named and not before."""

from collections.abc import Mapping
from importlib.metadata import entry_points

from labctl.driver import Instrument, Stepped
from labctl.errors import OptionRefused, StationError
from labctl.inputs import near
from labctl.run.options import OptionError, OptionFault, option_faults

GROUP = "labctl.drivers"


def names() -> list[str]:
    """Return the names of the installed drivers."""
    return sorted(entry.name for entry in entry_points(group=GROUP))


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
