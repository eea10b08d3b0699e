import asyncio

import pytest

from labctl.errors import SettingRefused
from labctl.run import guardian as module
from labctl.run.guardian import GUARD_LOCK, Guardian, Ward
from labctl.store.place import Lock
from labctl_simulators.models import load_model
from labctl_simulators.wire.line import Server
from labctl_simulators.wire.practice import Practice


async def cells():
    cell = load_model("marquis2019")
    practice = Practice([(cell, cell.initial(0.5, number)) for number in range(2)], 0.0)
    for channel in practice.channels.values():
        channel.set(0.0, {"mode": "current", "value": 0.1})
    server = Server(practice, lambda: 1.0)
    return practice, server, await server.start()


async def test_the_guard_switches_off_what_it_watches_when_its_pipe_ends(tmp_path):
    practice, server, port = await cells()
    guardian = Guardian(tmp_path)
    guardian.watch("it", Ward("practice", {"port": port}, ("1",)))
    await guardian.ready()
    guardian._process.stdin.close()  # as the death of the daemon closes it
    await asyncio.to_thread(guardian._process.wait)
    assert [channel.mode for channel in practice.channels.values()] == ["off", "current"]
    Lock(tmp_path / GUARD_LOCK, "the guard").release()
    await server.stop()


async def test_a_guard_that_is_told_that_all_is_done_touches_nothing(tmp_path):
    practice, server, port = await cells()
    guardian = Guardian(tmp_path)
    guardian.watch("it", Ward("practice", {"port": port}, ("1", "2")))
    await guardian.ready()
    await asyncio.to_thread(guardian.stop)
    assert {channel.mode for channel in practice.channels.values()} == {"current"}
    await server.stop()


async def test_a_guard_that_is_done_ends_in_order_while_its_pipe_is_still_open(tmp_path):
    guardian = Guardian(tmp_path)
    guardian.start()
    process = guardian._process
    process.stdin.write(b'{"done": 1}\n')
    process.stdin.flush()
    assert await asyncio.to_thread(process.wait) == 0
    guardian.stop()


async def test_a_guard_that_dies_is_started_again_and_knows_what_it_watched(tmp_path):
    practice, server, port = await cells()
    guardian = Guardian(tmp_path)
    guardian.watch("it", Ward("practice", {"port": port}, ("2",)))
    await guardian.ready()
    guardian._process.kill()
    await asyncio.to_thread(guardian._process.wait)
    assert guardian.beat() is False
    await guardian.ready()
    assert guardian.beat() is True
    guardian._process.stdin.close()
    await asyncio.to_thread(guardian._process.wait)
    assert [channel.mode for channel in practice.channels.values()] == ["current", "off"]
    await server.stop()


async def test_nothing_is_energised_where_the_guard_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "READY_WITHIN", 0.01)
    guardian = Guardian(tmp_path)
    guardian.watch("it", Ward("no such driver", {}, ("1",)))
    with pytest.raises(SettingRefused, match="nothing is energised without it"):
        await guardian.ready()
    await asyncio.to_thread(guardian.stop)


async def test_without_anything_to_watch_there_is_no_process(tmp_path):
    guardian = Guardian(tmp_path)
    guardian.watch("it", Ward("practice", {}, ()))
    await guardian.ready()
    assert guardian.pid is None
    assert guardian.beat() is True
    guardian.stop()
