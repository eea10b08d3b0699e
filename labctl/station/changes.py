"""What differs between the station that a daemon serves and its file as it is now: what can be taken while runs go on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from labctl.driver import Bounds
from labctl.errors import OrderRefused
from labctl.station.settings import ChannelSettings, InstrumentSettings, Station

WHOLE = ("name", "store", "mqtt", "postgres", "http", "clock", "web", "notify")  # settings of the daemon as a whole


@dataclass(frozen=True, slots=True)
class StationChanges:
    """What can be taken while runs go on.

    Attributes:
        limits: Limits of channels that differ; they hold for runs that begin from now on.
        instruments: Instruments that are new.
        channels: Channels of these.
    """

    limits: Mapping[str, Bounds]
    instruments: Mapping[str, InstrumentSettings]
    channels: Mapping[str, ChannelSettings]

    def __str__(self) -> str:
        """Say it in one sentence."""
        words = [f"limits of {name}" for name in self.limits]
        words += [f"instrument {name}" for name in self.instruments] + [f"channel {name}" for name in self.channels]
        return ", ".join(words) or "nothing differs"


def changes(old: Station, new: Station) -> StationChanges:
    """Return what of a station file can be taken while runs go on.

    Raises:
        OrderRefused: With all that cannot: then nothing is taken.
    """
    if wrong := list(_beyond(old, new)):
        raise OrderRefused(
            f"{new.file}: nothing was taken, since the daemon has to be started again for: {', '.join(wrong)}"
        )
    kept = old.channels.keys() & new.channels.keys()
    return StationChanges(
        {
            name: new.channels[name].limits
            for name in sorted(kept)
            if new.channels[name].limits != old.channels[name].limits
        },
        {name: given for name, given in new.instruments.items() if name not in old.instruments},
        {name: given for name, given in new.channels.items() if name not in old.channels},
    )


def _beyond(old: Station, new: Station) -> Iterator[str]:
    yield from (name for name in WHOLE if getattr(old, name) != getattr(new, name))
    for name, given in old.instruments.items():
        if name not in new.instruments:
            yield f"instrument {name}, which is gone"
        elif replace(new.instruments[name], mark=None) != replace(given, mark=None):
            yield f"the settings of instrument {name}"
    for name, channel in old.channels.items():
        if name not in new.channels:
            yield f"channel {name}, which is gone"
        elif new.channels[name].parts != channel.parts:
            yield f"the parts of channel {name}"
    for name in new.channels.keys() - old.channels.keys():
        served = {part.instrument for part in new.channels[name].parts.values()} & old.instruments.keys()
        if served:
            yield f"channel {name} at instrument {', '.join(sorted(served))}, which is served already"
