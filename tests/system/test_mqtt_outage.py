"""A broker that is away, comes back, hangs or forgets: nothing of a run is lost, and now goes before history."""

import asyncio
import os
import signal
import socket
import tracemalloc

import pytest

from tests.bench_mqtt import Bench, bench_on, publishing, uuid_of
from tests.services_mosquitto import WITHIN, Mosquitto, embedded, free_port, listening, mosquitto  # noqa: F401


def there(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def seqs(seen, run):
    return [event["seq"] for event in seen.on(f"run/{run}/event")]


@pytest.mark.mosquitto
async def test_what_happened_while_the_broker_was_dead_is_delivered_in_order_and_marked(mosquitto, tmp_path):  # noqa: F811
    async with bench_on(tmp_path / "data", mosquitto.port) as bench:
        bench.start("A1")
        bench.start("B1")
        runs = [uuid_of(bench, "A1"), uuid_of(bench, "B1")]
        async with listening(mosquitto.port, "labctl/#") as seen:
            for number in range(5):
                bench.event("A1", "mark", number=number)
            await seen.until(lambda: len(seqs(seen, runs[0])) == 7 and len(seqs(seen, runs[1])) == 2)
        bench.look_elsewhere()
        await asyncio.to_thread(mosquitto.kill)
        for number in range(200):
            bench.event(("A1", "B1")[number % 2], "mark", number=number)
            bench.rows("A1")
        bench.state("A1", "paused")
        await bench.writer.flush()
        await asyncio.to_thread(mosquitto.start)
        async with listening(mosquitto.port, "labctl/#") as seen:
            bench.look_back()
            async with asyncio.timeout(WITHIN):
                await bench.reader.connected.wait()
            bench.event("A1", "mark", number=-1)
            await seen.until(
                lambda: max(seqs(seen, runs[0]), default=0) == 108 and max(seqs(seen, runs[1]), default=0) == 102
            )
            for run, first in zip(runs, (8, 3), strict=True):
                found = seqs(seen, run)
                assert sorted(set(found)) == found == list(range(found[0], found[-1] + 1)), (
                    "in order, each once, no hole"
                )
                assert found[0] <= first
            marks = [event for event in seen.on(f"run/{runs[0]}/event") if event["event"] == "mark"]
            assert all(event.get("historical") for event in marks[:-1])
            await seen.until(lambda: seen.on("ch/A1/state") and seen.on("ch/A1/sample"))
            assert seen.on("ch/A1/state")[-1]["state"] == "paused"
            assert seen.on("ch/A1/sample")[0]["record_index"] == 199


@pytest.mark.mosquitto
async def test_now_goes_before_history_and_memory_stays_flat(tmp_path):
    broker = Mosquitto(tmp_path)
    bench = Bench(tmp_path / "data", broker.port)
    bench.start("A1")
    for number in range(20_000):
        bench.event("A1", "mark", number=number, text="x" * 100)
        if number % 100 == 0:
            await bench.writer.flush()
    bench.rows("A1")
    await bench.writer.flush()
    run = uuid_of(bench, "A1")
    broker.start()
    async with listening(broker.port, "labctl/#") as seen:
        tracemalloc.start()
        async with publishing(bench):
            await seen.until(lambda: seen.on("ch/A1/state"))
            assert len(seen.on(f"run/{run}/event")) < 1000, "the state came while history was still on its way"
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < 20e6
    await bench.close()
    broker.stop()


@pytest.mark.mosquitto
async def test_a_restarted_daemon_goes_on_where_it_stopped(mosquitto, tmp_path):  # noqa: F811
    bench = Bench(tmp_path / "data", mosquitto.port)
    bench.start("A1")
    run = uuid_of(bench, "A1")
    async with listening(mosquitto.port, "labctl/#") as seen:
        for life in range(3):
            async with publishing(bench):
                bench.event("A1", "mark", life=life)
                await seen.until(lambda: any(event.get("life") == life for event in seen.on(f"run/{run}/event")))  # noqa: B023
            bench.event("A1", "mark", between=life)
            await bench.writer.flush()
            bench.reader = bench.new_reader()
        async with publishing(bench):
            await seen.until(lambda: len(seqs(seen, run)) >= 8)
    assert seqs(seen, run) == list(range(1, 9))
    await bench.close()


@pytest.mark.mosquitto
async def test_a_broker_that_hangs_is_left_and_tried_again(mosquitto, tmp_path):  # noqa: F811
    bench = Bench(tmp_path / "data", mosquitto.port)
    bench.reader._publisher.answer_within = 1.0
    bench.start("A1")
    run = uuid_of(bench, "A1")
    async with listening(mosquitto.port, "labctl/#", timeout=WITHIN) as seen, publishing(bench):
        await seen.until(lambda: len(seqs(seen, run)) == 2)
        mosquitto.process.send_signal(signal.SIGSTOP)
        bench.event("A1", "mark")
        while not bench.reader.trouble:
            await bench.writer.flush()
        mosquitto.process.send_signal(signal.SIGCONT)
        await seen.until(lambda: 3 in seqs(seen, run))
    assert sorted(set(seqs(seen, run))) == [1, 2, 3]
    await bench.close()


async def test_nobody_there_keeps_nothing_waiting(tmp_path):
    async with bench_on(tmp_path / "data", free_port()) as bench:
        bench.start("A1")
        for _ in range(2000):
            bench.rows("A1")
            bench.reader.post("answers/x", b"{}")
        await bench.writer.flush()
        assert bench.records["A1"] == 2000


async def test_the_embedded_broker_killed_in_the_middle(embedded, tmp_path):  # noqa: F811
    address = embedded.address
    keeping = asyncio.create_task(embedded.keep())
    async with bench_on(tmp_path / "data", address.port) as bench:
        bench.start("A1")
        run = uuid_of(bench, "A1")
        async with listening(address.port, "labctl/#") as seen:
            await seen.until(lambda: len(seqs(seen, run)) == 2)
        bench.look_elsewhere()
        killed = embedded.pid
        os.kill(killed, signal.SIGKILL)
        for _ in range(50):
            bench.event("A1", "mark")
        await bench.writer.flush()
        async with asyncio.timeout(WITHIN):
            while bench.reader.connected.is_set():
                await bench.writer.flush()
            # A process that dies closes its connections before its listening socket: what it still accepts, it resets.
            while embedded.pid in (None, killed) or not await asyncio.to_thread(there, address.port):
                await bench.writer.flush()
        async with listening(address.port, "labctl/#") as seen:
            bench.look_back()
            bench.event("A1", "mark", last=True)
            await seen.until(lambda: seqs(seen, run) and seqs(seen, run)[-1] == 53)
            await seen.until(lambda: seen.on("bench/state") and seen.on("ch/A1/state"))
            assert seen.on("bench/state")[0]["state"] == "ready"
    keeping.cancel()
    await asyncio.wait({keeping})
