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
        whose = f"{driver} of the package {entry.dist.name}" if entry.dist else driver
        try:
            kind: type[Instrument | Stepped] = entry.load()
        except Exception as error:  # whatever another package raises as it is imported is its own fault
            found = f"{entry.value} cannot be loaded: {type(error).__name__}: {error}"
            raise StationError(f"{where}: wanted the driver {whose}, found that {found}") from error
        if lacking := _lacking(kind):
            raise StationError(f"{where}: wanted a driver with every verb, found {whose} without {', '.join(lacking)}")
        return kind
    there = names()
    raise StationError(
        f"{where}: wanted an installed driver, found {driver!r}{near(driver, there)}; there are {', '.join(there)}"
    )


def _lacking(kind: object) -> list[str]:
    """Return the verbs that a driver's class lacks: of an instrument, or of cells in the daemon where it is nearer to those.

    One that is inherited from the contract itself does nothing, and is lacking, too.
    """

    def of(contract: type) -> list[str]:
        verbs = {name: verb for name, verb in vars(contract).items() if not name.startswith("_")}
        return [
            name
            for name, verb in verbs.items()
            if getattr(kind, name, verb) is verb or not callable(getattr(kind, name))
        ]

    return min((of(contract) for contract in (Instrument, Stepped)), key=len) if isinstance(kind, type) else []
