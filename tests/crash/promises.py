"""What the rigs have counted, written into `docs/reference/promises.md` between its marks.

    python -m tests.crash.promises

writes the page anew from `tests/crash/counted/`; a rig does that by itself with `--write`.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from tests.crash.counted import FOLDER, Counted

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "promises.md"
SHOWN = 40  # findings of a rig


@dataclass(frozen=True, slots=True)
class Row:
    """A rig on the page.

    Attributes:
        letter: By which the list of rigs knows it.
        name: Of its file in `tests/crash/counted/`.
        command: That counts.
        unit: The figure that is wanted, by its name in the file.
        wanted: Of it.
        words: What else it counted: names of figures in braces, `w.` before those of which the highest counts.
    """

    letter: str
    name: str
    command: str
    unit: str
    wanted: int
    words: str


DISKS = (
    "{states:,} different disks, out of {asked:,} drawn at {operations:,} operations; {torn:,} of them torn, {opened:,} opened as "
    "a daemon does, {verified:,} verified: acknowledged rows missing on {lost}"
)
INPUTS = (
    "{inputs:,} damaged inputs: {strange} raised anything but an error of ours, at most {w[grown]:.1f} MB more memory held after the "
    "first tenth of a seed"
)
ROWS = (
    Row("K", "truth", "make rig-truth N=5000 WRITE=1", "kills", 5000,
        "{kills:,} kills of the daemon ({early:,} as it came up, {refusals:,} while a meter refused), {freezes:,} freezes, guard killed "
        "{guards_killed:,} and frozen {guards_frozen:,} times; {stood:,} daemons were ended as they came up on a busy machine; {runs:,} runs, "
        "{rows:,} rows, {copied:,} of them compared in PostgreSQL; {messages:,} messages; {answered:,} of {orders:,} orders answered; "
        "{steps:,} steps compared with the books: {unseen:.2f} C flowed unseen, at most {blind:.2f} C was said; {killed_on:,} outputs were on as "
        "the daemon died or froze: off {w[slowest_off]:.3f} s after a death and {w[slowest_freeze]:.3f} s after a freeze at worst, {late_off} "
        "later than 0.25 s and 2.5 s, {late_busy} of them on a machine that kept the rig waiting; {unreadable:,} were on as their meter "
        "became unreadable, off {w[slowest_unreadable]:.3f} s later at worst"),
    Row("K", "kill", "make rig-kill N=5000 WRITE=1", "kills", 5000,
        "{kills:,} kills, {stood:,} daemons ended as they came up on a busy machine, {runs:,} runs, {rows:,} rows; {equal:,} finished runs equal to the bit to one that nobody killed, the others to "
        "rounding; every set-point in a cell's ledger was recorded before it was given; all off {w[slowest_off]:.3f} s after the slowest kill"),
    Row("", "guard", "make rig-guard N=60 WRITE=1", "kills", 60,
        "the output of a source meter was off {w[slowest_kills]:.3f} s after the slowest of {kills:,} kills of its daemon, and {w[slowest_freezes]:.3f} s after "
        "the slowest of {freezes:,} freezes, {late} later than 0.25 s and 2.5 s"),
    Row("W", "power", "make rig-power STATES=1000000 WRITE=1", "states", 1_000_000, DISKS),
    Row("W", "older", "make rig-power STATES=1000000 WRITE=1", "states", 20_000, f"while an older journal was brought up to date, {DISKS}"),
    Row("I", "disk", "make rig-disk WRITE=1", "requests", 2000,
        "each of the first {requests:,} writes, cuts and syncs of a journal failed in turn with EIO and with ENOSPC, {failures:,} failures; {refused:,} journals "
        "could not be made and were made at the second try"),
    Row("P", "lines", "make rig-lines N=2000 WRITE=1", "faults", 2000,
        "{faults:,} faults of the lines to a broker and to PostgreSQL, beside {rows:,} rows; {failures:,} attempts to copy failed; {events:,} events came in order, "
        "{twice:,} of them again with the same content"),
    Row("D", "world", "make rig-world SECONDS=3600 WRITE=1", "channel_hours", 100_000,
        "{lives:,} lives, {channel_hours:,.0f} hours of runs in them, {rows:,} rows, {kills:,} kills, {faults:,} answers of instruments late, lost, refused, misapplied or frozen, all that must hold looked at {checks:,} times"),
    Row("S", "soak", "make rig-soak HOURS=8 WRITE=1", "hours", 8,
        "{hours:.2f} h of 64 mixed channels, {channel_hours:,.0f} h of channels, {rows:,} rows, {orders:,} orders: at most {w[memory_more]:+.1f} MB more "
        "memory at the end than after the first quarter, {w[descriptors_more]:+.0f} descriptors, {w[tasks_more]:+.0f} tasks, log {w[log]:.1f} MB"),
    Row("", "pages", "make rig-web N=200", "kills", 200,
        "{kills:,} kills of the page process under viewers, {races:,} races of two browsers for a step, {orders:,} orders under a flood, "
        "{requests:,} damaged requests, {trips:,} trips told by mail, {mails:,} while who tells them was killed: the page on security says what came of them"),
    Row("", "fuzz-wire", "make rig-fuzz WRITE=1", "inputs", 1_000_000, f"replies of instruments, of every framing parser: {INPUTS}"),
    Row("", "fuzz-protocol-files", "make rig-fuzz WRITE=1", "inputs", 1_000_000, INPUTS),
    Row("", "fuzz-cell-files", "make rig-fuzz WRITE=1", "inputs", 100_000, INPUTS),
    Row("", "fuzz-station-files", "make rig-fuzz WRITE=1", "inputs", 100_000, INPUTS),
    Row("", "fuzz-orders-over-http", "make rig-fuzz WRITE=1", "inputs", 100_000, INPUTS),
    Row("", "fuzz-orders-over-mqtt", "make rig-fuzz WRITE=1", "inputs", 100_000, INPUTS),
    Row("", "fuzz-signed-heads", "make rig-fuzz WRITE=1", "inputs", 100_000, INPUTS),
)  # fmt: skip


def write_counted(page: Path | None = None, folder: Path | None = None) -> None:
    """Write what every rig has counted into the page."""
    write("counted", counted(folder), page)


def counted(folder: Path | None = None) -> str:
    """Return the table of all rigs, and below it what each counted."""
    known = {row.name: Counted.read(row.name, folder or FOLDER) for row in ROWS}
    head = "| rig | command | wanted | counted | seeds | a minute | findings not ruled out |\n|---|---|---|---|---|---|---|"
    table = "\n".join(_line(row, known[row.name]) for row in ROWS)
    return "\n".join((head, table, "", *(line for row in ROWS for line in _told(row, known[row.name]))))


def told(name: str, found: Counted) -> str:
    """Say what a rig has counted, for a terminal."""
    (row,) = (each for each in ROWS if each.name == name)
    return "\n".join(_told(row, found))


def _line(row: Row, found: Counted) -> str:
    done = found.sums.get(row.unit, 0)
    timed = [station for station in found.stations if station.seconds]
    took = sum(station.seconds for station in timed)
    rate = _figure(60.0 * sum(station.sums.get(row.unit, 0) for station in timed) / took) if took else "not known"
    name = f"{row.letter}, {row.name}" if row.letter else row.name
    return (
        f"| {name} | `{row.command}` | {row.wanted:,} {row.unit.replace('_', ' ')} | {_figure(done)} | {found.seeds} | {rate} "
        f"| {len(found.open_findings)} |"
    )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _told(row: Row, found: Counted) -> Iterator[str]:
    if not found.stations:
        return
    last = found.stations[-1]
    yield f"- **{row.name}**, last on {last.date} at {last.commit}: {row.words.format(w=_Zero(found.worst), **_named(row, found.sums))}"
    for finding in found.findings[-SHOWN:]:
        ruled_out = f". Ruled out: {finding.ruled_out}" if finding.ruled_out else ""
        yield f"  - {'WAS WRONG' if ruled_out else 'WRONG'} ({finding.date}, {finding.commit}): {finding.words}{ruled_out}"


class _Zero(dict[str, float]):
    """Figures that were not counted yet are 0."""

    def __missing__(self, _: str) -> float:
        return 0


def _named(row: Row, sums: Mapping[str, float]) -> dict[str, float]:
    names = {name.partition("[")[0] for _, name, _, _ in Formatter().parse(row.words) if name} - {"w"}
    return {name: sums.get(name, 0) for name in names}


# --- the page ---------------------------------------------------------------------------------------------------------


def write(name: str, text: str, page: Path | None = None) -> None:
    """Put a rig's results between its two marks, `<!-- NAME: ... -->` and `<!-- end NAME -->`."""
    page = page or PAGE
    marks = re.compile(rf"(<!-- {name}:[^\n]* -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    whole = page.read_text("utf-8")
    if not marks.search(whole):
        raise ValueError(f"{page}: wanted the marks of {name}, found none")
    page.write_text(marks.sub(lambda match: f"{match[1]}\n{text}\n\n{match[2]}", whole), "utf-8")


def part(name: str, page: Path | None = None) -> str:
    """Return what stands between the two marks of a rig."""
    found = re.search(
        rf"<!-- {name}:[^\n]* -->\n\n?(.*?)\n*<!-- end {name} -->", (page or PAGE).read_text("utf-8"), re.DOTALL
    )
    return found[1] if found else ""


def dated(text: str) -> str:
    """Return results with the day and the commit at which they were counted."""
    asked = ["git", "-C", str(PAGE.parents[2]), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=10).stdout.strip() or "a copy"
    return f"Counted {time.strftime('%Y-%m-%d', time.gmtime())} at {commit}:\n\n{text}"


def main(words: Sequence[str] | None = None) -> int:
    """Write the page from what was counted."""
    from tests.crash import figures, mutants  # noqa: PLC0415 - they write into this page, too

    del words
    write_counted()
    write("mutants", mutants.written())
    write("figures", figures.written())
    return 0


if __name__ == "__main__":
    sys.exit(main())
