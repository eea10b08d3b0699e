"""Orders, prompts, outages: whoever speaks to a run while it is under way."""

from dataclasses import replace

import numpy as np
import pytest
from engine_world import BOUNDS, LOCATES, Bench, charge, end, plan, prompt, rest, rows, until

from labctl.driver import Capabilities, Points
from labctl.engine.fold import fold
from labctl.engine.input import Apply, Began, Gap, Off, Order, SpectrumPart, StepEnded
from labctl.engine.state import state_from_json, state_to_json
from labctl.engine.state_parts import Leaving
from labctl.plan.step import Block, Interruption, Line


def steps(bench: Bench) -> list[tuple[object, object]]:
    return [(step["step_id"], step["end_reason"]) for step in bench.of("step_ended")]


def some(bench: Bench, count: int = 1) -> Bench:
    for _ in range(count):
        bench.step()
    return bench


TWO = plan(charge(1, 0.5, until(100.0)), rest(2, 5.0))


# --- orders -----------------------------------------------------------------------------------------------------------


def test_stop_switches_off_and_ends_the_run():
    bench = some(Bench(TWO, piece=5).start())
    outcome = bench.order("stop")
    assert isinstance(outcome.commands[0], Off)
    assert bench.finish.reason == "stopped"
    assert steps(bench) == [(1, "stop")]


def test_pause_stands_still_and_resume_does_what_is_left():
    bench = some(Bench(TWO, piece=5).start(), 4)
    bench.order("pause")
    assert (bench.state.phase, bench.state.activity) == ("paused", "paused")
    bench.tell(rows(bench.time + np.arange(1.0, 500.0, 7.0), 3.7, 0.0, bench.counters[0], 0.0))
    bench.time += 500.0
    bench.order("resume")
    bench.run()
    probe, one, two = bench.of("step_ended")
    assert (probe["step_type"], probe["step_name"]) == ("rest", "open circuit")
    assert one["step_time_second"] == pytest.approx(100.0, abs=1.0)
    assert two["end_reason"] == "for"
    assert [attempt["step_count"] for attempt in bench.of("attempt")] == [1, 2, 1, 3]


def test_skip_ends_the_step():
    bench = some(Bench(TWO, piece=5).start())
    bench.order("skip")
    bench.run()
    assert steps(bench) == [(1, "skip"), (2, "for")]


def test_skip_while_paused_ends_the_step_that_was_paused():
    bench = some(Bench(TWO, piece=5).start(), 2)
    bench.order("pause")
    bench.order("skip")
    bench.run()
    assert steps(bench) == [(1, "skip"), (2, "for")]
    assert bench.of("step_ended")[0]["step_time_second"] == pytest.approx(9.0, abs=1.0)


def test_pause_while_a_command_is_out_lets_the_old_step_end():
    bench = Bench(TWO).start()
    state = fold(TWO, bench.state, rows([0.0, 100.0], 3.7, 0.5)).state
    outcome = fold(TWO, state, _order("pause"))
    assert [event.kind for event in outcome.events] == ["order", "step_ended", "activity"]
    resumed = fold(TWO, outcome.state, _order("resume"))
    assert resumed.commands[0].program.steps[0].line == 2


def test_stop_while_a_command_is_out_lets_the_old_step_end_as_it_did():
    bench = Bench(TWO).start()
    state = fold(TWO, bench.state, rows([0.0, 100.0], 3.7, 0.5)).state
    outcome = fold(TWO, state, _order("stop"))
    assert [event.data["end_reason"] for event in outcome.events if event.kind == "step_ended"] == ["for"]
    assert outcome.state.phase == "ended"


def _order(verb: str) -> Order:
    return Order(verb, "1", "me")  # type: ignore[arg-type]


def test_an_order_that_cannot_be_obeyed_is_written_down_and_nothing_else():
    bench = some(Bench(TWO, piece=5).start())
    before = bench.state
    bench.order("resume")
    assert bench.of("order")[-1]["obeyed"] is False
    assert bench.state == before
    bench.order("note", "smells of sulphur")
    assert bench.of("note") == [{"text": "smells of sulphur", "by": "me", "id": "1"}]


# --- prompts, stages, chambers ----------------------------------------------------------------------------------------


def test_a_prompt_that_nobody_answers_asks():
    the_plan = plan(charge(1, 0.5, until(3.0)), prompt(2, "press", **{"for": 30.0}), rest(3, 2.0))
    bench = Bench(the_plan).start()
    while bench.state.phase != "asking":
        bench.step()
    assert bench.state.question.kind == "prompt"
    assert "30 s" in bench.state.why
    bench.order("resume")
    bench.run()
    assert steps(bench) == [(1, "for"), (2, "own"), (3, "for")]


def test_after_a_prompt_the_open_circuit_is_looked_at():
    bench = Bench(plan(prompt(1, "press"), charge(2, 0.5, until(3.0)))).run()
    bench.order("confirm")
    bench.run()
    assert [step["step_name"] for step in bench.of("step_ended")] == ["", "open circuit", ""]
    wrong = Bench(plan(prompt(1, "press"), charge(2, 0.5, until(3.0)))).run()
    wrong.cell.low, wrong.cell.high = -3.0, -4.0
    wrong.order("confirm")
    wrong.run()
    assert wrong.state.question.kind == "ocv"


