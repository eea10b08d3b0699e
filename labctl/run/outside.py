"""What a plan takes from this machine when it is made: a seed for its draws, and the local time."""

import datetime as dt
import secrets

from labctl.plan.outside import Outside

SEEDS = 1_000_000  # so many: short enough to be written into a file


def outside(begins: float) -> Outside:
    """Return a fresh seed and the local time of this machine, for a run that begins at `begins`, s of Unix time."""
    return Outside(secrets.randbelow(SEEDS), begins, local)


def local(moment: float) -> tuple[float, str]:
    """Return how many seconds the local time is ahead of UTC at a local time, s, and the name of the zone."""
    clock = dt.datetime.fromtimestamp(moment, dt.UTC).replace(tzinfo=None)  # as the clock on the wall would show it
    here = clock.astimezone()
    ahead = here.utcoffset()
    return (0.0 if ahead is None else ahead.total_seconds()), here.tzname() or ""
