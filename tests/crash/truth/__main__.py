"""Rig T: what truly flowed, from outside, while the daemon, its guard and its instruments' lines fail.

    python -m tests.crash.truth --kills 200 --total rig-truth.json

Two Keithley source meters, three practice cells, two Neware channels, a PalmSens module and four simulated cells on one daemon
that is killed, frozen, or loses its guard at random moments, with random orders all the while. Observers on MQTT and PostgreSQL,
where they are installed, and the instruments' own books tell what happened. Each 50 kills are a station of their own, with a
seed of its own; counts add up in the file `--total` over as many runs of the rig as there is time for, and the same command goes
on where it was ended: a seed that was counted is not run again.
"""

import argparse
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson

from labctl.control import client
from tests.crash.promises import write
from tests.crash.truth.judge import Count
from tests.crash.truth.rig import Rig

EACH = 50  # kills of one station
OFF_WITHIN = (0.25, 2.5)  # s after a death and after a freeze
BUSY = (1.0, 4.0)  # s, the same beside other tests: a machine that does other things


@contextmanager
def observers(folder: Path) -> Iterator[tuple[int | None, str | None]]:
    """Give the port of a broker and the URL of a database, None of what is not installed."""
    from tests import services_mosquitto, services_postgresql  # noqa: PLC0415 - what is not installed is left out

    with contextlib.ExitStack() as stack:
        broker = postgres = None
        with contextlib.suppress(BaseException):
            mosquitto = services_mosquitto.Mosquitto(folder).start()
            stack.callback(mosquitto.stop)
            broker = mosquitto.port
        with contextlib.suppress(BaseException):
            server = services_postgresql.Postgresql()
            stack.callback(server.remove)
            postgres = server.start().url(server.database())
        yield broker, postgres


def station(seed: int, kills: int, progress: str = "", keep: Path | None = None, *, alone: bool = False) -> Count:
    """Run one station for so many kills and return what was seen; `alone` is without observers, beside other tests."""
    with contextlib.ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        broker, postgres = (None, None) if alone else stack.enter_context(observers(Path(name)))
        folder = (keep or Path(name)) / f"rig-{seed}"
        folder.mkdir(parents=True)
        rig = Rig(folder, seed, broker, postgres, off_within=BUSY if alone else OFF_WITHIN)
        begin = time.monotonic()
        try:
            while rig.count.kills < kills:
                rig.live()
                left = (time.monotonic() - begin) / max(rig.count.kills, 1) * (kills - rig.count.kills)
                if progress:
                    sys.stderr.write(
                        f"\r{progress} {rig.count.kills} of {kills} kills, {len(rig.count.wrong)} wrong, {left:.0f} s left "
                    )
            return rig.finish()
        finally:
            rig.close()


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.truth", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--total", type=Path, default=None, help="a file in which counts add up")
    parser.add_argument("--keep", type=Path, default=None, help="a folder in which what was written stays")
    parser.add_argument("--write", action="store_true", help="write the counts into docs/reference/promises.md")
    parser.add_argument("--alone", action="store_true", help="without a broker and a database")
    given = parser.parse_args(words)
    client.PATIENCE = 0.0  # the rig gives orders again itself, to the next daemon
    done = Count()
    seed = given.seed
    counted = _counted(given.total)
    while done.kills < given.kills:
        if seed in counted.seeds:  # its kills are in the total already: this run goes on where one before was ended
            done = done.add(Count(kills=min(EACH, given.kills - done.kills)))
            seed += 1
            continue
        one = station(seed, min(EACH, given.kills - done.kills), f"seed {seed}:", given.keep, alone=given.alone)
        one.wrong = [f"seed {seed}: {each}" for each in one.wrong]
        one.seeds = [seed]
        done = done.add(one)
        if given.total is not None:
            given.total.write_text(_counted(given.total).add(one).to_json() + "\n")
        seed += 1
    print(told(done))
    if given.total is not None:
        done = _counted(given.total)
        print("in all so far:")
        print(told(done))
    if given.write:
        write("truth", "\n".join(f"- {line}" for line in told(done).splitlines()))
    return 1 if done.wrong else 0


def _counted(file: Path | None) -> Count:
    """Return what earlier runs of the rig counted into a file."""
    return Count(**orjson.loads(file.read_bytes())) if file is not None and file.exists() else Count()


def told(count: Count) -> str:
    """Say what was counted, a line each; what was wrong comes last, at most forty of them."""
    lines = (
        f"{len(count.seeds)} seeds, the last {max(count.seeds, default=0)}\n"
        f"{count.kills} kills of the daemon ({count.early} as it came up, {count.refusals} while a meter refused), {count.freezes} freezes, guard killed "
        f"{count.guards_killed} and frozen {count.guards_frozen} times; {count.stood} daemons were ended as they came up on a busy machine\n"
        f"{count.runs} runs, {count.rows} rows, {count.copied} of them compared in PostgreSQL; {count.messages} messages; "
        f"{count.answered} of {count.orders} orders answered\n"
        f"{count.steps} steps compared with the books: {count.unseen:.2f} C flowed unseen, at most {count.blind:.2f} C was said\n"
        f"{count.killed_on} outputs were on as the daemon died or froze: off {1e3 * count.slowest_off:.0f} ms after a death and "
        f"{1e3 * count.slowest_freeze:.0f} ms after a freeze at worst, {count.late_off} later than 250 ms and 2500 ms, {count.late_busy} of them on a machine that kept the rig waiting; "
        f"{count.unreadable} were on as their meter became unreadable, off {1e3 * count.slowest_unreadable:.0f} ms later at worst"
    )
    wrong = [f"WRONG: {words}" for words in count.wrong[:40]] or ["nothing was wrong"]
    return "\n".join((lines, *wrong))


if __name__ == "__main__":
    sys.exit(main())