BEND = Line(1, "bend", "Bend", {"angle": 0.5, "radius": 0.01, "times": 3}, bounds=BOUNDS, options={"confirm": False})


def test_a_bend_without_a_stage_is_a_persons():
    bench = Bench(plan(BEND, rest(2, 2.0))).run()
    assert (bench.state.activity, bench.state.unblock) == ("waiting", "labctl confirm")
    assert bench.state.why == "bend: angle 28.65 deg, length 10 mm, 3 times".replace("length", "radius")
    bench.order("confirm")
    bench.run()
    assert bench.of("step_ended")[-1]["bend_angle_degree"] == pytest.approx(28.6479, abs=1e-3)
    assert bench.of("step_ended")[-1]["bend_radius_meter"] == 0.01


def test_a_stage_bends_while_the_cell_rests():
    bench = Bench(plan(BEND, rest(2, 2.0)), roles=("cell", "stage")).start()
    (stage,) = (command for command in _commands(bench) if command.role == "stage")
    assert stage.attempt == 1
    bench.tell(Began(1, bench.time))  # of the stage
    bench.step()
    bench.tell(StepEnded(1, 0, bench.time, None, "reached"))
    bench.obey()
    bench.run()
    assert steps(bench) == [(1, "own"), (2, "for")]
    assert bench.of("step_ended")[-1]["bend_radius_meter"] == 0.01


def test_a_bend_sets_a_shape_of_its_own():
    flat = replace(BEND, id=2, settings={"angle": 0.0, "times": 1})
    bench = Bench(replace(plan(BEND, flat, rest(3, 2.0)), edition=2)).run()
    for _ in range(2):
        bench.order("confirm")
        bench.run()
    bent, again_flat = bench.of("step_ended")[:1] + bench.of("step_ended")[-1:]
    assert (bent["bend_radius_meter"], again_flat["bend_angle_degree"]) == (0.01, 0.0)
    assert again_flat.get("bend_radius_meter") is None  # it is not known, rather than as it was


def _commands(bench: Bench) -> list[Apply]:
    outcome = fold(bench.plan, replace(bench.state, phase="leaving", leaving=Leaving()), Began(1, 0.0))
    return [command for command in outcome.commands if isinstance(command, Apply)]


CHAMBER = Line(1, "temperature", "Chamber", {"temperature": 313.15, "within": 1.0, "soak": 30.0}, bounds=BOUNDS,
               options={"for": 600.0})  # fmt: skip


def ambient(begin: float, celsius: list[float]):
    return replace(
        rows(begin + np.arange(len(celsius)), 3.7, 0.0), auxiliary={"ambient_temperature_celsius": np.array(celsius)}
    )


def test_a_chamber_is_there_once_it_has_been_within_its_bounds_for_the_soak():
    bench = Bench(plan(CHAMBER, rest(2, 2.0)), roles=("cell", "chamber")).start()
    outcome = bench.tell(ambient(0.0, [25.0] * 10 + [39.5] * 10 + [38.0] * 5 + [40.2] * 50))
    assert outcome.taken == 25 + 31
    bench.obey()
    bench.time = 100.0
    bench.run()
    assert steps(bench) == [(1, "own"), (2, "for")]
    assert bench.of("step_ended")[-1]["chamber_temperature_celsius"] == pytest.approx(40.0)


def test_a_chamber_that_does_not_get_there_asks():
    bench = Bench(plan(CHAMBER, rest(2, 2.0)), roles=("cell", "chamber")).start()
    outcome = bench.tell(ambient(0.0, [25.0] * 700))
    assert outcome.taken == 601
    assert bench.state.question.kind == "chamber"
    bench.order("skip")
    bench.time = 700.0
    bench.run()
    assert steps(bench) == [(1, "skip"), (2, "for")]


# --- outages ----------------------------------------------------------------------------------------------------------


def test_a_short_outage_goes_on_inside_the_step():
    bench = some(Bench(TWO, piece=10).start(), 3)
    at = bench.state.last.time
    bench.time = at + 100.0
    bench.tell(Gap(at, at + 100.0, "power"))
    bench.obey()
    bench.run()
    one = next(step for step in bench.of("step_ended") if step["step_id"] == 1 and step["step_type"] == "charge")
    assert one["step_time_second"] == pytest.approx(100.0, abs=1.0)
    assert one["end_test_time_second"] == pytest.approx(200.0, abs=2.0)
    assert [attempt["attempt_id"] for attempt in bench.of("attempt")] == [1, 2, 3, 4]
    assert bench.of("gap")[0]["end"] == at + 100.0


