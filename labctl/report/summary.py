"""A run in one line: what it was, how long, how much, and the one or two figures that it is known by."""

from collections.abc import Sequence

from labctl.analysis.digits import shown
from labctl.analysis.run_record import Analysis, RunRecord
from labctl.sample import SECONDS_PER_HOUR
from labctl.store.entry import StoredRun

COLUMNS = ("run", "protocol", "cell", "hours", "rows", "cycles", "result")
NUMBERS = frozenset({"hours", "rows", "cycles"})
KNOWN_BY = (
    "last survived current density",
    "failing current density",
    "median diffusion coefficient",
    "pulses without a flag",
    "recovery",
    "largest change of capacity",
    "time",
    "polarisation, last",
    "last discharge capacity",
    "last charge capacity",
)


def line(run: StoredRun, record: RunRecord, analyses: Sequence[Analysis]) -> tuple[str, ...]:
    """Return a run's values of `COLUMNS` as texts."""
    ended = run.end_reason or run.activity
    result = headline(analyses) if ended == "done" else f"{ended}: {run.end_why or run.why}"
    hours, cycles = f"{run.test_time / SECONDS_PER_HOUR:.1f}", len(record.cycles["cycle_count"])
    return str(run.run_id), run.protocol, run.cell, hours, str(run.rows), str(cycles), result


def headline(analyses: Sequence[Analysis]) -> str:
    """Return the one or two figures that a run is known by."""
    by_name = {figure.name: figure for analysis in analyses for figure in analysis.figures}
    retention = [figure for name, figure in by_name.items() if name.startswith("retention")]
    chosen = [by_name[name] for name in KNOWN_BY if name in by_name]
    return (
        ", ".join(
            f"{figure.name} {shown(figure.value, figure.unit)} {figure.unit}"
            for figure in [*chosen[:2], *retention][:2]
        )
        or "-"
    )
