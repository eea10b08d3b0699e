"""A proxy between two programs that both work, and what a line between them may do: late, cut, swallowed, half open, refused."""

import contextlib
import select
import socket
import threading
import time

PIECE = 65536
LOOK = 0.02  # s between two looks at what the line is to do


class Proxy:
    """A port that leads to another one, through a line with faults.

    Attributes:
        port: Where it listens.
        latency: s that everything is kept before it goes on.
        cut_after: Bytes after which every connection is cut, None for none.
        black_hole: Nothing that is said arrives, and nobody is told.
        half_open: Only what comes back is swallowed: the other side hears, and is not heard.
        refuse: New connections are closed at once.
    """

    def __init__(self, behind: int) -> None:
        self.behind = behind
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._lines: list[socket.socket] = []
        self.heal()
        threading.Thread(target=self._serve, daemon=True).start()

    def heal(self) -> None:
        """Let the line be a good one."""
        self.latency, self.cut_after = 0.0, None
        self.black_hole = self.half_open = self.refuse = False

    def set(self, fault: str, amount: float) -> None:
        """Let the line have one fault; `amount` is s of latency, or bytes before a cut."""
        self.heal()
        match fault:
            case "latency":
                self.latency = amount
            case "cut":
                self.cut_after = int(amount)
            case "black hole":
                self.black_hole = True
            case "half open":
                self.half_open = True
            case "refuse":
                self.refuse = True
                self.sever()

    def sever(self) -> None:
        """Cut every connection that there is."""
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        self._lines.clear()

    def close(self) -> None:
        self._server.close()
        self.sever()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            if self.refuse:
                client.close()
                continue
            try:
                behind = socket.create_connection(("127.0.0.1", self.behind), 5.0)
            except OSError:
                client.close()
                continue
            self._lines += [client, behind]
            for one, other, back in ((client, behind, False), (behind, client, True)):
                threading.Thread(target=self._carry, args=(one, other, back), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, back: bool) -> None:
        left = self.cut_after
        try:
            while data := one.recv(PIECE):
                if self.latency:
                    time.sleep(self.latency)
                while self.black_hole or (self.half_open and back):  # what was said meanwhile comes late, as TCP would
                    time.sleep(LOOK)
                    if not select.select([], [other], [], 0)[1]:
                        break
                left = self.cut_after if left is None else left
                if left is not None:
                    other.sendall(data[:left])
                    left -= len(data)
                    if left <= 0:
                        break
                    continue
                other.sendall(data)
        except (OSError, ValueError):
            pass  # either side has gone, perhaps while it was looked at
        for line in (one, other):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()


FAULTS = ("latency", "cut", "black hole", "half open", "refuse")