def test_a_long_outage_asks_or_stops():
    bench = some(Bench(TWO, piece=10).start())
    bench.time += 1000.0
    bench.tell(Gap(bench.time - 1000.0, bench.time, "power"))
    assert bench.state.question.kind == "interruption"
    assert [asked["question"] for asked in bench.of("asked")] == ["interruption"]
    bench.obey()
    bench.order("resume")
    bench.run()
    assert steps(bench)[-2:] == [(1, "for"), (2, "for")]
    stops = replace(TWO, interruption=Interruption(600.0, "stop"))
    bench = some(Bench(stops, piece=10).start())
    bench.tell(Gap(bench.time, bench.time + 1000.0, "power"))
    assert bench.finish.reason == "aborted"


def test_an_instrument_that_went_on_by_itself_is_in_the_same_step_and_attempt():
    bench = some(Bench(TWO, LOCATES, piece=10).start())
    bench.tell(Gap(bench.time, bench.time + 1000.0, "cable", attempt_goes_on=True))
    assert (bench.state.phase, bench.state.attempt) == ("running", 1)
    assert bench.state.windows == ()


def test_no_slope_spans_an_outage():
    line = charge(1, 0.5, until(1e4, "", None, "d voltage < 1 over 20"))
    bench = Bench(plan(line, rest(2, 1.0)), LOCATES, piece=1).start()
    some(bench, 10)
    bench.tell(Gap(bench.time, bench.time + 500.0, "cable", attempt_goes_on=True))
    begin = bench.time + 500.0
    outcome = bench.tell(rows(begin + np.arange(30.0), 3.8, 0.5, bench.counters[0], 0.0))
    assert outcome.taken == 21


def test_an_outage_before_the_old_step_was_left_closes_it():
    bench = Bench(TWO).start()
    bench.tell(rows([0.0, 100.0], 3.7, 0.5))
    bench.commands.clear()
    bench.time = 150.0
    bench.tell(Gap(100.0, 150.0, "power"))
    bench.obey()
    bench.run()
    assert steps(bench) == [(1, "for"), (2, "for")]


def test_an_outage_while_a_person_is_asked_changes_nothing():
    bench = some(Bench(TWO, piece=10).start())
    bench.order("pause")
    bench.tell(Gap(bench.time, bench.time + 1e6, "power"))
    assert bench.state.phase == "paused"


# --- spectra ----------------------------------------------------------------------------------------------------------

EIS = Line(1, "eis", "Spectrum", {"frequencies": (1e3, 1e2, 1e1), "amplitude": 0.01}, bounds=BOUNDS)


def points(begin: float, voltage: list[float]) -> Points:
    count = len(voltage)
    return Points(begin + np.arange(count, dtype=float), np.full(count, 1e3), np.ones(count), np.ones(count),
                  np.array(voltage), np.zeros(count))  # fmt: skip


def eis() -> Bench:
    able = replace(LOCATES, modes=LOCATES.modes | {"Spectrum"})
    return Bench(plan(EIS, rest(2, 2.0)), able).start()


def test_a_spectrum_is_complete_at_its_end():
    bench = eis()
    assert bench.tell(SpectrumPart(1, points(0.0, [3.7, 3.7]))).taken == 2
    bench.tell(SpectrumPart(1, points(2.0, [3.7])))
    bench.tell(StepEnded(1, 0, 3.0, None, "complete"))
    bench.obey()
    bench.run()
    (ended,) = bench.of("spectrum_ended")
    assert (ended["spectrum"], ended["points"], ended["complete"]) == (1, 3, True)
    assert steps(bench) == [(1, "own"), (2, "for")]


def test_a_spectrum_is_watched_like_rows():
    bench = eis()
    outcome = bench.tell(SpectrumPart(1, points(0.0, [3.7, 5.5, 3.7])))
    assert outcome.taken == 2
    assert bench.finish.reason == "tripped"


@pytest.mark.parametrize("verb", ["pause", "stop"])
def test_a_spectrum_that_an_order_cuts_is_not_complete(verb):
    bench = eis()
    bench.tell(SpectrumPart(1, points(0.0, [3.7])))
    bench.order(verb)
    assert [ended["complete"] for ended in bench.of("spectrum_ended")] == [False]


def test_a_spectrum_starts_again_after_an_outage():
    bench = eis()
    bench.tell(SpectrumPart(1, points(0.0, [3.7])))
    bench.time = 11.0
    bench.tell(Gap(1.0, 11.0, "power"))
    bench.obey()
    bench.step()
    kinds = [kind for kind in bench.kinds() if kind.startswith("spectrum")]
    assert kinds == ["spectrum_began", "spectrum_ended", "spectrum_began"]
    assert bench.state.spectra.count == 2


# --- stored states ----------------------------------------------------------------------------------------------------


def test_every_state_on_the_way_reads_back():
    block = Block(1, (charge(1, 0.5, until(30.0, "", None, "d voltage < -1 over 10")), charge(2, -0.5, until(30.0))), 3, "true",
                  ends=(end("stop_if", "retention < 0.5 x 2"),))  # fmt: skip
    bench = Bench(plan(block, prompt(3, "ok")), Capabilities()).start()
    for _ in range(30):
        assert state_from_json(state_to_json(bench.state)) == bench.state
        if bench.state.activity == "waiting":
            break
        bench.step(9)
    bench.order("pause")
    assert state_from_json(state_to_json(bench.state)) == bench.state
