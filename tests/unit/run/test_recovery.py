"""What becomes of a cell after the process died: whether it is energised again is decided by what its instrument says."""

import asyncio

import pytest

from labctl.clock import VirtualClock
from labctl.driver import Galvanostatic
from labctl.errors import OrderRefused, Unreachable
from labctl.run.request import StartRequest
from labctl.run.session import RunSession
from tests.unit.run.one_channel import FakeInstrument, one_channel


async def killed(folder, clock, meter) -> None:
    """Charge for 10 s, and die."""
    async with one_channel(folder, meter, clock) as rig:
        await rig.start()
        await rig.let_pass(10.0)
        assert meter.on
        await rig.sink.flush()
        rig.killed = True
    meter.calls.clear()


@pytest.fixture
async def left(tmp_path):
    """A clock, and an instrument that a dead daemon left charging a cell."""
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    await killed(tmp_path, clock, meter)
    return clock, meter


async def test_a_set_point_that_still_holds_goes_on(tmp_path, left):
    clock, meter = left
    clock.advance(clock.now() + 3.0)
    async with one_channel(tmp_path, meter, clock) as rig:
        (words,) = await rig.take_up()
        assert words.startswith("channel c1: run 1 goes on after row ")
        await rig.let_pass(5.0)
        assert not [call for call in meter.calls if call.startswith(("apply", "off"))]
        assert rig.channel.activity == "running"
        await rig.sink.flush()
        (gap,) = rig.of("gap")
        assert gap["attempt_goes_on"]
        meter.settle()
        since = clock.now() - rig.channel.origin - rig.state.last.time  # that rows wait to be folded, at 0.5 A
        assert 3600.0 * rig.state.last.charging_ah == pytest.approx(meter.charge - 0.5 * since, abs=0.1)


@pytest.mark.parametrize(
    "change",
    ["off", "another attempt", "no attempt"],
)
async def test_what_is_not_the_set_point_of_the_run_is_switched_off_before_anything_is_applied(tmp_path, left, change):
    clock, meter = left
    match change:
        case "off":
            meter.on = False
        case "another attempt":
            meter.attempt = 77
        case "no attempt":
            meter.attempt = None
    clock.advance(clock.now() + 3.0)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.take_up()
        await rig.let_pass(5.0)
        calls = [call for call in meter.calls if call.startswith(("apply", "off"))]
        assert calls[0] == "off"
        assert calls[1].startswith("apply")  # a look at the open circuit, and then the step with what is left of it
        assert rig.channel.activity == "running"
        assert meter.mode == Galvanostatic(0.5)


async def test_after_an_outage_longer_than_the_protocol_allows_nothing_is_energised(tmp_path, left):
    clock, meter = left
    meter.on = False
    clock.advance(clock.now() + 3600.0)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.take_up()
        await rig.let_pass(30.0)
        assert not [call for call in meter.calls if call.startswith("apply")]
        assert (rig.state.phase, rig.state.question.kind) == ("asking", "interruption")


async def test_an_instrument_that_cannot_be_reached_is_waited_for_and_then_asked_what_it_does(tmp_path, left):
    clock, meter = left
    async with one_channel(tmp_path, meter, clock) as rig:
        meter.answers = False
        with pytest.raises(Unreachable):
            await rig.line.open()
        await rig.take_up()
        assert rig.channel.activity == "unknown"
        assert rig.guard.energised == ("1",)
        meter.calls.clear()
        meter.answers = True
        await rig.until(lambda: {"status", "off"} & set(meter.calls), most=60.0)
        await rig.until(lambda: rig.channel.activity != "unknown", most=60.0)  # how long it was away decides the rest


