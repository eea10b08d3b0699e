"""Which station a daemon serves: the file that is named, one that lies here, or four simulated channels."""

import os
from pathlib import Path

from labctl.errors import StationError
from labctl.inputs import read_file
from labctl.run.drivers import names
from labctl.station.load import load_station
from labctl.station.settings import ChannelSettings, InstrumentSettings, Part, Station

USUAL = Path("station.yaml")


def found_station(path: Path | None, data: Path | None, usual: Path) -> tuple[Station, Path]:
    """Return the station and its data folder: `data` if named, the station's own, or the `usual` one where there is no file.

    Raises:
        StationError: The file cannot be read, or has findings.
    """
    if path is None and not USUAL.is_file():
        return simulated_station(4), data or usual
    chosen = path or USUAL
    try:
        text = read_file(chosen)
    except OSError as error:
        raise StationError(f"{chosen}: cannot be read: {error.strerror}") from error
    station = load_station(text, str(chosen), names())
    return station, data or station.beside(os.path.expanduser(station.store))  # noqa: PTH111 - a text of the file


def simulated_station(channels: int, name: str = "labctl") -> Station:
    """Return a station of simulated channels: sim1, sim2, ..."""
    return Station(
        name=name,
        instruments={"bench": InstrumentSettings("bench", "simulated")},
        channels={
            f"sim{number}": ChannelSettings(
                f"sim{number}", {role: Part("bench", str(number)) for role in ("cell", "stage", "chamber")}
            )
            for number in range(1, channels + 1)
        },
    )
