"""How late the machine lets a process be: so that what is late for want of a processor is told from what is late by itself."""

import threading
import time

import numpy as np

from labctl.clock import monotonic

EVERY = 0.005  # s between two looks
LATE = 0.002  # s that a look may come late on a quiet machine


class Lateness:
    """A thread that wants to wake every 5 ms and notes when it could not; what it was kept waiting others were, too."""

    def __init__(self) -> None:
        self._late: list[tuple[float, float]] = []  # machine second at which it woke, s that it came late
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lateness", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        self._thread.join()

    def within(self, begin: float, end: float, book: np.ndarray | None = None, every: float = 0.02) -> float:
        """Return for how many seconds of a span nothing of ours ran; `book` are samples of another process, each `every` s."""
        late = sum(min(late, end - begin) for moment, late in list(self._late) if begin < moment < end + late)
        if book is None or not len(book):
            return late
        times = book[:, 0]
        times = np.concatenate(([begin], times[(times > begin) & (times < end)], [end]))
        return max(late, float(np.clip(np.diff(times) - 2.0 * every, 0.0, None).sum()))

    def _run(self) -> None:
        while not self._end.is_set():
            before = monotonic()
            time.sleep(EVERY)
            now = monotonic()
            if now - before - EVERY > LATE:
                self._late.append((now, now - before - EVERY))
