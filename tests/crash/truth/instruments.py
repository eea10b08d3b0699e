"""The instruments of rig T, in a process of their own that survives: what truly flowed is sampled where it flows.

    python -m tests.crash.truth.instruments FOLDER

It says one line of JSON, where each instrument answers and where its side door is. The door takes lines of JSON:
`{"verb": "book", "since": T}` gives every channel's samples (time, charging and discharging C so far, A) since a machine second,
`{"verb": "now"}` the current of every channel, `{"verb": "fault", "instrument": NAME, "text": TEXT}` sets a fault of its line.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from labctl.clock import monotonic
from labctl_simulators.models import load_model
from labctl_simulators.wire import keithley, neware, palmsens
from labctl_simulators.wire.fault import Switchboard
from labctl_simulators.wire.line import SerialPort, Server
from labctl_simulators.wire.neware_channel import CyclerChannel
from labctl_simulators.wire.practice import EmulatedPractice
from labctl_simulators.wire.program import PUMP
from labctl_simulators.wire.terminal import Terminal

MODEL = "marquis2019"
METERS, CELLS, CYCLED = 2, 3, 2
EVERY = 0.02  # s between two samples of the books
KEPT = 100_000  # samples of a channel

Totals = Callable[[float], tuple[float, float, float]]


@dataclass
class Book:
    """What flowed on one channel: a sample at every change of its set-point and every `EVERY` s."""

    totals: Totals
    samples: list[tuple[float, float, float, float]] = field(default_factory=list)

    def note(self, now: float) -> None:
        self.samples.append((now, *self.totals(now)))
        if len(self.samples) > KEPT:
            del self.samples[: KEPT // 2]


def of_terminal(terminal: Terminal) -> Totals:
    def totals(now: float) -> tuple[float, float, float]:
        terminal.advance(now)
        segment = terminal._segment
        rows = segment.rows([max(0.0, min(now - terminal._begin, segment.end))])
        ledger = terminal.ledger
        return (
            ledger.charging + float(rows.charging[0]),
            ledger.discharging + float(rows.discharging[0]),
            float(rows.current[0]),
        )

    return totals


def of_practice(channel) -> Totals:
    def totals(now: float) -> tuple[float, float, float]:
        book = channel.totals(now)
        return book["charging"], book["discharging"], channel.read(now)[2]

    return totals


def of_cycler(channel: CyclerChannel) -> Totals:
    def totals(now: float) -> tuple[float, float, float]:
        channel.advance(now)
        rows = channel._segment.rows([max(0.0, min(now - channel._begin, channel._segment.end))])
        return (
            channel.charging + float(rows.charging[0]),
            channel.discharging + float(rows.discharging[0]),
            float(rows.current[0]) if channel.status == "working" else 0.0,
        )

    return totals


class Booked:
    """A device whose books are written after every request that it took."""

    def __init__(self, device, books: list[Book]) -> None:
        self.device, self.books = device, books

    def greeting(self) -> bytes:
        return self.device.greeting()

    def receive(self, data: bytes, now: float) -> list[bytes]:
        for book in self.books:
            book.note(now)
        replies = self.device.receive(data, now)
        for book in self.books:
            book.note(now)
        return replies

    def poll(self, now: float) -> bytes:
        return self.device.poll(now)


class Bank:
    """All instruments, their lines and their books."""

    def __init__(self) -> None:
        self.books: dict[str, Book] = {}
        self.lines: dict[str, Server | SerialPort] = {}
        self.faults: dict[str, Switchboard] = {}

    async def start(self) -> dict[str, object]:
        places: dict[str, object] = {}
        for number in range(1, METERS + 1):
            meter = keithley.EmulatedKeithley2450(Terminal(load_model(MODEL), now=monotonic()))
            meter.off_state = "HIMP"
            meter.impose()
            book = self.books[f"kei{number}"] = Book(of_terminal(meter.terminal))
            places[f"kei{number}"] = await self._tcp(f"kei{number}", Booked(meter, [book]), only=1)
        cell = load_model(MODEL)
        practice = EmulatedPractice([(cell, cell.initial(0.5, number)) for number in range(CELLS)], monotonic())
        for name, channel in practice.channels.items():
            self.books[f"pra{name}"] = Book(of_practice(channel))
        books = [self.books[f"pra{name}"] for name in practice.channels]
        places["pra"] = await self._tcp("pra", Booked(practice, books))
        cells = {("27", "1", str(at)): CyclerChannel(load_model(MODEL), now=monotonic()) for at in range(1, CYCLED + 1)}
        for (_, _, at), channel in cells.items():
            self.books[f"nw{at}"] = Book(of_cycler(channel))
        books = [self.books[f"nw{at}"] for at in range(1, CYCLED + 1)]
        places["nw"] = await self._tcp("nw", Booked(neware.Cycler(cells), books))
        places["ps"] = await self._palmsens()
        return places

    async def _tcp(self, name: str, device: Booked, only: int | None = None) -> int:
        faults = self.faults[name] = Switchboard()
        line = self.lines[name] = Server(device, monotonic, faults, only=only)
        return await line.start()

    async def _palmsens(self) -> str:
        module = palmsens.EmulatedPalmSens(Terminal(load_model(MODEL), now=monotonic()))
        book = self.books["ps1"] = Book(of_terminal(module.terminal))
        device = Booked(module, [book])
        line = self.lines["ps"] = SerialPort(device, monotonic)
        path = await line.start()
        self.pump = asyncio.create_task(self._pump(line, device))
        return path

    async def _pump(self, line: SerialPort, device: Booked) -> None:
        while True:
            if words := device.poll(monotonic()):
                line.push(words)
            await asyncio.sleep(PUMP)

    async def note(self) -> None:
        while True:
            now = monotonic()
            for book in self.books.values():
                book.note(now)
            await asyncio.sleep(EVERY)

    def answer(self, asked: dict) -> object:
        match asked["verb"]:
            case "book":
                since = float(asked["since"])
                return {name: [row for row in book.samples if row[0] >= since] for name, book in self.books.items()}
            case "now":
                return {name: book.totals(monotonic())[2] for name, book in self.books.items()}
            case "fault":
                faults = self.faults[asked["instrument"]]
                faults.refuse = faults.hang = False
                faults.garbage = 0
                faults.set(asked["text"])
                if asked.get("unplug"):
                    self.lines[asked["instrument"]].unplug()
                return {}
        raise ValueError(asked)


async def main() -> None:
    bank = Bank()
    places = await bank.start()

    async def door(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(bank.answer(json.loads(line))).encode() + b"\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(door, "127.0.0.1", 0)
    places["door"] = server.sockets[0].getsockname()[1]
    print(json.dumps(places), flush=True)
    noting = asyncio.create_task(bank.note())
    await asyncio.to_thread(sys.stdin.read)  # until whoever started it has gone
    noting.cancel()


if __name__ == "__main__":
    asyncio.run(main())
