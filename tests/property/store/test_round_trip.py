"""What is offered in any pieces, NaN and infinities included, is what is read, sealed the same way, and verified."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.engine.input import Event, Gap
from labctl.publish.pg_binary import HEADER, tuples
from labctl.sample import Batch, Quality
from labctl.store.entry import Entry, NewRun
from labctl.store.journal import Journal
from labctl.store.matrix import ATTEMPT, QUALITY, RECORD, RUN, WIDTH, matrix_of
from labctl.store.reader import Reader
from labctl.store.verify import verify

VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True, width=64),
    st.sampled_from([0.0, -0.0, float("nan"), float("inf"), float("-inf"), 5e-324, 1e308, 3.0, -7.0, 2.0**53]),
)
FINITE = st.one_of(st.floats(0, 1e300, allow_subnormal=True), st.integers(0, 2**60).map(float))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def batches(draw: st.DrawFn, most: int = 25) -> Batch:
    count = draw(st.integers(1, most))

    def column(values: st.SearchStrategy[float]) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=count, max_size=count)), dtype=np.float64)

    qualities = st.lists(st.sampled_from([0, 0, 0, 1, 2]), min_size=count, max_size=count)
    return Batch(
        time=np.sort(column(FINITE)),
        voltage=column(VALUES),
        current=column(VALUES),
        charging_ah=np.sort(column(FINITE)),
        discharging_ah=np.sort(column(FINITE)),
        temperature_celsius=column(VALUES) if draw(st.booleans()) else None,
        quality=np.array(draw(qualities), dtype=np.uint8) if draw(st.booleans()) else None,
        auxiliary={name: column(VALUES) for name in draw(st.sets(TEXTS, max_size=2))},
    )


def wanted(column: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """What a column must read back as: the same bits, null where it is not finite or the row is bad."""
    found = column + 0.0
    found[~np.isfinite(found) | bad] = np.nan
    return found


@contextmanager
def journal() -> Iterator[Journal]:
    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder) / "x.db") as opened:
        yield opened


def new_run() -> NewRun:
    return NewRun(plan=b"{}", plan_hash="", began_unix_time=0.0)


@given(batches())
@settings(max_examples=40)
def test_rows_read_back_to_the_bit(rows: Batch) -> None:
    bad = np.zeros(len(rows), bool) if rows.quality is None else rows.quality == Quality.BAD
    with journal() as opened:
        run_id = opened.create_run(new_run())
        opened.commit([Entry(run_id, rows, 0, 3)])
        with Reader(opened.place.file) as reader:
            (found,) = (each.batch for each in reader.batches(run_id))
        assert found.time.tobytes() == (rows.time + 0.0).tobytes()
        assert found.charging_ah.tobytes() == (rows.charging_ah + 0.0).tobytes()
        assert found.discharging_ah.tobytes() == (rows.discharging_ah + 0.0).tobytes()
        assert found.voltage.tobytes() == wanted(rows.voltage, bad).tobytes()
        assert found.current.tobytes() == wanted(rows.current, bad).tobytes()
        if rows.temperature_celsius is not None:
            celsius = wanted(rows.temperature_celsius, bad)
            absent = np.isnan(celsius).all()
            assert (found.temperature_celsius is None) == absent
            assert absent or found.temperature_celsius.tobytes() == celsius.tobytes()
        assert (found.quality is None) == (rows.quality is None or not rows.quality.any())
        if found.quality is not None:
            assert found.quality.tolist() == rows.quality.tolist()
        kept = {name for name, column in rows.auxiliary.items() if np.isfinite(column).any()}
        assert set(found.auxiliary) == kept
        for name in kept:
            np.testing.assert_array_equal(
                found.auxiliary[name], wanted(rows.auxiliary[name], np.zeros(len(rows), bool))
            )
        assert [str(finding) for finding in verify(opened.place.file).findings] == []


@given(batches(40), st.data())
@settings(max_examples=40)
def test_any_cutting_into_entries_is_stored_and_sealed_alike(rows: Batch, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(rows)), max_size=5)) | {len(rows)})
    pieces = [(begin, rows.rows(begin, end)) for begin, end in zip([0, *cuts[:-1]], cuts, strict=True) if end > begin]
    digests = []
    with journal() as opened:
        for given_pieces in ([(0, rows)], pieces):
            run_id = opened.create_run(new_run())
            opened.commit([Entry(run_id, piece, first, 3) for first, piece in given_pieces])
            with Reader(opened.place.file) as reader:
                sql = (
                    "SELECT first_record, last_record FROM commit_runs WHERE run_id = :run AND first_record IS NOT NULL"
                )
                digests.append([tuple(row) for row in reader.query(sql, run=run_id)])
                digests.append([matrix[:, 1:].tobytes() for matrix in reader.matrices(run_id)])
        assert digests[0:2] == digests[2:4]
        assert verify(opened.place.file).whole


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from(["rows", "event", "input", "state"]), st.booleans(), TEXTS),
        max_size=25,
    )
)
@settings(max_examples=40)
def test_any_order_of_entries_of_several_runs_is_kept(said: list[tuple[int, str, bool, str]]) -> None:
    row = Batch(*(np.array([1.0]) for _ in range(5)))
    records = dict.fromkeys((1, 2, 3), 0)
    told: dict[int, list[str]] = {1: [], 2: [], 3: []}
    with journal() as opened:
        for _ in records:
            opened.create_run(new_run())
        waiting: list[Entry] = []
        for run_id, what, flush, text in said:
            if what == "rows":
                waiting.append(Entry(run_id, row, records[run_id], 1))
                records[run_id] += 1
            elif what == "event":
                waiting.append(Entry(run_id, events=(Event("note", records[run_id] - 1, 1.0, {"text": text}),)))
                told[run_id].append(text)
            elif what == "input":
                waiting.append(Entry(run_id, input=Gap(1.0, 2.0, text)))
            else:
                waiting.append(Entry(run_id, checkpoint=json.dumps({"text": text}).encode()))
            if flush:
                opened.commit(waiting)
                waiting = []
        opened.commit(waiting)
        with Reader(opened.place.file) as reader:
            for run_id, count in records.items():
                assert reader.run(run_id).rows == count
                assert [stored.event.data["text"] for stored in reader.events(run_id)] == told[run_id]
                states = [text for mine, what, _, text in said if mine == run_id and what == "state"]
                checkpoint = reader.checkpoint(run_id)
                assert (json.loads(checkpoint.state)["text"] if checkpoint else None) == (
                    states[-1] if states else None
                )
                if checkpoint and checkpoint.behind:  # rows that came after it stand in its last row
                    assert checkpoint.record_index == json.loads(checkpoint.state)["last"]["record"] == count - 1
            pages = []
            at = 0
            while changes := reader.after(at, most=2):
                pages += [stored.seq for stored in changes.events.get(1, ())]
                at = changes.commit_id
            assert pages == list(range(1, len(told[1]) + 1))
        assert verify(opened.place.file).whole


@given(batches())
def test_the_binary_copy_format_holds_the_rows(rows: Batch) -> None:
    matrix = matrix_of([Entry(5, rows, 7, 3)])
    content = b"".join(tuples(matrix))
    assert len(HEADER) == 19
    for row in matrix:
        assert content[:2] == WIDTH.to_bytes(2, "big")
        content = content[2:]
        for at, value in enumerate(row):
            length = int.from_bytes(content[:4], "big", signed=True)
            raw, content = content[4 : 4 + max(0, length)], content[4 + max(0, length) :]
            if np.isnan(value):
                assert length == -1
            elif at in {RUN, RECORD, ATTEMPT, QUALITY}:
                assert int.from_bytes(raw, "big", signed=True) == value
            else:
                assert np.frombuffer(raw, ">f8")[0] == value
    assert content == b""


def test_no_rows_are_no_tuples() -> None:
    assert list(tuples(np.empty((0, WIDTH)))) == []
