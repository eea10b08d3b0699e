"""Which records, events and inputs several commits hold of a run: ranges, put together."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labctl.store.entry import RunRanges


def merge_ranges(parts: Sequence[RunRanges]) -> tuple[RunRanges, ...]:
    """Return one part a run that covers all of its parts, in the order of the runs."""
    by_run: dict[int, list[RunRanges]] = defaultdict(list)
    for part in parts:
        by_run[part.run_id].append(part)
    return tuple(
        RunRanges(
            run_id,
            records=_cover([part.records for part in mine]),
            events=_cover([part.events for part in mine]),
            inputs=_cover([part.inputs for part in mine]),
        )
        for run_id, mine in sorted(by_run.items())
    )


def _cover(spans: Sequence[tuple[int, int] | None]) -> tuple[int, int] | None:
    known = [span for span in spans if span is not None]
    return (known[0][0], known[-1][1]) if known else None


def span_of(first: int | None, last: int | None) -> tuple[int, int] | None:
    """Return a range, or None where there is none."""
    return None if first is None or last is None else (first, last)


def end_of_records(last: int | None) -> int:
    """Return the last record of a range, the largest number there can be where it has no end."""
    return (1 << 31) - 1 if last is None else last


def steps_of_records(steps: Sequence[tuple[int, int]], records: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the program step of each record; `steps` are (first record, step) in order, before the first it is step 0."""
    starts = np.array([start for start, _ in steps], dtype=np.int64)
    values = np.array([0, *(step for _, step in steps)], dtype=np.int64)
    return values[np.searchsorted(starts, records, side="right")]
