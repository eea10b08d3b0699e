"""What rig T holds against each other: the journal, the instruments' books, what observers saw, and what was answered."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import psycopg

from labctl.run.replay import replay
from labctl.store.reader import Reader
from labctl.store.verify import verify
from tests.crash.truth.daemon import Heard
from tests.crash.truth.lateness import Lateness
from tests.crash.truth.orders import Orders
from tests.crash.truth.station import ALONE, PUPPETS, SET

ONE_ROW = 0.15  # s: a poll of 0.1 s, and the confirmation of a set-point that is already on
MOVED = 0.01  # s that run time 0 may move: each restart finds it by two clocks, read within a tenth of a millisecond
SETTLED = 5.0  # s after its end that a step is judged
ROUNDING = 1e-4  # C
UNCONFIRMED = "stopped by rig T while kei"  # and what follows: a stop that met a meter which the rig made unreadable


@dataclass
class Count:
    """What was seen so far, by this run of the rig and the ones before it."""

    kills: int = 0
    early: int = 0  # of them while the daemon came up
    freezes: int = 0
    guards_killed: int = 0
    guards_frozen: int = 0
    refusals: int = 0
    stood: int = 0  # daemons that their guard ended unasked, on a busy machine
    rows: int = 0
    runs: int = 0
    steps: int = 0
    orders: int = 0
    answered: int = 0
    messages: int = 0
    copied: int = 0
    killed_on: int = 0  # puppets that were on as their daemon died
    slowest_off: float = 0.0  # s after a death
    late_off: int = 0
    late_busy: int = 0  # of them on a machine that kept the rig itself waiting meanwhile
    slowest_freeze: float = 0.0  # s after a freeze
    unreadable: int = 0  # outputs that were on as their meter became unreadable
    slowest_unreadable: float = 0.0  # s until they were off
    blind: float = 0.0  # C, upper ends together
    unseen: float = 0.0  # C that truly flowed beyond the counters
    wrong: list[str] = field(default_factory=list)

    def figures(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return what adds up, and that of which the highest counts."""
        each = {name: value for name, value in asdict(self).items() if name != "wrong"}
        worst = {name: value for name, value in each.items() if name.startswith("slowest")}
        return {name: value for name, value in each.items() if name not in worst}, worst


