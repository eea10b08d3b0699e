"""Which format a file is of, by what it begins with, and its tests read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from labctl.errors import UsageError
from labctl.exchange.formats import arbin, bdf, eclab_binary, eclab_text, land, maccor, neware, pssession
from labctl.exchange.vendor_test import VendorFileError, VendorTest

HEAD: Final = 65_536  # bytes that are looked at


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A format that can be read: its name for people, the usual endings of its files, and how it is told and read."""

    name: str
    suffixes: tuple[str, ...]
    is_it: Callable[[bytes], bool]
    read: Callable[[Path], list[VendorTest]]


FORMATS: Final = (
    FileFormat("EC-Lab binary", (".mpr",), eclab_binary.is_mpr, eclab_binary.read),
    FileFormat("EC-Lab text", (".mpt",), eclab_text.is_mpt, eclab_text.read),
    FileFormat("Neware nda", (".nda",), neware.is_nda, neware.read),
    FileFormat("Neware ndax", (".ndax",), neware.is_ndax, neware.read),
    FileFormat("LAND", (".cex",), land.is_cex, land.read),
    FileFormat("Arbin", (".res",), arbin.is_res, arbin.read),
    FileFormat("PalmSens", (".pssession",), pssession.is_pssession, pssession.read),
    FileFormat("BDF Parquet", (".parquet",), lambda head: head.startswith(b"PAR1"), bdf.read_parquet),
    FileFormat("Maccor text", (".txt", ".csv"), maccor.is_maccor, maccor.read),
    FileFormat("BDF CSV", (".csv", ".bdf"), bdf.is_bdf, bdf.read_csv),
)


def format_of(file: Path) -> FileFormat:
    """Return the format of a file.

    Raises:
        UsageError: There is no such file, or it cannot be read.
        VendorFileError: It is none of those that are known.
    """
    try:
        with file.open("rb") as opened:
            head = opened.read(HEAD)
    except OSError as error:
        raise UsageError(f"{file}: wanted a file, found that it cannot be read: {error.strerror}") from error
    found = next((one for one in FORMATS if one.is_it(head)), None)
    if found is None:
        known = ", ".join(f"{one.name} ({', '.join(one.suffixes)})" for one in FORMATS)
        what = "an empty file" if not head else "something else"
        raise VendorFileError(f"{file.name}: wanted one of {known}, found {what}")
    return found


def recordings_of(file: Path, which: str = "") -> tuple[FileFormat, list[tuple[int, VendorTest]]]:
    """Return the format of a file and its tests with their numbers from 1.

    Args:
        file: To read.
        which: A number, `all`, or "" for the only one.

    Raises:
        VendorFileError: It is damaged, or holds several tests and none was chosen.
        UsageError: It has no test of that number.
    """
    found = format_of(file)
    recordings = list(enumerate(found.read(file), 1))
    if which == "all" or (not which and len(recordings) == 1):
        return found, recordings
    if not which:
        listed = ", ".join(f"{number}: {one.title} ({len(one):,} rows)" for number, one in recordings)
        raise VendorFileError(
            f"{file.name}: wanted one test in a file, found {len(recordings)} ({listed}): "
            f"--test 1 to {len(recordings)} takes one, --test all each as a run of its own"
        )
    chosen = [pair for pair in recordings if str(pair[0]) == which]
    if not chosen:
        raise UsageError(f"--test: wanted a number from 1 to {len(recordings)} or all, found {which!r}")
    return found, chosen
