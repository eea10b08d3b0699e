"""Rig T: what truly flowed, from outside, while the daemon, its guard and its instruments' lines fail.

    python -m tests.crash.truth --kills 200 --write

Two Keithley source meters, three practice cells, two Neware channels, a PalmSens module and four simulated cells on one daemon
that is killed, frozen, or loses its guard at random moments, with random orders all the while. Observers on MQTT and PostgreSQL,
where they are installed, and the instruments' own books tell what happened. Each 50 kills are a station of their own, with a
seed of its own.
"""

import argparse
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from labctl.control import client
from tests.crash.counted import counting, progress
from tests.crash.promises import told
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


def station(
    seed: int, kills: int, ended: Callable[[], bool], keep: Path | None = None, *, alone: bool = False
) -> Count:
    """Run one station for so many kills, or until somebody asks for its end, and return what was seen.

    Args:
        seed: Of all that is drawn.
        kills: Wanted.
        ended: Tells whether somebody has asked for the end.
        keep: A folder in which what was written stays.
        alone: Without observers, beside other tests.
    """
    with contextlib.ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        broker, postgres = (None, None) if alone else stack.enter_context(observers(Path(name)))
        folder = (keep or Path(name)) / f"rig-{seed}"
        folder.mkdir(parents=True)
        rig = Rig(folder, seed, broker, postgres, off_within=BUSY if alone else OFF_WITHIN)
        begin = time.monotonic()
        try:
            while rig.count.kills < kills and not ended():
                rig.live()
                left = (time.monotonic() - begin) / max(rig.count.kills, 1) * (kills - rig.count.kills)
                progress(
                    f"seed {seed}: {rig.count.kills} of {kills} kills, {len(rig.count.wrong)} wrong, {left:.0f} s left"
                )
            return rig.finish()
        finally:
            rig.close()


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.truth", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="of this run")
    parser.add_argument("--seed", type=int, default=None, help="of the first station")
    parser.add_argument("--keep", type=Path, default=None, help="a folder in which what was written stays")
    parser.add_argument("--write", action="store_true", help="add to tests/crash/counted/truth.json and to the page")
    parser.add_argument("--alone", action="store_true", help="without a broker and a database")
    given = parser.parse_args(words)
    client.PATIENCE = 0.0  # the rig gives orders again itself, to the next daemon
    with counting("truth", given.write) as tally:
        first = given.seed if given.seed is not None or given.write else random.SystemRandom().randrange(2**31)
        for seed in tally.seeds(first):
            left = given.kills - int(tally.now.sums.get("kills", 0))
            if left <= 0:
                break
            begin = time.monotonic()
            one = station(seed, min(EACH, left), lambda: tally.ended, given.keep, alone=given.alone)
            sums, worst = one.figures()
            tally.add(seed, sums, worst, one.wrong, time.monotonic() - begin)
        print(told("truth", tally.now))
        if given.write:
            print(f"in all so far:\n{told('truth', tally.so_far)}")
        return 1 if tally.now.findings else 0


if __name__ == "__main__":
    sys.exit(main())
