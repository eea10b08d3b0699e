"""What the channels of a station can do, as far as that is known before an instrument is opened."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from labctl.driver import Bounds, Capabilities, Instrument, Placed, Stepped, Translating
from labctl.errors import StationError, UsageError
from labctl.finding import Finding, Mark
from labctl.inputs import near
from labctl.plan.runnable import Translate
from labctl.run.drivers import make
from labctl.run.lines import line_findings
from labctl.run.options import OptionError, OptionFault
from labctl.station.settings import ChannelSettings, InstrumentSettings, Station

MODES: Final = {"stage": "Bend", "chamber": "Chamber"}


@dataclass(frozen=True, slots=True)
class Ability:
    """What a channel can do: its capabilities, its own limits, how its instrument would be told a program, and its parts."""

    capabilities: Capabilities
    translate: Translate | None = None
    bounds: Bounds | None = None
    roles: tuple[str, ...] = ()


def ability_of(station: Station, channel: str) -> Ability:
    """Return what a channel of a station can do, nothing opened: what a driver learns from its instrument is as it comes.

    Raises:
        UsageError: The station has no such channel.
        StationError: Its instrument cannot be made, or has no such channel.
    """
    given = station.channels.get(channel)
    if given is None:
        known = ", ".join(station.channels) or "none"
        hint = near(channel, list(station.channels))
        raise UsageError(
            f"wanted a channel of {station.file or 'the station'}, found {channel!r}{hint}; there are {known}"
        )
    part = given.parts["cell"]
    settings = station.instruments[part.instrument]
    instrument = make(f"instrument {settings.name}", settings.driver, settings.options)
    misplaced = tuple(place_findings(station, {part.instrument: instrument}, channel))
    if misplaced:
        raise StationError(misplaced)
    return Ability(instrument.capabilities(part.at), translator(instrument, part.at), given.limits, tuple(given.parts))


def translator(instrument: Instrument | Stepped, at: str) -> Translate | None:
    """Return how an instrument would be told a program for one of its channels, None where it does not say beforehand."""
    if not isinstance(instrument, Translating):
        return None
    return lambda program: instrument.translate(at, program)


def station_findings(station: Station) -> tuple[Finding, ...]:
    """Return what is wrong with a station for the drivers that it names: their options, and the channels that they have."""
    made: dict[str, Instrument | Stepped] = {}
    findings: list[Finding] = []
    for name, given in station.instruments.items():
        try:
            made[name] = make(name, given.driver, given.options)
        except OptionError as error:
            findings += (_option_finding(station, given, fault) for fault in error.faults)
        except StationError as error:
            findings.append(Finding("driver.unknown", str(error), given.mark or Mark(station.file, 1, 1)))
    return (*findings, *_clock_findings(station, made), *place_findings(station, made))


def _clock_findings(station: Station, made: Mapping[str, Instrument | Stepped]) -> Iterator[Finding]:
    """Give a clock that is faster than real instruments are."""
    real = [name for name, instrument in made.items() if not isinstance(instrument, Stepped)]
    if station.clock not in {"real", 1.0} and real:
        message = f"wanted clock: real beside {real[0]}, which goes no faster, found clock: {station.clock}"
        hint = "write real; any other is for simulated cells"
        yield Finding("clock.real", message, station.clock_mark or Mark(station.file, 1, 1), hint, severity="warning")


def _option_finding(station: Station, given: InstrumentSettings, fault: OptionFault) -> Finding:
    """Return a fault at its entry of the option, else at the option, else at the instrument."""
    paths = (fault.path[:length] for length in range(len(fault.path), 0, -1))
    mark = next((given.places[path] for path in paths if path in given.places), given.mark)
    message = f"{fault.message}, in the instrument {given.name}"
    return Finding("driver.options", message, mark or Mark(station.file, 1, 1), fault.hint)


def _role_findings(
    station: Station, channel: ChannelSettings, role: str, made: Mapping[str, Instrument | Stepped]
) -> Iterator[Finding]:
    """Give a stage or chamber that would not be driven: an instrument that is none, or cells in the daemon beside another's."""
    part, cell = channel.parts[role], channel.parts["cell"]
    instrument, mark = made[part.instrument], channel.mark or Mark(station.file, 1, 1)
    if MODES[role] not in instrument.capabilities(part.at).modes:
        message = f"wanted a {role} for {channel.name}, found {part.instrument}, whose driver drives none"
        yield Finding("channel.place", message, mark, f"leave {role}: out, and a person is asked")
        return
    stepped = [name for name in (part.instrument, cell.instrument) if isinstance(made.get(name), Stepped)]
    if part.instrument != cell.instrument and stepped:
        message = (
            f"wanted the {role} of {channel.name} on its own simulated instrument or on real ones throughout, found cell: "
            f"{cell.instrument} and {role}: {part.instrument}"
        )
        yield Finding(
            "channel.place",
            message,
            mark,
            f"simulated cells have a {role} of their own: {role}: {{instrument: {stepped[0]}}}",
        )


def _free(station: Station, instrument: str, places: Sequence[str]) -> list[str]:
    """Return the channels of an instrument that have a name, and that no cell of the station is on."""
    cells = [channel.parts["cell"] for channel in station.channels.values()]
    taken = {part.at for part in cells if part.instrument == instrument}
    return [place for place in places if place and place not in taken]


def _only_outputs(station: Station, made: Mapping[str, Instrument | Stepped]) -> Iterator[Finding]:
    """Give two channels on the only output of an instrument, one of which names it and one does not."""
    first: dict[str, ChannelSettings] = {}
    for channel in station.channels.values():
        part = channel.parts["cell"]
        instrument = made.get(part.instrument)
        if (
            not isinstance(instrument, Placed)
            or "" not in instrument.channels()
            or part.at not in instrument.channels()
        ):
            continue
        other = first.setdefault(part.instrument, channel)
        if part.at != other.parts["cell"].at:
            output = f"the only one of {part.instrument}, which {other.name} has"
            message = f"wanted an output of its own for {channel.name}, found {output}"
            mark = channel.mark or Mark(station.file, 1, 1)
            yield Finding("channel.shared", message, mark, "give each channel its own instrument:")


def place_findings(station: Station, made: Mapping[str, Instrument | Stepped], only: str = "") -> Iterator[Finding]:
    """Give the channels of a station, or the one that is named, that the instruments made for it do not have."""
    if not only:
        yield from line_findings(station, made)
        yield from _only_outputs(station, made)
    for name, channel in station.channels.items():
        if only not in {"", name}:
            continue
        for role, part in channel.parts.items():
            instrument = made.get(part.instrument)
            if role in MODES and instrument is not None:
                yield from _role_findings(station, channel, role, made)
            places = instrument.channels() if isinstance(instrument, Placed) else (part.at,)
            if part.at in places:
                continue
            known = ", ".join(filter(None, places)) or "none"
            free = _free(station, part.instrument, places) if role == "cell" else places
            what = f"found at: {part.at}" if part.at else "found none"
            yield Finding(
                "channel.place",
                f"wanted a channel of {part.instrument} as at: for the {role} of {name}, {what}; it has {known}",
                channel.mark or Mark(station.file, 1, 1),
                f"for example {role}: {{instrument: {part.instrument}, at: {free[0]}}}"
                if free
                else f"every channel of {part.instrument} is taken: leave {name} out, or name another instrument",
            )
