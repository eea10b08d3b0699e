"""What a subscriber sees of a node, with a real journal and a real Mosquitto."""

import asyncio

import numpy as np
import pytest

from labctl.driver import Points
from labctl.engine.input import SpectrumPart
from labctl.sample import Batch
from labctl.store.entry import Entry
from tests.bench_mqtt import BEGAN, Bench, bench_on, uuid_of
from tests.services_mosquitto import WITHIN, listening, mosquitto  # noqa: F401

pytestmark = pytest.mark.mosquitto


async def test_the_tree_as_a_subscriber_sees_it(mosquitto, tmp_path):  # noqa: F811
    async with listening(mosquitto.port, "labctl/#") as seen, bench_on(tmp_path / "data", mosquitto.port) as bench:
        async with asyncio.timeout(WITHIN):
            await bench.reader.connected.wait()
        bench.start("A1")
        bench.rows("A1", 3)
        bench.event("A1", "cycle_ended", cycle_count=1, charging_capacity_ah=1e-3, coulombic_efficiency=float("nan"))
        bench.event("A1", "result", name="ccd", value=1.2, unit="mA/cm2", cycle_count=1)
        run = uuid_of(bench, "A1")
        await seen.until(
            lambda: (
                seen.on(f"run/{run}/result/ccd")
                and seen.on("ch/A1/sample")
                and seen.on("ch/A1/last")
                and seen.on("ch/A1/state")
            )
        )
    assert seen.on("bench/state")[0]["state"] == "ready"
    assert seen.on("bench/info")[0]["version"] == "0"
    assert "mqtt_host" not in seen.on("bench/info")[0]
    assert seen.on("ch/A1/state")[-1]["state"] == "running"
    sample = seen.on("ch/A1/sample")[0]
    assert {
        "unix_time_second",
        "time",
        "run",
        "ch",
        "record_index",
        "test_time_second",
        "voltage_volt",
        "current_ampere",
    } <= set(sample)
    assert (sample["record_index"], sample["test_time_second"], sample["unix_time_second"]) == (2, 2.0, BEGAN + 2)
    assert (sample["step_id"], sample["step_time_second"], sample["step_type"]) == (2, 2.0, "charge")
    events = seen.on(f"run/{run}/event")
    assert [event["event"] for event in events] == ["run_began", "attempt"]
    (cycle,) = seen.on(f"run/{run}/cycle")
    (result,) = seen.on(f"run/{run}/result/ccd")
    assert cycle["charging_capacity_ah"] == 1e-3
    assert "coulombic_efficiency" not in cycle
    assert (result["value"], result["unit"]) == (1.2, "mA/cm2")
    assert [fields["seq"] for fields in (*events, cycle, result)] == [1, 2, 3, 4]


async def test_what_is_retained_and_what_is_not(mosquitto, tmp_path):  # noqa: F811
    async with bench_on(tmp_path / "data", mosquitto.port) as bench:
        async with listening(mosquitto.port, "labctl/#") as seen:
            bench.start("A1")
            bench.rows("A1")
            bench.reader.alarm("disk", "warning", "1.5 GiB left")
            bench.event("A1", "result", name="ccd", value=1.0)
            await seen.until(lambda: seen.on("result/ccd") and seen.on("ch/A1/last") and seen.on("alarm/disk"))
        async with listening(mosquitto.port, "labctl/#") as late:
            kept = ("bench/state", "bench/info", "ch/A1/state", "ch/A1/last", "alarm/disk")
            await late.until(lambda: all(late.on(topic) for topic in kept))
            assert {topic.removeprefix("labctl/1/") for topic, _, retained in late.messages if retained} == {
                "bench/state", "bench/info", "bench/ch/A1/state", "bench/ch/A1/last", "bench/alarm/disk"
            }  # fmt: skip
            bench.reader.all_clear("disk")
            await late.until(lambda: late.on("alarm/disk")[-1] == {})
    async with listening(mosquitto.port, "labctl/#") as later:
        await later.until(lambda: later.on("bench/state"))
        assert later.on("bench/state") == [later.on("bench/state")[0]]
        assert later.on("bench/state")[0]["state"] == "offline"
        assert not later.on("alarm/disk")


async def test_a_daemon_that_vanishes_is_lost(mosquitto, tmp_path):  # noqa: F811
    async with listening(mosquitto.port, "labctl/1/bench/state") as seen:
        bench = Bench(tmp_path / "data", mosquitto.port)
        task = asyncio.create_task(bench.reader.run())
        await seen.until(lambda: seen.on("state"))
        bench.reader._publisher._client._client._sock_close()
        task.cancel()
        await asyncio.wait({task})
        await seen.until(lambda: seen.on("state")[-1] == {"state": "lost"})
        await bench.close()
    async with listening(mosquitto.port, "labctl/1/bench/state") as late:
        await late.until(lambda: late.on("state") == [{"state": "lost"}])


