"""How late the machine lets a process be: so that what is late for want of a processor is told from what is late by itself.

    python -m tests.crash.truth.lateness

looks for itself in a session of its own, with the priority of a guard, and says on its output when it could not look in time.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from labctl.clock import monotonic
from labctl.run.guard_process import come_first

EVERY = 0.005  # s between two looks
LATE = 0.002  # s that a look may come late on a quiet machine


class Lateness:
    """A thread of the rig, and a process that stands where a guard stands, that want to wake every 5 ms and note when they could not.

    What either was kept waiting others were, too.
    """

    def __init__(self) -> None:
        self._late: list[tuple[float, float]] = []  # machine second at which it woke, s that it came late
        self._late_guard: list[tuple[float, float]] = []
        self._end = threading.Event()
        words = [sys.executable, "-m", "tests.crash.truth.lateness"]
        self._probe = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)
        come_first(self._probe.pid)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._run, self._hear)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._end.set()
        self._probe.terminate()
        self._probe.wait(30)
        for thread in self._threads:
            thread.join()
        self._probe.stdout.close()

    def within(self, begin: float, end: float, book: np.ndarray | None = None, every: float = 0.02) -> float:
        """Return for how many seconds of a span nothing of ours ran; `book` are samples of another process, each `every` s."""
        late = max(_within(list(each), begin, end) for each in (self._late, self._late_guard))
        if book is None or not len(book):
            return late
        times = book[:, 0]
        times = np.concatenate(([begin], times[(times > begin) & (times < end)], [end]))
        return max(late, float(np.clip(np.diff(times) - 2.0 * every, 0.0, None).sum()))

    def _run(self) -> None:
        look(lambda now, late: self._late.append((now, late)), self._end.is_set)

    def _hear(self) -> None:
        for line in self._probe.stdout:
            now, late = map(float, line.split())
            self._late_guard.append((now, late))


class Queued:
    """For how long processes that were ready to run had to wait for a processor, by the system's own count (proc(5), schedstat)."""

    def __init__(self, *processes: int) -> None:
        self._begin = {pid: waited for pid in processes if (waited := _queued(pid)) is not None}
        self._last = dict(self._begin)

    def look(self) -> None:
        """Ask once more; what has ended keeps what was seen last."""
        self._last |= {pid: waited for pid in self._begin if (waited := _queued(pid)) is not None}

    @property
    def seconds(self) -> float:
        """Return for how many seconds they waited one after the other since the begin."""
        return sum(self._last.values()) - sum(self._begin.values())


def _queued(pid: int) -> float | None:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) * 1e-9
    except (OSError, ValueError, IndexError):  # it has ended, or the system does not count
        return None


def _within(looks: list[tuple[float, float]], begin: float, end: float) -> float:
    return sum(min(late, end - begin) for moment, late in looks if begin < moment < end + late)


def look(say: Callable[[float, float], None], ended: Callable[[], bool] = lambda: False) -> None:
    """Wake every 5 ms, and say when one did not: the machine second, and s that it came late."""
    while not ended():
        before = monotonic()
        time.sleep(EVERY)
        now = monotonic()
        if now - before - EVERY > LATE:
            say(now, now - before - EVERY)


if __name__ == "__main__":
    look(lambda now, late: print(now, late, flush=True))