async def test_a_run_that_asks_is_not_energised_by_a_restart(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.start()
        await rig.let_pass(4.0)
        await rig.order("pause")
        await rig.sink.flush()
        rig.killed = True
    meter.calls.clear()
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.take_up()
        await rig.let_pass(30.0)
        assert rig.channel.activity == "paused"
        assert not [call for call in meter.calls if call.startswith("apply")]
        assert not meter.on


async def test_an_output_that_no_run_explains_is_switched_off_if_it_was_claimed(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    meter.mode, meter.on = Galvanostatic(0.5), True
    async with one_channel(tmp_path, meter, clock) as rig:
        rig.journal.head.claim((await meter.open()).serial or "k1", "1")
        await rig.take_up()
        assert not meter.on
        await rig.take_up()
        assert not rig.journal.head.roster.outputs


async def test_an_output_that_nobody_of_ours_claimed_is_foreign_and_stays_on(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    meter.mode, meter.on = Galvanostatic(0.5), True
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.take_up()
        assert meter.on
        assert rig.channel.activity == "unknown"
        assert "somebody else's test runs on it" in rig.channel.why_unknown


async def test_an_output_of_others_is_read_released_and_stopped_by_a_person_alone(tmp_path):
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    meter.mode, meter.on = Galvanostatic(0.5), True
    async with one_channel(tmp_path, meter, clock) as rig:
        await rig.take_up()
        await rig.line.take_over(rig.channel, "me")
        rig.session = rig.channel.session
        await rig.until(lambda: rig.rows > 1)
        assert rig.session.obeys == {"stop", "note"}
        assert "apply" not in meter.calls
        await rig.line.let_go(rig.channel, "me")
        rig.channel.session = None
        await rig.line.look(rig.channel)
        assert meter.on
        assert rig.channel.foreign
        await rig.line.take_over(rig.channel, "me")
        rig.session = rig.channel.session
        await rig.let_pass(5.0)
        await rig.order("stop")
        assert not meter.on


async def test_an_output_is_claimed_before_it_is_energised_and_let_go_when_nothing_of_ours_runs(tmp_path):
    async with one_channel(tmp_path) as rig:
        await rig.start()
        await rig.let_pass(4.0)
        (claimed,) = rig.journal.head.roster.outputs
        assert claimed.channel == rig.channel.at
        await rig.order("stop")
        assert not rig.journal.head.roster.outputs


async def test_an_output_that_somebody_switches_on_right_after_a_run_is_not_switched_off(tmp_path):
    async with one_channel(tmp_path) as rig:
        meter = rig.instrument
        await rig.start()
        await rig.let_pass(4.0)
        await rig.order("stop")
        rig.clock.advance(rig.clock.now() + 0.5)
        meter.on, meter.attempt, meter.mode = True, None, Galvanostatic(0.2)
        await rig.line.look(rig.channel)
        assert meter.on
        assert rig.channel.foreign


async def test_a_gap_in_which_the_instrument_was_away_is_reconciled_when_it_is_back(tmp_path):
    """Lost and found within the time that a cell may be blind: the set-point that still holds goes on."""
    async with one_channel(tmp_path) as rig:
        meter = rig.instrument
        await rig.start()
        await rig.let_pass(4.0)
        meter.answers = False
        await rig.let_pass(0.5)
        meter.attempt = 99  # it was restarted by somebody, and holds what is not ours
        meter.answers = True
        meter.calls.clear()
        await rig.until(lambda: [call for call in meter.calls if call.startswith("apply")], most=60.0)
        assert meter.calls.index("off") < next(at for at, call in enumerate(meter.calls) if call.startswith("apply"))


async def test_a_channel_whose_run_waits_for_its_instrument_can_be_looked_at(tmp_path):
    """It was attached and has no state yet: whoever shows channels meanwhile shows it as preparing."""
    async with one_channel(tmp_path) as rig:
        await rig.start()
        running, rig.channel.session = rig.channel.session, RunSession(rig.session.run_id, rig.session.plan)
        look = rig.channel.look()
        rig.channel.session = running
        assert (look["activity"], look["unblock"]) == ("preparing", "")


@pytest.mark.parametrize("named", [False, True], ids=["the channel", "the run"])
async def test_a_stop_that_meets_a_run_before_it_has_begun_stops_it(tmp_path, named):
    """The run is attached to its channel and waits for the instrument: a stop waits with it, any other order finds no run."""
    async with one_channel(tmp_path) as rig:
        await rig.take_up()
        await rig.start()  # writes the files, and is over at once
        await rig.order("stop")
        await rig.until(lambda: rig.channel.session is not None and rig.session.finish is not None)
        rig.supervisor.ended(rig.channel)
        attached, go, begin = asyncio.Event(), asyncio.Event(), rig.line.begin

        async def slow(*given):
            attached.set()
            await go.wait()
            await begin(*given)

        rig.line.begin = slow
        request = StartRequest(str(tmp_path / "p.yaml"), str(tmp_path / "cell.yaml"), "c1", by="me", id="start")
        starting = asyncio.create_task(rig.supervisor.start(request))
        await rig.until(attached.is_set)
        assert rig.channel.activity == "preparing"
        with pytest.raises(OrderRefused, match="is preparing: there is no run to pause"):
            await rig.supervisor.order("pause", "c1", "pause", "me")
        stop = rig.supervisor.order("stop", "c1", "stop", "me", run=rig.channel.info.uuid if named else "")
        stopping = asyncio.create_task(stop)
        await rig.until(lambda: rig.channel.start_stopped_by == "me")
        go.set()
        await rig.until(stopping.done)
        await rig.until(starting.done)
        assert stopping.result().run == rig.channel.info.uuid
        assert not rig.instrument.on


@pytest.mark.parametrize("error", [Unreachable("it has gone again"), ZeroDivisionError("a defect of the driver")])
async def test_a_look_at_an_idle_channel_that_fails_as_its_line_is_found_ends_nothing(tmp_path, error):
    """A line that breaks in that moment, or a driver that fails there, is an outage: the connection lives and looks again."""
    clock = VirtualClock(1000.0, 1.79e9)
    meter = FakeInstrument(clock)
    said = meter.status

    async def fails(channel):
        meter.calls.append("status")
        raise error

    async with one_channel(tmp_path, meter, clock) as rig:
        meter.status = fails
        rig.line.link.lose(Unreachable("the line is cut"))
        await rig.until(lambda: meter.calls.count("status") >= 2)
        assert str(error) in rig.channel.unknown
        meter.status = said
        await rig.until(lambda: not rig.channel.unknown)
        assert rig.channel.activity == "idle"
