"""The machine: its clock, the room on its disk, who may read the data folder, and the ports of its instruments."""

import ctypes
import ctypes.util
import os
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from labctl.clock import NEVER_EARLIER
from labctl.doctor.diagnosis import Diagnosis
from labctl.errors import LabctlError
from labctl.station.settings import Setting, Station
from labctl.store.disk_room import Room, free_room, size
from labctl.store.reader import Reader

UNSYNCHRONISED = 0x40  # STA_UNSYNC of adjtimex(2)
TIMEX_BYTES = 512  # more than any system's struct timex
STATUS_AT = 40  # bytes from the begin of struct timex to its field status, where a long has 64 bits
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "glusterfs"})
MOUNTS = Path("/proc/mounts")
SECRETS = ("control.token", "mqtt.password", "people.db")
AHEAD = 60.0  # s by which the wall's clock may stand before the last commit


def clock(folder: Path, now: float | None = None, *, real: bool = True) -> Iterator[Diagnosis]:
    """Look at the wall's clock: set at all, kept by a time service, and not before what the journal holds.

    Args:
        folder: Data folder.
        now: UTC, s; None for what the clock shows.
        real: The journal's commits are labelled by this clock, and not by a faster one to practise on.
    """
    label = time.time() if now is None else now
    if label < NEVER_EARLIER:
        yield Diagnosis("clock", "wrong", f"it was never set: it shows {_day(label)}", "sudo timedatectl set-ntp true")
        return
    last = _last_commit(folder) if real else None
    if last is not None and label < last - AHEAD:
        yield Diagnosis(
            "clock",
            "wrong",
            f"it shows {_day(label)}, before the last commit of the journal, {_day(last)}: "
            "every outage counts as longer than any protocol allows",
            "sudo timedatectl set-ntp true",
        )
        return
    kept = synchronised()
    if kept is False:
        words = "no time service keeps it: what is labelled with its time drifts"
        yield Diagnosis("clock", "note", words, "sudo timedatectl set-ntp true")
    else:
        yield Diagnosis(
            "clock", "well", "a time service keeps it" if kept else "it is set; who keeps it is not known here"
        )


def synchronised() -> bool | None:
    """Tell whether the kernel's clock is kept by a time service (adjtimex(2)); None where the system does not say."""
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_long) != 8:
        return None
    library = ctypes.CDLL(ctypes.util.find_library("c") or "libc.so.6", use_errno=True)
    buffer = ctypes.create_string_buffer(TIMEX_BYTES)  # its field `modes` is 0: nothing is changed
    if library.adjtimex(buffer) < 0:
        return None
    status = int.from_bytes(buffer.raw[STATUS_AT : STATUS_AT + 4], sys.byteorder)
    return not status & UNSYNCHRONISED


def _last_commit(folder: Path) -> float | None:
    if not (folder / "journal.db").is_file():
        return None
    try:
        with Reader(folder) as reader:
            rows = reader.query("SELECT unix_time_second FROM commits ORDER BY commit_id DESC LIMIT 1")
    except LabctlError:
        return None
    return float(rows[0][0]) if rows else None


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))


def disk(folder: Path) -> Iterator[Diagnosis]:
    """Look at the room where the data folder lies."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    room = Room(free_room(there))
    if room.short:
        mend = "labctl archive RUN FOLDER" if (folder / "journal.db").is_file() else ""
        yield Diagnosis("disk", "wrong", f"only {room} where {folder} lies", mend)
    else:
        yield Diagnosis("disk", "well", f"{size(room.free)} are free where {folder} lies")


def data_folder(folder: Path, *, mine: bool = True) -> Iterator[Diagnosis]:
    """Look at who may read and write the data folder, and on what it lies; `mine` where this account runs the daemon."""
    if not folder.is_dir():
        yield Diagnosis("data folder", "note", f"{folder} is not there yet: the daemon makes it", "labctl serve")
        return
    kind = file_system(folder)
    if kind in NETWORK:
        words = f"{folder} lies on a network file system ({kind}), where the journal is not safe: it needs a local disk"
        yield Diagnosis("data folder", "wrong", words, "labctl serve --data FOLDER")
    if os.name != "posix":
        yield Diagnosis("data folder", "well", str(folder))
        return
    wrong = list(_open_to_others(folder))
    if mine and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        owner = folder.stat().st_uid
        words = f"{folder} belongs to user {owner}, and this is user {os.geteuid()}: it cannot be written"
        wrong.append(Diagnosis("data folder", "wrong", words, f"sudo -u '#{owner}' labctl doctor --data {folder}"))
    yield from wrong
    if not wrong and kind not in NETWORK:
        yield Diagnosis("data folder", "well", f"{folder}, read and written by its owner alone")


def _open_to_others(folder: Path) -> Iterator[Diagnosis]:
    for path in (folder, *(folder / name for name in SECRETS)):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        right = 0o700 if path == folder else 0o600
        if mode & 0o077:
            words = f"wanted mode {right:o} on {path}, found {mode:o}: others may read what orders are given with"
            yield Diagnosis("data folder", "wrong", words, f"chmod {right:o} {path}")


def file_system(folder: Path, mounts: Path = MOUNTS) -> str:
    """Return the kind of file system on which a folder lies, as Linux names it; "" where the system does not say."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    here, best = str(folder.resolve()), ("", "")
    for line in lines:
        _, point, kind = [*line.split(" "), "", "", ""][:3]
        point = point.replace("\\040", " ")
        inside = here == point or here.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = point, kind
    return best[1]


def ports(station: Station) -> Iterator[Diagnosis]:
    """Look at the ports that the station's instruments name: there, and open to this account."""
    named = [(name, path) for name, given in station.instruments.items() for path in device_files(given.options)]
    if not named:
        yield Diagnosis("ports", "well", "no instrument of the station is at a serial or USB port")
    for name, path in named:
        if not path.exists():
            words = f"instrument {name}: wanted a port {path}, found none: is it plugged in and switched on?"
            yield Diagnosis("ports", "wrong", words, "ls -l /dev/serial/by-id")
        elif not os.access(path, os.R_OK | os.W_OK):
            group = path.stat().st_gid
            words = f"instrument {name}: this account may not open {path}, which belongs to group {_group(group)}"
            yield Diagnosis("ports", "wrong", words, f"sudo usermod -aG {_group(group)} {_account()}")
        else:
            yield Diagnosis("ports", "well", f"instrument {name}: {path}")


def device_files(options: Mapping[str, Setting]) -> Iterator[Path]:
    """Yield the device files that the settings of an instrument name, plain or as a VISA resource (`ASRL/dev/ttyUSB0::INSTR`)."""
    for value in options.values():
        text = str(value)
        begin = text.find("/dev/")
        if isinstance(value, str) and (begin == 0 or text.upper().startswith("ASRL/DEV/")):
            yield Path(text[begin if begin >= 0 else 4 :].partition("::")[0])


def _group(number: int) -> str:
    if sys.platform == "win32":
        return str(number)
    import grp  # noqa: PLC0415 - POSIX alone

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _account() -> str:
    return os.environ.get("USER") or str(os.geteuid() if hasattr(os, "geteuid") else "ACCOUNT")
