"""Somebody locks the journal, or the guard does not answer: a run waits for ten seconds, then it is held safe; it never ends for it."""

import sqlite3

import pytest

from labctl.run.connection import before_set_point
from tests.unit.run.one_channel import one_channel

TURNS = """\
  - repeat: 50
    steps:
      - charge: {current: 0.5 A, for: 5 s}
      - discharge: {current: 0.5 A, for: 5 s}
"""


@pytest.fixture(autouse=True)
def look_briefly(monkeypatch):
    monkeypatch.setattr(before_set_point, "LOOK_WITHIN", 1e-3)


def locked(rig) -> sqlite3.Connection:
    """Hold the journal as a backup tool does."""
    held = sqlite3.connect(rig.folder / "data" / "journal.db", timeout=10, isolation_level=None)
    held.execute("begin exclusive")
    return held


async def charging(rig) -> None:
    """Begin a run and let three seconds of its first charge pass; how long the commit before it takes is the machine's affair."""
    await rig.start(TURNS)
    await rig.until(lambda: rig.instrument.on and rig.instrument.mode.current == 0.5, most=3600.0)
    await rig.let_pass(3.0)


async def test_lock_fails_run(tmp_path):
    """Nine seconds: the next set-point waits, at open circuit, and then the run goes on."""
    async with one_channel(tmp_path) as rig:
        await charging(rig)
        held = locked(rig)
        begin = rig.clock.now()
        await rig.until(lambda: rig.state.phase == "leaving", most=6.0)
        await rig.let_pass(2.0)
        assert not rig.instrument.on
        await rig.until(lambda: rig.clock.now() - begin >= 9.0)
        held.execute("rollback")
        held.close()
        await rig.until(lambda: rig.instrument.on, most=3600.0)
        assert rig.channel.activity == "running"
        assert rig.instrument.mode.current == -0.5


async def test_a_journal_that_stays_locked_holds_the_run_safe(tmp_path):
    async with one_channel(tmp_path) as rig:
        await charging(rig)
        held = locked(rig)
        await rig.until(lambda: rig.state.phase == "asking", most=30.0)
        assert not rig.instrument.on
        assert (rig.channel.activity, rig.state.question.kind) == ("safe", "unrecorded")
        assert rig.session.finish is None
        held.execute("rollback")
        held.close()
        await rig.sink.flush()
        await rig.order("resume")
        await rig.until(lambda: rig.instrument.on, most=3600.0)


@pytest.mark.parametrize(("away", "kind"), [(9.0, None), (30.0, "unguarded")])
async def test_a_guard_that_does_not_answer_ends_no_run(tmp_path, away, kind):
    """The old set-point is not held beyond its step meanwhile: the output rests, and after ten seconds the run asks."""
    async with one_channel(tmp_path) as rig:
        await charging(rig)
        rig.guard.answers = False
        begin = rig.clock.now()
        await rig.until(lambda: rig.state.phase == "leaving", most=6.0)
        await rig.let_pass(2.0)
        assert not rig.instrument.on
        await rig.until(lambda: rig.clock.now() - begin >= away)
        assert not rig.instrument.on
        assert (rig.state.question.kind if rig.state.question else None) == kind
        assert rig.session.finish is None
        rig.guard.answers = True
        if kind:
            assert rig.channel.activity == "safe"
            await rig.order("resume")
        await rig.until(lambda: rig.instrument.on, most=3600.0)
        assert rig.instrument.mode.current == -0.5


async def test_stop_is_obeyed_while_a_set_point_waits(tmp_path):
    async with one_channel(tmp_path) as rig:
        await charging(rig)
        held = locked(rig)
        await rig.until(lambda: rig.state.phase == "leaving", most=6.0)
        await rig.order("stop")
        applied = [call for call in rig.instrument.calls if call.startswith("apply")]
        assert not rig.instrument.on
        assert rig.session.finish.reason == "stopped"
        held.execute("rollback")
        held.close()
        await rig.sink.flush()
        assert [call for call in rig.instrument.calls if call.startswith("apply")] == applied
