"""The one tree of errors: whose fault it is, whether the cell is safe, whether trying again helps.

    LabctlError
    ├── FileError              the user's file: carries findings with file, line and column
    │   ├── ProtocolError      a protocol
    │   ├── CellError          a cell file, or a cell that lacks what a protocol needs
    │   └── StationError       a station file
    ├── Misread                a text that is not the quantity wanted; becomes a finding where the place is known
    ├── UsageError             the command line, or a value given on it
    ├── OrderRefused           a person's order that cannot be obeyed now: busy channel, nothing to resume
    ├── InstrumentError        an instrument or the line to it
    │   ├── Unreachable        it does not answer; asking again helps
    │   ├── WireError          it answered something else than was asked
    │   └── SettingRefused     it did not take a set-point or limit, or read back another
    ├── StoreError             the journal
    │   ├── StoreFull          no room; again, once there is
    │   ├── StoreBusy          another process holds it
    │   └── StoreDamaged       what is stored is not what was written
    ├── SinkError              a reader's far end, PostgreSQL: the journal keeps all meanwhile
    ├── BrokerError            MQTT: the journal keeps all meanwhile
    └── InternalError          us

A message says what was wanted, what was found and where, in one sentence without a full stop.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from labctl.finding import Finding


class LabctlError(Exception):
    """Root of everything that labctl raises on purpose.

    Attributes:
        safe: The cell is known to be at open circuit or untouched; False means nobody knows.
        retry: The same thing tried again, unchanged, may succeed.
    """

    safe: bool = True
    retry: bool = False
    exit_code: ClassVar[int] = 1  # of the command line

    def __init__(self, message: str, *, safe: bool | None = None, retry: bool | None = None) -> None:
        """Take the message, and what differs from the class's own answers."""
        super().__init__(message)
        self.safe = type(self).safe if safe is None else safe
        self.retry = type(self).retry if retry is None else retry


class FileError(LabctlError):
    """A file of the user is wrong; nothing was moved.

    Attributes:
        findings: Every finding of the file, in the order of its lines, errors and warnings.
    """

    def __init__(self, findings: "Iterable[Finding] | Finding | str") -> None:
        """Take one finding, several, or a message where there is no place to point at."""
        self.findings: tuple[Finding, ...] = ()
        if isinstance(findings, str):
            super().__init__(findings)
            return
        self.findings = tuple(findings) if isinstance(findings, Iterable) else (findings,)
        super().__init__("\n\n".join(str(finding) for finding in self.findings) or "the file has errors")


class ProtocolError(FileError):
    """A protocol file says what cannot be done."""


class CellError(FileError):
    """A cell file is wrong, or lacks what a protocol needs."""


class StationError(FileError):
    """A station file is wrong."""


class OptionRefused(LabctlError, ValueError):  # noqa: N818 - it reads as what happened
    """A driver does not take the value of an option.

    Attributes:
        path: Name of the option, then of the entry in it.
        hint: What to write instead.
    """

    def __init__(self, path: tuple[str, ...], message: str, hint: str = "") -> None:
        """Take the option, one sentence of what was wanted and found, and what to write instead."""
        super().__init__(message)
        self.path, self.hint = path, hint


class Misread(LabctlError):  # noqa: N818 - it reads as what happened
    """A text is not the quantity that was wanted at its place.

    Attributes:
        code: Stable code, as of a finding.
        hint: What to write instead.
        offset: Character of the text to point at.
    """

    def __init__(self, code: str, message: str, hint: str = "", offset: int = 0) -> None:
        """Take the code, one sentence, and what to write instead."""
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.offset = offset


class UsageError(LabctlError):
    """The command line, or a value given on it, is wrong."""

    exit_code: ClassVar[int] = 2


class OrderRefused(LabctlError):  # noqa: N818 - it reads as what happened
    """A person's order cannot be obeyed as things stand; the message says what would unblock it."""


class PartHeld(OrderRefused):
    """A part that several channels share is held by other runs, which the message names; it is free once they have ended."""


class InstrumentError(LabctlError):
    """An instrument, or the line to it, failed; unless said otherwise nobody knows what the output does."""

    safe = False


class Unreachable(InstrumentError):  # noqa: N818 - it reads as what happened
    """The instrument does not answer."""

    retry = True


class WireError(InstrumentError):
    """The instrument answered something else than was asked."""

    retry = True


class SettingRefused(InstrumentError):  # noqa: N818 - it reads as what happened
    """The instrument did not take a set-point or a limit, or read back another value."""


class StoreError(LabctlError):
    """The journal cannot be read or written."""


class StoreFull(StoreError):  # noqa: N818 - it reads as what happened
    """There is no room left on the journal's disk."""

    retry = True


class StoreBusy(StoreError):  # noqa: N818 - it reads as what happened
    """Another process holds the data folder or the channel."""

    retry = True


class StoreDamaged(StoreError):  # noqa: N818 - it reads as what happened
    """What is stored is not what was written."""


class SinkError(LabctlError):
    """The far end of a reader, such as PostgreSQL, is away; the journal keeps everything meanwhile."""

    retry = True


class BrokerError(LabctlError):
    """The MQTT broker is away or refuses; the journal keeps everything meanwhile."""

    retry = True


class InternalError(LabctlError):
    """A promise of labctl's own code is broken: a defect to report."""

    safe = False
