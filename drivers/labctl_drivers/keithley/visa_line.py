"""The line to a source meter through pyvisa: questions and answers, and how one that is out of step is brought back."""

import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

from labctl.errors import Unreachable

T = TypeVar("T")

SILENCE = 0.03  # s in which nothing comes from a line that has said all
DRAINED_WITHIN = 1.0  # s
MOST_LEFT = 20  # replies of an earlier talk that may come before the one that was asked for
LONGEST_LINE = 4096  # bytes of a reply


class VisaLine:
    """A line, used by one thread alone: pyvisa blocks.

    Args:
        resource: VISA address.
        timeout: Seconds to wait for a reply.
        backend: VISA library.
    """

    def __init__(self, resource: str, timeout: float, backend: str) -> None:
        self.resource = resource
        self.timeout = timeout
        self.backend = backend
        self.session: Any = None

    def manager(self) -> Any:
        """Load pyvisa, which takes a third of a second, and return its manager of resources."""
        import pyvisa  # noqa: PLC0415

        return pyvisa.ResourceManager(self.backend)  # one for each backend: pyvisa keeps it

    def open(self, make: str) -> str:
        """Connect, and return who answers, once what an earlier talk may have left is out of the way.

        Raises:
            Unreachable: Nobody answers, or another than the make.
        """
        self.close()
        try:
            self.session = self.manager().open_resource(self.resource)
            self.session.timeout = 1e3 * self.timeout
            kind = self.resource.upper()
            if kind.endswith("SOCKET") or kind.startswith("ASRL"):
                self.session.read_termination = self.session.write_termination = "\n"
            if kind.endswith("SOCKET"):  # two writes in a row would wait for the acknowledgement of the first
                sessions = getattr(self.session.visalib, "sessions", {})  # pyvisa-py cannot set the attribute for it
                wire = getattr(sessions.get(self.session.session), "interface", None)
                if isinstance(wire, socket.socket):
                    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._resynchronised(make)
        except (self._visa_error, OSError, ValueError, Unreachable) as error:
            why = error.__cause__ or error
            raise Unreachable(f"{self.resource}: wanted a {make}, found no answer ({why})") from error

    def _resynchronised(self, make: str) -> str:
        """Drain what an earlier talk may have left, so that the next reply belongs to the next question."""
        self.write("*CLS")
        self.drain()
        mark = ""
        for _ in range(MOST_LEFT):
            mark = self.ask("*IDN?")
            if mark.upper().startswith(make.upper()):
                return mark
        raise Unreachable(f"{self.resource}: wanted a {make}, found one that says {mark[:40]!r} again and again")

    def drain(self) -> None:
        """Read until nothing comes any more."""
        begin = time.monotonic()
        patience, self.session.timeout = self.session.timeout, 1e3 * SILENCE
        try:
            while time.monotonic() - begin < DRAINED_WITHIN:
                self._line()
        except self._visa_error:
            pass  # it has fallen silent
        except (OSError, ValueError) as error:
            raise Unreachable(f"{self.resource}: {error}") from error
        finally:
            self.session.timeout = patience

    def close(self) -> None:
        """Disconnect; safe to repeat."""
        if self.session is not None:
            self.session.close()
            self.session = None

    def write(self, text: str) -> None:
        """Say something.

        Raises:
            Unreachable: It cannot be said; the line is closed.
        """
        self._talk(lambda: self.session.write(text))

    def ask(self, text: str) -> str:
        """Ask something and return the answer.

        Raises:
            Unreachable: None came in time; the line is closed.
        """
        return self._talk(lambda: self._query(text)).strip()

    def _query(self, text: str) -> str:
        self.session.write(text)
        return self._line()

    def _line(self) -> str:
        """Read one line, and no more than a line may have: what streams without an end must not fill the memory."""
        raw = bytes(self.session.read_bytes(LONGEST_LINE, break_on_termchar=True))
        if len(raw) >= LONGEST_LINE:
            raise ValueError(f"wanted a line of less than {LONGEST_LINE} bytes, found one that goes on")
        return raw.decode("ascii")

    def _talk(self, exchange: Callable[[], T]) -> T:
        if self.session is None:
            raise Unreachable(f"{self.resource}: not open")
        try:
            return exchange()
        except (OSError, ValueError, self._visa_error) as error:
            self.close()  # after a timeout the line is out of step: only `open` brings it back
            raise Unreachable(f"{self.resource}: {error}") from error

    @property
    def _visa_error(self) -> type[Exception]:
        import pyvisa  # noqa: PLC0415

        return pyvisa.errors.VisaIOError
