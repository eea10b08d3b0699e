"""A PalmSens module on its serial line: EmStat Pico, EmStat4 or Nexus, speaking MethodSCRIPT.

Facts: communication protocols of the Pico (1.6) and EmStat4 (1.3) as quoted by public clients. Kept: a reply begins with the first
character of the command; errors are `<char>!XXXX`; a script's output comes when it comes; after an error the line is deaf for
50 ms; the cell stays on after a runtime error.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

from labctl_simulators.cell import AtOpenCircuit
from labctl_simulators.wire.methodscript import Interpreter, Out, ScriptError, Statement, parse
from labctl_simulators.wire.program import Kind, parser, run
from labctl_simulators.wire.terminal import Terminal

KIND = Kind("palmsens", serial=True, air=True)

DEAF = 0.05  # s
FIRMWARE = {"pico": "espico1602", "es4_hr": "es4_hr1305", "es4_lr": "es4_lr1305", "nexus": "nexus11001"}


class EmulatedPalmSens:
    """One module with one channel.

    `receive` answers what is asked; `poll` gives what a running script has said by then.
    """

    def __init__(self, terminal: Terminal, kind: str = "es4_hr", serial: str = "ES4HR2309001") -> None:
        """Power up idle; `kind` is one of the keys of `FIRMWARE`."""
        self.terminal = terminal
        self.kind = kind
        self.serial = serial
        self.cell_on = False
        self._buffer = b""
        self._script: list[str] | None = None
        self._loaded: tuple[list[Statement], list[Statement]] | None = None
        self._interpreter: Interpreter | None = None
        self._output: Iterator[Out] | None = None
        self._next: Out | None = None
        self._finished: list[Statement] = []
        self._deaf_until = float("-inf")

    @property
    def running(self) -> bool:
        """Tell whether a script runs."""
        return self._output is not None

    def greeting(self) -> bytes:
        """Say nothing when the port is opened."""
        return b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Take bytes at a time and return what is said by then."""
        replies = [self.poll(now)]
        if now < self._deaf_until:
            return replies
        self._buffer += data.replace(b"\x11", b"").replace(b"\x13", b"")
        while b"\n" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\n")
            answer = self.line(line.decode("ascii", "replace").rstrip("\r"), now)
            if b"!" in answer[:2]:
                self._deaf_until = now + DEAF
            replies.append(answer)
        replies.append(self.poll(now))
        return [reply for reply in replies if reply]

    def poll(self, now: float) -> bytes:
        """Return what a running script has said by `now`."""
        output = b""
        while (event := self._upcoming()) is not None and event[0] <= now:
            output += event[1]
            self._next = None
        return output

    def _upcoming(self) -> Out | None:
        """Return what the script says next, and when; None when it says nothing more."""
        if self._next is None and self._output is not None and self._interpreter is not None:
            try:
                self._next = next(self._output)
            except StopIteration:
                self.cell_on, self._output = self._interpreter.on, None
            except ScriptError as error:  # the cell stays as it is: `on_finished:` does not run
                self._output = iter(())
                self._next = (self._interpreter.now, f"{error}\n\n".encode())
        return self._next

    def line(self, text: str, now: float) -> bytes:  # noqa: C901 - a table of commands
        """Act on one line."""
        if self._script is not None:
            return self.script_line(text, now)
        if self.running:
            return self.while_running(text, now)
        match text[:1]:
            case "t":
                return f"t{FIRMWARE[self.kind]}#Nov 14 2023 10:11:12\nR*\n".encode()
            case "i":
                return f"i{self.serial}\n".encode()
            case "v":
                return b"v0108\n"
            case "e" | "l":
                self._script = []
                self._run_at_once = text[:1] == "e"
                return b""
            case "r" if self._loaded is not None:
                self.start(now)
                return b"r\n"
            case "Z" | "Y" | "h" | "H" | "r":
                return f"{text[0]}!0006\n".encode()
            case "":
                return b""
        return f"{text[0]}!0003\n".encode()

    def while_running(self, text: str, now: float) -> bytes:
        """Act on a line while a script runs: abort, version; all else is refused."""
        if text[:1] == "Z":
            assert self._interpreter is not None
            self._interpreter.now = now
            self._next = None
            self._interpreter._broken = False  # noqa: SLF001 - the abort ends whatever loop runs
            self._output = chain([(now, b"*\n")], self._interpreter.run(self._finished), [(now, b"\n")])
            return b"Z\n"
        if text[:1] == "t":
            return f"t{FIRMWARE[self.kind]}#Nov 14 2023 10:11:12\nR*\n".encode()
        return f"{text[:1] or 'x'}!0006\n".encode()

    def script_line(self, text: str, now: float) -> bytes:
        """Take one line of a script; an empty one ends it, and only then it is parsed and acknowledged."""
        assert self._script is not None
        if text:
            self._script.append(text)
            return b""
        lines, self._script = self._script, None
        letter = "e" if self._run_at_once else "l"
        try:
            self._loaded = parse(lines)
        except ScriptError as error:
            return f"{letter}!{error.code}: Line {error.line}, Col 1\n".encode()
        if self._run_at_once:
            self.start(now)
        return f"{letter}\n".encode()

    def start(self, now: float) -> None:
        """Run the loaded script."""
        assert self._loaded is not None
        main, self._finished = self._loaded
        self._interpreter = Interpreter(self.terminal, now, galvanostat=self.kind != "pico")
        self._interpreter.on = self.cell_on
        self._output = chain(self._interpreter.run(main), self._interpreter.run(self._finished), self._empty_line())

    def _empty_line(self) -> Iterator[Out]:
        assert self._interpreter is not None
        yield self._interpreter.now, b"\n"

    def restart(self, now: float) -> bytes:
        """Lose the script and open the circuit, as a power cut does."""
        self._output = self._next = self._script = None
        self.cell_on = False
        self.terminal.drive(AtOpenCircuit(), now)
        return b""


def main(argv: Sequence[str]) -> int:
    """Serve until a signal ends the process."""
    words = parser(KIND)
    words.add_argument("--kind", choices=sorted(FIRMWARE), default="es4_hr", help="which module")
    return run(
        KIND, words, argv, lambda given: EmulatedPalmSens(Terminal(given.cell, given.state, air=given.air), given.kind)
    )
