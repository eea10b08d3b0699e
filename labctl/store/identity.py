"""Whose a data folder is: one station's, on one machine, in one place. Another daemon does not take it up without being told.

Two daemons of one journal would go on with the same runs and speak under one name; a journal of another station would let its runs
go on at other instruments. So the folder says whose it is, and `labctl serve` asks where that is not so.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import orjson

from labctl.errors import StoreError
from labctl.store.location import machine

FILE = "station.json"
NAMELESS = "labctl"  # of a station without a file


@dataclass(frozen=True, slots=True)
class FolderIdentity:
    """Of a data folder: the station's name, the machine, and where it lies there."""

    station: str
    machine: str
    folder: str
    device: int
    inode: int

    @classmethod
    def of(cls, folder: Path, station: str) -> Self:
        """Return the identity of a folder as it lies here."""
        stat = folder.stat()
        return cls(station, machine(), str(folder.resolve()), stat.st_dev, stat.st_ino)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return what a folder says of itself; None where it says nothing, as one of labctl 0.1."""
        try:
            return cls(**orjson.loads((folder / FILE).read_bytes()))
        except (OSError, TypeError, ValueError):
            return None

    def write(self, folder: Path) -> None:
        """Let a folder say so, in one step."""
        fresh = folder / f"{FILE}.new"
        fresh.write_bytes(orjson.dumps(self))
        fresh.replace(folder / FILE)

    def still_there(self) -> bool:
        """Tell whether the folder that was described still lies where it lay, on this machine."""
        try:
            stat = Path(self.folder).stat()
        except OSError:
            return False
        return self.machine == machine() and (stat.st_dev, stat.st_ino) == (self.device, self.inode)


def claim(folder: Path, station: str, *, take_over: bool = False) -> bool:
    """Claim a data folder for a station on this machine; tell whether it is a copy, whose running tests are another daemon's.

    Args:
        folder: The data folder; made if there is none.
        station: The station's name.
        take_over: A person said that the folder is to be taken over, whosever it was.

    Raises:
        StoreError: It is another station's, another machine's, or a copy of one that is still there.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    here, known = FolderIdentity.of(folder, station), FolderIdentity.read(folder)
    copied = known is not None and known != here and _is_copy(known, here)
    if known is not None and not take_over:
        _refuse(folder, known, here, copied=copied)
    if known != here:
        here.write(folder)
    return copied


def _is_copy(known: FolderIdentity, here: FolderIdentity) -> bool:
    if known.machine != here.machine:
        return True
    return (known.device, known.inode) != (here.device, here.inode) and known.still_there()


def _refuse(folder: Path, known: FolderIdentity, here: FolderIdentity, *, copied: bool) -> None:
    how = "labctl serve --take-over goes on with it all the same"
    if known.station not in {here.station, NAMELESS}:
        raise StoreError(
            f"{folder} holds the journal of station {known.station!r}, and this is station {here.station!r}: its runs would go on "
            f"at other instruments. --data names another folder; {how}"
        )
    if copied:
        where = known.folder if known.machine == here.machine else f"{known.folder} on another machine"
        raise StoreError(
            f"{folder} is a copy of {where}, which may have a daemon of its own: two would speak under one name. "
            f"{how}, under a generation of its own and without the runs that were active"
        )
