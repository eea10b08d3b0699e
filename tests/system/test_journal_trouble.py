"""A daemon whose journal is damaged, short of commits, full or another machine's: what it says, and whom it goes on serving."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from labctl.clock import ScaledClock
from labctl.daemon import recording
from labctl.store import journal as journal_module
from labctl.store.reader import Reader
from labctl.store.verify import verify
from tests.conftest import end_guards
from tests.system.test_polled import Cells, Told, folder, served, start, status  # noqa: F401
from tests.system.test_serve import CELL, LONG, files, request, serving  # noqa: F401

FAST = 60.0


def alarms(parts) -> dict[str, str]:
    return {alarm.name: alarm.text for alarm in parts.supervisor.alarms}


def changed(data: Path, sql: str, *values: object) -> None:
    with contextlib.closing(sqlite3.connect(data / "journal.db", isolation_level=None)) as connection:
        assert connection.execute(sql, values).rowcount


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory) -> Path:
    """A data folder as a daemon leaves it that was asked to end: a run on each of two channels."""
    place = tmp_path_factory.mktemp("two")
    (place / "cell.yaml").write_text(CELL)
    (place / "long.yaml").write_text(LONG)

    async def make() -> None:
        async with serving(place, ScaledClock(FAST)) as parts:
            for channel in ("sim1", "sim2"):
                await parts.supervisor.start(request(place, "long.yaml", channel))
            await parts.sink.flush()

    asyncio.run(make())
    return place


# --- one damaged text -------------------------------------------------------------------------------------------------


STATE = "UPDATE checkpoints SET state = "
SOURCE = "UPDATE checkpoints SET source = "
PLAN = "UPDATE plans SET plan = "
OPTIONS = "UPDATE runs SET options = "
DAMAGES = {
    "the state is empty": f"{STATE} X'7B7D'",
    "the state is no text": f"{STATE} X'00FF'",
    "the state is a list": f"{STATE} X'5B5D'",
    "the state is a number": f"{STATE} 17",
    "the phase is none": f"{STATE} json_set(CAST(state AS TEXT), '$.phase', 'dancing')",
    "the phase is of a run that has ended": f"{STATE} json_set(CAST(state AS TEXT), '$.phase', 'ended')",
    "the last row is one that there is not": f"{STATE} json_set(CAST(state AS TEXT), '$.last.record', 1000000000), record_index = 1000000000",
    "the state is gone": "DELETE FROM checkpoints",
    "the rows are gone": "DELETE FROM samples",
    "the version is another": f"{STATE} json_set(CAST(state AS TEXT), '$.version', 99)",
    "the resume point is no JSON": f"{SOURCE} X'7878'",
    "the resume point is a list": f"{SOURCE} X'5B5D'",
    "the cell's state is another's": f"{SOURCE} json_set(CAST(source AS TEXT), '$.source', json('{{\"x\":1}}'))",
    "the plan is no JSON": f"{PLAN} '{{]'",
    "the plan is empty": f"{PLAN} '{{}}'",
    "the plan is gone": "DELETE FROM plans",
    "a mode of the plan is unknown": f"{PLAN} replace(plan, '\"Rest\"', '\"Telepathy\"')",
    "the plan is something else": f"""{PLAN} replace(plan, '"$":"Plan"', '"$":"Cell"')""",
    "the options are no JSON": f"{OPTIONS} '{{{{{{'",
    "the options are a list": f"{OPTIONS} '[]'",
    "the model is unknown": f"{OPTIONS} json_set(options, '$.model', 'nope')",
    "the begin is a word": "UPDATE runs SET began_unix_time_second = 'yesterday'",
}


@pytest.mark.parametrize("name", DAMAGES)
async def test_damaged_text_downs_daemon(two_runs: Path, tmp_path: Path, name: str) -> None:
    """One damaged run is set aside with a reason and a way out; the other channels are served, and its own is free again."""
    shutil.copytree(two_runs, tmp_path, dirs_exist_ok=True)
    changed(tmp_path / "data", f"{DAMAGES[name]} WHERE run_id = 1")
    async with serving(tmp_path, ScaledClock(FAST)) as parts:
        rows = {row["channel"]: row for row in parts.supervisor.status()}
        assert rows["sim2"]["activity"] == "running"
        assert rows["sim1"]["activity"] == "unknown"
        assert rows["sim1"]["why"].startswith("run 1 cannot go on: ")
        why, unblock = parts.supervisor.why("sim1")
        assert "cannot go on" in why
        assert unblock == "labctl stop sim1"
        reply = await parts.supervisor.order("stop", "sim1", by="me")
        assert reply.activity == "done"
        await parts.supervisor.start(request(tmp_path, "long.yaml", "sim1"))
        assert {row["channel"]: row["activity"] for row in parts.supervisor.status()}["sim1"] == "running"
    with Reader(tmp_path / "data") as reader:
        assert [(run.run_id, run.end_reason) for run in reader.runs()] == [(1, "stopped"), (2, None), (3, None)]


# --- commits that are missing -----------------------------------------------------------------------------------------


async def test_wal_flip_silent(files) -> None:  # noqa: F811
    """One flipped bit in the log of a killed daemon: what is missing is said, alarmed, and asks where it could have energised."""
    async with serving(files, ScaledClock(FAST)) as parts:
        await parts.supervisor.start(request(files, "cccv.yaml", "sim1"))
        for note in range(200):
            await parts.supervisor.order("note", "sim1", text=f"note {note}")
        await parts.supervisor.start(request(files, "long.yaml", "sim2"))
        acknowledged = parts.journal.commit_id
        lost = parts.supervisor.status()[1]["run"]
        shutil.copytree(
            files / "data", files / "killed", ignore=shutil.ignore_patterns("lock", "*.sock", "*-shm", "guard*")
        )
    shutil.rmtree(files / "data")
    shutil.move(files / "killed", files / "data")
    log = files / "data" / "journal.db-wal"
    content = bytearray(log.read_bytes())
    content[len(content) * 2 // 3] ^= 1
    log.write_bytes(content)

    async with serving(files, ScaledClock(FAST)) as parts:
        assert parts.journal.opening.missing is not None
        text = alarms(parts)["journal-lost"]
        assert f"to {acknowledged} had been acknowledged and are missing" in text
        assert f"long on sim2 ({lost})" in text
        assert f"run {lost} (long) was lost" in parts.supervisor.why("sim2")[0]
        assert "had been acknowledged" in parts.supervisor.why("sim1")[0]
        await parts.supervisor.start(request(files, "long.yaml", "sim2"))
    with Reader(files / "data") as reader:
        notes = [event.event.data.get("text", "") for event in reader.events(1) if event.event.kind == "note"]
        assert any("had been acknowledged and are missing" in str(note) for note in notes)
    assert "had been acknowledged" in "\n".join(map(str, verify(files / "data").findings))


async def test_a_run_that_may_lack_rows_asks_before_it_energises_again(folder) -> None:  # noqa: F811
    cells = Cells(1)
    async with served(folder, {"a": cells}) as parts:
        told = Told(parts)
        await start(parts, folder, "a1")
        await told.until(lambda told: told.rows.get(1, 0) > 3)
        shutil.copytree(
            folder / "data", folder / "older", ignore=shutil.ignore_patterns("lock", "*.sock", "*-shm", "guard*")
        )
        before = told.rows[1]
        await told.until(lambda told: told.rows[1] > before + 5)
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        (folder / "data" / name).unlink(missing_ok=True)
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(folder / "older" / name, folder / "data" / name)
    async with served(folder, {"a": cells}) as parts:
        found = status(parts, "a1")
        assert found["activity"] in {"waiting", "safe"}, found
        assert "had been acknowledged and" in found["why"]
        assert cells.mode("1") == "off"
        assert "journal-lost" in alarms(parts)


# --- another machine --------------------------------------------------------------------------------------------------


async def test_a_journal_of_another_machine_is_served_and_its_runs_can_be_ended(
    two_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(two_runs, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(journal_module, "machine", lambda: "another")
    async with serving(tmp_path, ScaledClock(FAST)) as parts:
        assert {row["channel"]: row["activity"] for row in parts.supervisor.status()} == {
            "sim1": "unknown", "sim2": "unknown", "sim3": "idle",
        }  # fmt: skip
        assert "came from another machine" in parts.supervisor.why("sim1")[0]
        await parts.supervisor.order("stop", "sim1", by="me")
        await parts.supervisor.start(request(tmp_path, "long.yaml", "sim1"))
    async with serving(tmp_path, ScaledClock(FAST)) as parts:
        assert parts.supervisor.status()[0]["activity"] == "running"


# --- a full disk ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(where: Path, size: str):
    """Give a folder on a disk of its own."""
    where.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", where], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("a disk of its own needs the right to mount one")
    try:
        yield where
    finally:
        end_guards()  # of a daemon that could not confirm that an output is off; it holds its record open
        done = subprocess.run(["umount", where], capture_output=True, check=False)
        if done.returncode:  # it must not stand in the way of what comes after
            subprocess.run(["umount", "--lazy", where], check=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="a disk of its own is mounted")
async def test_disk_full(folder, monkeypatch) -> None:  # noqa: F811
    """Warned at once of little room; full, the run is held safe with its reason; with room again it goes on by itself."""
    monkeypatch.setattr(recording, "STALLED", 0.3)
    cells = Cells(1)
    text = (folder / "charge.yaml").read_text()
    (folder / "charge.yaml").write_text(
        text.replace("steps:", "on_interruption: {continue_within: 10 h, else: ask}\nsteps:")
    )
    with small_disk(folder / "data", "14m") as data:
        async with served(folder, {"a": cells}) as parts:
            told = Told(parts)
            await start(parts, folder, "a1")
            await told.until(lambda told: told.rows.get(1, 0) > 3)
            await until(lambda: "gets full" in alarms(parts).get("disk", ""))
            with contextlib.suppress(OSError), (data / "fill").open("wb") as fill:
                while True:
                    fill.write(bytes(4096))
                    fill.flush()
            await until(lambda: status(parts, "a1")["activity"] == "safe")
            assert "the disk is full" in status(parts, "a1")["why"]
            assert "the disk is full" in parts.supervisor.why("a1")[0]
            assert "the disk is full" in alarms(parts)["journal"]
            await told.until(
                lambda told: any(
                    data.get("cause") == "unrecorded" or "disk is full" in str(data) for _, _, data in told.events
                )
            )
            (data / "fill").unlink()
            await until(lambda: "journal" not in alarms(parts))
            await until(lambda: status(parts, "a1")["activity"] == "running")
            before = told.rows[1]
            await told.until(lambda told: told.rows[1] > before + 3)
            await told.until(lambda told: any("can be written again" in str(data) for _, _, data in told.events))
        assert verify(data).whole


async def until(holds) -> None:
    """Wait until something holds that nobody announces."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - of alarms and states there is no event
            await asyncio.sleep(0.02)
