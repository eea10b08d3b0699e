"""How far each run had come at a commit, found from there backwards: as quickly in a journal of years as in one of a day."""

from collections.abc import Collection

from labctl.store.reader import Reader

STEP = 1000  # commits of the first look back; each further one is twice as long


def ends_at(reader: Reader, commit_id: int, runs: Collection[int]) -> dict[int, tuple[int, int, int]]:
    """Return the last record, event and input that commits up to one name, -1 where they name none.

    Args:
        reader: Of a journal.
        commit_id: The commit.
        runs: The runs to look for; those that were made later are left out.

    Returns:
        By run.
    """
    made = {row[0]: row[1] for row in reader.query(_MADE, upto=commit_id)}
    found = {run_id: [-1, -1, -1] for run_id in runs if run_id in made}
    left = {run_id: _there(reader, run_id) for run_id in found}
    last, step = commit_id, STEP
    while left and last > 0:
        first = max(1, last - step + 1)
        for run_id, *ends in reader.query(_ENDS, first=first, last=last):
            for kind in left.get(run_id, set()) & {kind for kind, end in enumerate(ends) if end is not None}:
                found[run_id][kind] = ends[kind]
                left[run_id] = left[run_id] - {kind}
        left = {run_id: kinds for run_id, kinds in left.items() if kinds and made[run_id] < first}
        last, step = first - 1, 2 * step
    return {run_id: (ends[0], ends[1], ends[2]) for run_id, ends in found.items()}


def _there(reader: Reader, run_id: int) -> set[int]:
    """Return which of records, events and inputs a run has at all: for others nobody need look back to its begin."""
    return {kind for kind, each in enumerate(reader.query(_THERE, run=run_id)[0]) if each}


_MADE = "SELECT run_id, created_commit_id FROM runs WHERE created_commit_id <= :upto"
_THERE = """
SELECT 1, EXISTS (SELECT 1 FROM events WHERE run_id = :run), EXISTS (SELECT 1 FROM inputs WHERE run_id = :run)"""
_ENDS = """
SELECT run_id, max(last_record), max(last_event), max(last_input) FROM commit_runs
WHERE commit_id BETWEEN :first AND :last GROUP BY 1"""
