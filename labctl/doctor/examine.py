"""Everything that is looked at, in the order in which one thing needs another."""

from collections.abc import Iterator
from pathlib import Path

from labctl.doctor import machine, services
from labctl.doctor.diagnosis import Diagnosis
from labctl.errors import LabctlError
from labctl.run.stations import USUAL, found_station


def examine(path: Path | None, data: Path | None, usual: Path) -> Iterator[Diagnosis]:
    """Look at a station and all that it relies on; nothing is changed, and no instrument is asked anything.

    Args:
        path: Station file; None for `station.yaml` here, else simulated channels.
        data: Data folder, in place of the station's.
        usual: Data folder where neither names one.
    """
    try:
        station, folder = found_station(path, data, usual)
    except LabctlError as error:
        yield Diagnosis("station", "wrong", str(error), f"labctl check {path or USUAL}")
        return
    where = station.file or "no station file here: four simulated channels"
    yield Diagnosis(
        "station", "well", f"{where}, {len(station.channels)} channels of {len(station.instruments)} instruments"
    )
    yield from machine.data_folder(folder)
    yield from machine.disk(folder)
    real = station.clock == "real" and services.speed_of(folder) in {None, 1.0}
    yield from machine.clock(folder, real=real)
    yield from services.journal(folder)
    yield from services.drivers(station)
    yield from machine.ports(station)
    served, found = services.daemon(folder)
    yield from services.broker(station, served=served)
    yield from services.postgresql(station)
    yield from found
    yield from services.guard(folder, station, served=served)
    yield from services.unit()