async def test_what_an_earlier_life_left_behind_is_cleared(mosquitto, tmp_path):  # noqa: F811
    left = ("labctl/1/bench/alarm/old", "labctl/1/bench/ch/gone/state", "labctl/1/bench/ch/gone/last")
    async with listening(mosquitto.port, "labctl/#") as seen:
        for topic in (*left, "labctl/1/other/alarm/theirs"):
            await seen.client.publish(topic, b'{"x": 1}', qos=1, retain=True)
        async with bench_on(tmp_path / "data", mosquitto.port) as bench:
            bench.start("A1")
            await seen.until(lambda: all(seen.on(topic)[-1] == {} for topic in left))
            assert seen.on("other/alarm/theirs") == [{"x": 1}]


async def test_a_late_will_is_contradicted(mosquitto, tmp_path):  # noqa: F811
    async with listening(mosquitto.port, "labctl/1/bench/state") as seen, bench_on(tmp_path / "data", mosquitto.port):
        await seen.until(lambda: seen.on("state"))
        await seen.client.publish("labctl/1/bench/state", b'{"state": "lost"}', qos=1, retain=True)
        await seen.until(lambda: [found["state"] for found in seen.on("state")] == ["ready", "lost", "ready"])


async def test_channels_that_need_a_person_raise_an_alarm(mosquitto, tmp_path):  # noqa: F811
    async with listening(mosquitto.port, "labctl/#") as seen, bench_on(tmp_path / "data", mosquitto.port) as bench:
        bench.start("A1")
        bench.state("A1", "tripped", why="voltage 4.31 V beyond 4.3 V", unblock="labctl resume RUN --from STEP")
        bench.event("A1", "tripped")
        await seen.until(lambda: seen.on("alarm/ch-A1"))
        alarm = seen.on("alarm/ch-A1")[0]
        assert alarm["severity"] == "error"
        assert alarm["text"] == "channel A1 is tripped: voltage 4.31 V beyond 4.3 V; labctl resume RUN --from STEP"
        bench.state("A1", "idle")
        bench.event("A1", "note")
        await seen.until(lambda: seen.on("alarm/ch-A1")[-1] == {})


async def test_samples_are_rationed_and_events_are_not(mosquitto, tmp_path):  # noqa: F811
    async with listening(mosquitto.port, "labctl/#") as seen, bench_on(tmp_path / "data", mosquitto.port) as bench:
        bench.start("A1")
        run = uuid_of(bench, "A1")
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number in range(300):
            bench.rows("A1")
            bench.event("A1", "mark", number=number)
            await bench.writer.flush()
        await seen.until(lambda: len(seen.on(f"run/{run}/event")) == 302)
        assert [event["seq"] for event in seen.on(f"run/{run}/event")] == list(range(1, 303))
        assert 1 <= len(seen.on("ch/A1/sample")) <= 2 + (loop.time() - begun)
        assert len(seen.on("ch/A1/last")) <= 1 + (loop.time() - begun) / 10


async def test_bad_rows_have_no_values(mosquitto, tmp_path):  # noqa: F811
    async with listening(mosquitto.port, "labctl/#") as seen, bench_on(tmp_path / "data", mosquitto.port) as bench:
        bench.start("A1")
        run_id, one = bench.runs["A1"], np.ones(1)
        bad = Batch(
            np.zeros(1), np.full(1, np.nan), np.full(1, np.nan), one, one, quality=np.full(1, 2, dtype=np.uint8)
        )
        bench.writer.offer(Entry(run_id, bad, 0, 1))
        await seen.until(lambda: seen.on("ch/A1/sample"))
        sample = seen.on("ch/A1/sample")[0]
        assert sample["quality"] == 2
        assert "voltage_volt" not in sample
        assert sample["charging_capacity_ah"] == 1.0


async def test_a_spectrum_is_one_message_with_its_points(mosquitto, tmp_path):  # noqa: F811
    async with listening(mosquitto.port, "labctl/#") as seen, bench_on(tmp_path / "data", mosquitto.port) as bench:
        run_id = bench.start("A1")
        run = uuid_of(bench, "A1")
        frequency = np.array([1e6, 1e3, 0.1])
        points = Points(
            np.arange(3.0),
            frequency,
            np.array([10.0, 20.0, 30.0]),
            np.array([-1.0, np.nan, -3.0]),
            frequency,
            frequency,
        )
        bench.writer.offer(Entry(run_id, input=SpectrumPart(1, points)))
        bench.event("A1", "spectrum_began", spectrum=1, step_count=1, cycle_count=0, attempt_id=1)
        bench.event("A1", "spectrum_ended", spectrum=1, step_count=1, cycle_count=0, attempt_id=1, points=3)
        await seen.until(lambda: seen.on(f"run/{run}/spectrum/1"))
        (spectrum,) = seen.on(f"run/{run}/spectrum/1")
        assert spectrum["frequency_hertz"] == [1e6, 1e3, 0.1]
        assert spectrum["real_impedance_ohm"] == [10.0, 20.0, 30.0]
        assert spectrum["imaginary_impedance_ohm"] == [-1.0, None, -3.0]
        assert spectrum["seq"] == 4
