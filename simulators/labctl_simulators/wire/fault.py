"""The fault switchboard of an emulated instrument's line: what can go wrong between two programs that both work."""

from collections.abc import Iterator
from dataclasses import dataclass

KINDS = ("pieces", "merge", "silence", "late", "garbage", "cut", "hang", "refuse")


@dataclass(slots=True)
class Switchboard:
    """Faults that are on, changed at any time from outside.

    Attributes:
        pieces: Replies leave one byte at a time.
        merge: A reply waits for the next one and both leave in one packet.
        silence: This many replies are swallowed.
        late: This many replies are held back until the next request has been answered.
        garbage: This many replies have their bytes flipped.
        cut: The connection closes in the middle of this many replies.
        hang: The socket is open, nothing is read and nothing said.
        refuse: New connections are closed at once.
    """

    pieces: bool = False
    merge: bool = False
    silence: int = 0
    late: int = 0
    garbage: int = 0
    cut: int = 0
    hang: bool = False
    refuse: bool = False

    def set(self, text: str) -> None:
        """Switch faults from text: `silence=2,pieces`.

        Raises:
            ValueError: A name is not that of a fault.
        """
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            name, _, number = part.partition("=")
            if name not in KINDS:
                raise ValueError(f"wanted a fault out of {', '.join(KINDS)}, found {name!r}")
            kind = type(getattr(self, name))
            setattr(self, name, kind(int(number)) if number else kind(1))


class Outlet:
    """What leaves an emulated instrument, after its faults."""

    def __init__(self, faults: Switchboard) -> None:
        """Begin with nothing held back."""
        self.faults = faults
        self._held = b""

    def packets(self, reply: bytes) -> Iterator[bytes | None]:
        """Yield the packets that a reply leaves as; None closes the connection."""
        if not reply:
            return
        faults = self.faults
        if faults.silence > 0:
            faults.silence -= 1
            return
        if faults.late > 0:
            faults.late -= 1
            self._held += reply
            return
        if faults.garbage > 0:
            faults.garbage -= 1
            reply = bytes(byte ^ 0x55 for byte in reply[:-1]) + reply[-1:]
        if faults.merge and not self._held:
            self._held = reply
            return
        reply, self._held = (reply + self._held, b"") if not faults.merge else (self._held + reply, b"")
        if faults.cut > 0:
            faults.cut -= 1
            yield reply[: len(reply) // 2]
            yield None
            return
        yield from (reply[at : at + 1] for at in range(len(reply))) if faults.pieces else (reply,)