class Judge:
    """Looks at a journal after every life of the daemon, and at everything at the end."""

    def __init__(self, folder: Path, heard: Heard, count: Count, lateness: Lateness) -> None:
        self.folder, self.heard, self.count, self.lateness = folder, heard, count, lateness
        self.books: dict[str, np.ndarray] = {}
        self._judged: set[tuple[int, int]] = set()

    def note(self, books: Mapping[str, Sequence[Sequence[float]]]) -> None:
        """Take more samples of the instruments' books."""
        for name, rows in books.items():
            more = np.array(rows, float).reshape(-1, 4)
            self.books[name] = np.concatenate((self.books.get(name, more[:0]), more))

    def wrong(self, words: str) -> None:
        if words in self.count.wrong:
            return
        self.count.wrong.append(words)
        sys.stderr.write(f"\nWRONG: {words}\n")

    # --- after a life ---

    def look(self, now: float) -> None:
        """Check what must hold after any death."""
        if not self.heard.commit:
            return  # nothing was acknowledged yet: the journal may be half made
        with Reader(self.folder / "data") as reader:
            if reader.last_commit() < self.heard.commit:
                self.wrong(f"commit {self.heard.commit} was acknowledged, the journal has {reader.last_commit()}")
            active = [run.run_id for run in reader.runs(active=True)]
            for run_id in active:
                rows, last = reader.query(
                    "SELECT count(*), max(record_index) FROM samples WHERE run_id = :run", run=run_id
                )[0]
                if rows != (-1 if last is None else last) + 1:
                    self.wrong(f"run {run_id} has {rows} rows up to record {last}")
                if (-1 if last is None else last) < self.heard.rows.get(run_id, -1):
                    self.wrong(f"run {run_id}: row {self.heard.rows[run_id]} was acknowledged, the last is {last}")
            self._charges(reader, now)
            self._alone(reader, now)
            self._rests(reader)

    def _charges(self, reader: Reader, now: float) -> None:
        """Compare the charge of every step that has ended with what truly flowed."""
        rows = reader.query(
            "SELECT r.channel, s.run_id, s.step_count, s.step_type, s.begin_test_time_second, s.end_test_time_second, "
            "s.charging_capacity_ah + s.discharging_capacity_ah, s.blind_charge_low_ah, s.blind_charge_high_ah, "
            "(SELECT count(*) FROM attempts a WHERE a.run_id = s.run_id AND a.step_count = s.step_count) "
            "FROM steps s JOIN runs r ON r.run_id = s.run_id WHERE s.end_reason IS NOT NULL AND s.step_type <> 'rest' "
            "AND s.run_id > :run",
            run=max((run for run, _ in self._judged), default=0) - 60,
        )
        for channel, run, step, kind, begin, end, counted, low, high, attempts in rows:
            origins = self.heard.origins.get(run)
            book = self.books.get(channel)
            if (run, step) in self._judged or book is None or not origins or not len(book) or channel in ALONE:
                continue
            after = reader.query(
                "SELECT min(begin_test_time_second) FROM steps WHERE run_id = :run AND step_count > :step "
                "AND begin_test_time_second >= :end",
                run=run, step=step, end=end - 1e-9,
            )[0][0]  # fmt: skip
            until = end if after is None else after
            if origins[-1] + until + SETTLED > now or origins[0] + begin < book[0, 0]:
                continue
            self._judged.add((run, step))
            if max(origins) - min(origins) > MOVED:
                self.wrong(f"run {run}: run time 0 moved by {max(origins) - min(origins):.3f} s")
            span = origins[-1] + begin, origins[-1] + until
            charges = 3600.0 * np.array([counted, low or 0.0, high or 0.0])
            self._judge((channel, run, step, kind), self._flowed(channel, *span), charges, attempts, span)

    def _alone(self, reader: Reader, now: float) -> None:
        """Compare the charge of every ended run of an instrument that runs by itself with what truly flowed.

        Its steps begin by its own clock: only the whole is compared.
        """
        for run in reader.runs():
            origins, book = self.heard.origins.get(run.run_id), self.books.get(run.channel or "")
            if (
                run.channel not in ALONE
                or not run.end_reason
                or not origins
                or book is None
                or (run.run_id, 0) in self._judged
            ):
                continue
            begin, end = origins[0] - SETTLED, origins[-1] + self._last(reader, run.run_id) + SETTLED
            if end > now or begin < book[0, 0]:
                continue
            self._judged.add((run.run_id, 0))
            sums = reader.query(
                "SELECT sum(charging_capacity_ah + discharging_capacity_ah), sum(blind_charge_low_ah), "
                "sum(blind_charge_high_ah) FROM steps WHERE run_id = :run AND end_reason IS NOT NULL",
                run=run.run_id,
            )[0]
            others = [other for other in reader.runs() if other.channel == run.channel and other.run_id != run.run_id]
            times = [self.heard.origins[other.run_id][0] for other in others if other.run_id in self.heard.origins]
            after = min((time for time in times if time > origins[0]), default=end)
            span = max(begin, origins[0] - 1.0), min(end, after - 1.0)
            charges = 3600.0 * np.array([value or 0.0 for value in sums])
            self._judge((run.channel, run.run_id, 0, "whole run"), self._flowed(run.channel, *span), charges, 8, span)

    def _rests(self, reader: Reader) -> None:
        """No charge of a step stands at a rest, as where a step that ran while nobody listened is booked on the one before it."""
        rows = reader.query(
            "SELECT r.channel, s.run_id, s.step_count, 3600 * (s.charging_capacity_ah + s.discharging_capacity_ah), "
            "(SELECT count(*) FROM attempts a WHERE a.run_id = s.run_id AND a.step_count = s.step_count) "
            "FROM steps s JOIN runs r ON r.run_id = s.run_id WHERE s.end_reason IS NOT NULL AND s.step_type = 'rest'"
        )
        for channel, run, step, charge, attempts in rows:
            if (
                charge > SET.get(channel, 0.5) * ONE_ROW * max(attempts, 1) + ROUNDING
                and (run, -step) not in self._judged
            ):
                self._judged.add((run, -step))
                what = [f"{each.event.kind} {each.event.time:.2f}" for each in reader.events(run)]
                self.wrong(
                    f"run {run} on {channel}: {charge:.3f} C are booked on the rest that is its step {step}: {', '.join(what)}"
                )

    def _last(self, reader: Reader, run: int) -> float:
        return reader.query("SELECT max(test_time_second) FROM events WHERE run_id = :run", run=run)[0][0] or 0.0

    def _flowed(self, channel: str, begin: float, end: float) -> float:
        book = self.books[channel]
        passed = book[:, 1] + book[:, 2]
        one, other = np.interp([begin, end], book[:, 0], passed)
        return float(other - one)

    def _judge(
        self,
        what: tuple[str, int, int, str],
        true: float,
        charges: np.ndarray,
        attempts: int,
        span: tuple[float, float],
    ) -> None:
        """Compare a charge with its interval: a set-point counts until its reply, which a busy machine brings late."""
        counted, low, high = charges
        channel = what[0]
        late = self.lateness.within(*span, self.books[channel])
        tolerance = SET[channel] * (ONE_ROW * max(attempts, 1) + late) + ROUNDING
        self.count.steps += 1
        self.count.blind += high
        self.count.unseen += max(true - counted, 0.0)
        if not counted + low - tolerance <= true <= counted + high + tolerance:
            self.wrong(
                f"{what}: {true:.4f} C flowed, the step says {counted:.4f} C and {low:+.4f} to {high:+.4f} C unseen, "
                f"{attempts} attempts"
            )

    # --- outputs ---

    def off_after(self, moment: float, until: float) -> dict[str, float]:
        """Return how long after a moment the current of each channel that was on then went on, s, up to another moment."""
        late = {}
        for channel in PUPPETS:
            book = self.books[channel]
            window = book[(book[:, 0] >= moment) & (book[:, 0] <= until)]
            on = window[np.abs(window[:, 3]) > 1e-9]
            if len(on):
                late[channel] = float(on[-1, 0] - moment)
        return late

    # --- at the end ---

    def finish(self, orders: Orders, messages: Path | None, postgres: str | None) -> None:
        """Check everything that must hold once the last daemon has had the time to hand over all that it had."""
        for words in verify(self.folder / "data").findings:
            self.wrong(f"not what was written: {words}")
        with Reader(self.folder / "data") as reader:
            runs = reader.runs()
            self.count.runs += len(runs)
            for run in runs:
                self.count.rows += run.rows
                again = replay(reader, run.run_id) if reader.checkpoint(run.run_id) else None
                if again is not None and not again.equal:
                    self.wrong(f"run {run.run_id} replays to something else: {again.difference}")
                unconfirmed = (run.end_why or "").startswith(UNCONFIRMED)  # that it went off in time has its own check
                if run.end_reason == "failed" and run.channel not in ALONE and not unconfirmed:
                    self.wrong(f"run {run.run_id} on {run.channel} failed: {run.end_why}")
            self._orders(reader, orders)
            if messages is not None:
                self._messages(reader, messages)
            if postgres is not None:
                self._copy(reader, postgres)

    def _orders(self, reader: Reader, orders: Orders) -> None:
        """Every answered order happened, and once; no run was begun that nobody asked for."""
        for words in orders.odd:
            self.wrong(words)
        happened: dict[str, int] = {}
        for (data,) in reader.query("SELECT data FROM events WHERE kind IN ('order', 'note')"):
            event = json.loads(data)
            if event.get("obeyed", True):  # one that could not be obeyed is noted at each time that it was given
                happened[event.get("id", "")] = happened.get(event.get("id", ""), 0) + 1
        for (name,) in reader.query("SELECT order_id FROM orders WHERE verb = 'stop'"):
            happened.setdefault(name, 1)  # what it asked for had come to hold by itself: the run ended meanwhile
        uuids = {run.uuid: run.run_id for run in reader.runs()}
        started = [order for order in orders.given if order.verb == "start" and order.answer == "done"]
        for order in orders.given:
            self.count.orders += 1
            self.count.answered += bool(order.answer)
            times = happened.get(order.id, 0)
            if order.verb != "start" and (times > 1 or (order.answer == "done" and times != 1)):
                self.wrong(
                    f"{order.verb} {order.id} on {order.channel} was answered {order.answer!r}, happened {times} times"
                )
        names = [order.run for order in started]
        if len(set(names)) != len(names):
            self.wrong("two starts were answered with the same run")
        for order in started:
            if order.run not in uuids:
                self.wrong(f"the start of run {order.run} on {order.channel} was answered, and there is no such run")
        unanswered = sum(order.verb == "start" and not order.answer for order in orders.given)
        if not len(started) <= len(uuids) <= len(started) + unanswered:
            self.wrong(f"{len(started)} starts were answered, {unanswered} were not, and there are {len(uuids)} runs")

    def _messages(self, reader: Reader, file: Path) -> None:
        """Every event came to the observer, and whatever came twice was the same."""
        seen = self._heard(file)
        self.count.messages += sum(times for _, times in seen.values())
        for run in reader.runs():
            if lost := self._unheard(reader, run.run_id, run.uuid, seen):
                self.wrong(f"run {run.run_id}: {len(lost)} events never came to the observer, as {lost[:5]}")

    def all_came(self, messages: Path | None, postgres: str | None) -> bool:
        """Tell whether observers have all that is in the journal."""
        with Reader(self.folder / "data") as reader:
            if messages is not None:
                seen = self._heard(messages)
                if any(self._unheard(reader, run.run_id, run.uuid, seen) for run in reader.runs()):
                    return False
            if postgres is None:
                return True
            try:
                with psycopg.connect(postgres) as copy:
                    theirs = copy.execute("SELECT count(*) FROM samples").fetchone()[0]
            except psycopg.errors.UndefinedTable:
                return False
            return theirs == reader.query("SELECT count(*) FROM samples")[0][0]

    def _unheard(self, reader: Reader, run: int, uuid: str, seen: Mapping[tuple[str, int], object]) -> list[int]:
        last = reader.query("SELECT max(seq) FROM events WHERE run_id = :run", run=run)[0][0] or 0
        return [seq for seq in range(1, last + 1) if (uuid, seq) not in seen]

    def _heard(self, file: Path) -> dict[tuple[str, int], tuple[str, int]]:
        """Return what an observer heard of every event, and how often."""
        seen: dict[tuple[str, int], tuple[str, int]] = {}
        whole = file.read_text(encoding="utf-8").rpartition("\n")[0]  # the last line may be on its way
        for line in whole.splitlines():
            topic, _, text = json.loads(line)
            payload = json.loads(text) if text else {}
            if "seq" not in payload or "/run/" not in topic:
                continue
            key = (topic.split("/run/")[1].split("/")[0], int(payload["seq"]))
            payload.pop("historical", None)
            plain = json.dumps(payload, sort_keys=True)
            first, times = seen.get(key, (plain, 0))
            if first != plain:
                self.wrong(f"message {key} came twice with different content")
            seen[key] = first, times + 1
        return seen

    def _copy(self, reader: Reader, url: str) -> None:
        """PostgreSQL has the same rows, each once."""
        columns = "record_index, test_time_second, voltage_volt, current_ampere, charging_capacity_ah, discharging_capacity_ah"
        with psycopg.connect(url) as copy:
            for run in reader.runs():
                ours = [tuple(row) for row in reader.query(
                    f"SELECT {columns} FROM samples WHERE run_id = :run ORDER BY record_index", run=run.run_id)]  # fmt: skip
                theirs = copy.execute(
                    f"SELECT {columns} FROM v_samples WHERE run_uuid = %s ORDER BY record_index", (run.uuid,)
                ).fetchall()
                self.count.copied += len(theirs)
                if ours != [tuple(row) for row in theirs]:
                    self.wrong(
                        f"run {run.run_id}: PostgreSQL has {len(theirs)} rows, the journal {len(ours)}, or other values"
                    )
