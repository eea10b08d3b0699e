"""Rig P: the lines to the broker and to PostgreSQL are late, cut after any byte, black holes, half open or refused; nothing is lost.

    python -m tests.crash.lines --seeds 20 --write  # some 28 faults a seed

A journal is written all the while; the real reader of MQTT and the real copy in PostgreSQL follow it through proxies whose faults
a seed draws. When the lines are whole again, a subscriber that was never cut has every event, in order and none with another
content, and the copy has every row and every event, to the bit. The lines to instruments have faults of their own: those of
`labctl_simulators.wire.fault` in rig T, in the tests of polled instruments and in rig D.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from labctl.errors import SinkError
from labctl.publish.postgres import Postgres
from tests import bench_mqtt
from tests.crash.counted import Tally, counting, progress
from tests.crash.promises import told
from tests.crash.proxy import FAULTS, Proxy
from tests.services_mosquitto import Mosquitto, listening
from tests.services_postgresql import Postgresql

CHANNELS = ("A1", "B1", "C1")
LASTS = (0.2, 3.0)  # s that a fault lasts
GOOD = (0.05, 1.0)  # s between two
LATENCY, CUT = (0.01, 0.5), (1, 5000)  # s, and bytes
ALL_WITHIN = 120.0  # s after the lines are whole again
PATIENT = 3.0  # s that the reader of MQTT waits for an answer


@dataclass
class Count:
    """What was seen."""

    faults: int = 0
    rows: int = 0
    events: int = 0
    twice: int = 0
    failures: int = 0
    wrong: list[str] = field(default_factory=list)


class Carrier:
    """The copy in PostgreSQL, in a thread of its own, as a daemon has it."""

    def __init__(self, folder: Path, url: str, count: Count) -> None:
        self._sink, self._count, self._over = Postgres(folder, url), count, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                if not self._sink.carry(50):
                    time.sleep(0.02)
            except SinkError:
                self._count.failures += 1
                time.sleep(0.05)

    def close(self) -> None:
        """Stop carrying; what is missing is carried by another."""
        self._over.set()
        self._thread.join()
        self._sink.close()


async def disturbed(proxy: Proxy, dice: random.Random, seconds: float, count: Count) -> None:
    """Give a line faults for so long, and heal it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        fault = dice.choice(FAULTS)
        proxy.set(fault, dice.uniform(*LATENCY) if fault == "latency" else dice.uniform(*CUT))
        count.faults += 1
        await asyncio.sleep(dice.uniform(*LASTS))
        if fault in {"black hole", "half open"} and dice.random() < 0.5:
            proxy.sever()
        proxy.heal()
        await asyncio.sleep(dice.uniform(*GOOD))


async def lived(folder: Path, broker: Mosquitto, server: Postgresql, seed: int, seconds: float) -> Count:
    """Write a journal beside bad lines for so long, and return what was seen."""
    dice, count = random.Random(seed), Count()
    database = server.database()
    to_broker, to_server = Proxy(broker.port), Proxy(server.port)
    bench = bench_mqtt.Bench(folder / "data", to_broker.port)
    bench.reader._publisher.answer_within = PATIENT
    carrier = Carrier(folder / "data", server.url(database, to_server.port), count)
    try:
        async with listening(broker.port, "labctl/#") as seen, bench_mqtt.publishing(bench):
            for name in CHANNELS:
                bench.start(name)
            writing = asyncio.create_task(_write(bench, dice))
            async with asyncio.TaskGroup() as both:  # each line has faults of its own, whatever the other does
                for proxy in (to_broker, to_server):
                    both.create_task(disturbed(proxy, random.Random(dice.random()), seconds, count))
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
            await bench.writer.flush()
            await _compare_events(bench, seen, count)
        carrier.close()
        await asyncio.to_thread(_compare_copy, folder / "data", server.url(database), count)
        count.rows = sum(bench.records.values())
    finally:
        carrier.close()
        await bench.close()
        to_broker.close()
        to_server.close()
    return count


async def _write(bench: bench_mqtt.Bench, dice: random.Random) -> None:
    number = 0
    while True:
        name = dice.choice(CHANNELS)
        bench.rows(name, dice.choice((1, 1, 5)))
        if dice.random() < 0.3:
            number += 1
            bench.event(name, "mark", number=number)
        await bench.writer.flush()
        await asyncio.sleep(0.01)


async def _compare_events(bench: bench_mqtt.Bench, seen, count: Count) -> None:
    for name in CHANNELS:
        uuid = await asyncio.to_thread(bench_mqtt.uuid_of, bench, name)
        stored = [each.event for each in bench.journal_reader.events(bench.runs[name])]
        topic = f"run/{uuid}/event"
        with contextlib.suppress(TimeoutError):
            await seen.until(partial(_came, seen, topic, len(stored)), ALL_WITHIN)
        found = seen.on(topic)
        first: dict[int, object] = {}
        for each in found:
            number = first.setdefault(each["seq"], each.get("number"))
            if number != each.get("number"):
                count.wrong.append(f"{name}: event {each['seq']} came as {number} and as {each.get('number')}")
        if list(first) != list(range(1, len(stored) + 1)):
            count.wrong.append(f"{name}: wanted events 1 to {len(stored)} in order, found {list(first)[:50]}")
        elif [event.data.get("number") for event in stored] != list(first.values()):
            count.wrong.append(f"{name}: events came with another content than they are stored with")
        count.events += len(first)
        count.twice += len(found) - len(first)


def _came(seen, topic: str, last: int) -> bool:
    return any(each["seq"] == last for each in seen.on(topic))


def _compare_copy(folder: Path, url: str, count: Count) -> None:
    from tests.system.test_postgres import same  # noqa: PLC0415 - it belongs to the tests of that room

    with Postgres(folder, url) as sink:
        sink.carry_all()
    try:
        same(folder, url)
    except AssertionError as error:
        count.wrong.append(f"the copy is not the journal: {str(error)[:300]}")


def rig(seed: int, seconds: float, tally: Tally) -> tuple[int, Count, float] | None:
    """Live one seed with services of its own, and return what was seen and how long it took; None once an end was asked for."""
    if tally.ended:
        return None
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        broker, server = Mosquitto(folder), Postgresql()
        try:
            broker.start()
            server.start()
            count = asyncio.run(lived(folder, broker, server, seed, seconds))
        finally:
            broker.stop()
            server.remove()
    return seed, count, time.monotonic() - begin


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.lines", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30.0, help="of bad lines, each seed")
    parser.add_argument("--beside", type=int, default=6, help="lives at the same time")
    parser.add_argument("--seed", type=int, default=None, help="the first")
    parser.add_argument("--write", action="store_true", help="add to tests/crash/counted/lines.json and to the page")
    given = parser.parse_args()
    with counting("lines", given.write) as tally:
        first = given.seed if given.seed is not None or given.write else random.SystemRandom().randrange(2**31)
        seeds = [seed for seed, _ in zip(tally.seeds(first), range(given.seeds), strict=False)]
        with ThreadPoolExecutor(given.beside) as pool:  # a life waits for most of its time
            for seed, count, took in filter(None, pool.map(partial(rig, seconds=given.seconds, tally=tally), seeds)):
                sums = {name: getattr(count, name) for name in ("faults", "rows", "events", "twice", "failures")}
                tally.add(seed, sums, wrong=count.wrong, seconds=took)
                progress(f"{tally.now.seeds} of {given.seeds} seeds, {len(tally.now.findings)} wrong")
        print(told("lines", tally.now))
        return 1 if tally.now.findings else 0


if __name__ == "__main__":
    sys.exit(main())
