"""Whatever is written: a plan that keeps every promise, or findings that point into the file."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st

from labctl.driver import Bounds, Capabilities, Loop
from labctl.errors import FileError
from labctl.plan.codec import digest, plan_from_json, plan_to_json
from labctl.plan.compile import compile_plan
from labctl.plan.description import rows
from labctl.plan.envelope import Envelope, extremes
from labctl.plan.estimate import estimate
from labctl.plan.index import index, walk
from labctl.plan.program import Spent, mode_for, numbers, step_for
from labctl.plan.program_reach import program_for
from labctl.plan.step import Block
from labctl.protocol.cell import Cell
from labctl.protocol.load import load
from labctl.run.simulate import DryRunRequest, Simulation
from labctl.store.journal import Journal
from labctl.store.reader import Reader

CELL = Cell(
    "cell",
    "full",
    area=1e-4,
    active_mass=1e-6,
    film_thickness=3e-7,
    nominal=3.6,
    limits=Bounds((2.0, 4.3), (-0.02, 0.02)),
)

voltages = st.sampled_from(["2 V", "2.5 V", "3000 mV", "3.7 V", "4.2 V", "4.3 V"])
wild_voltages = st.one_of(voltages, st.sampled_from(["1.9 V", "4.4 V", "20 mV vs ocv", "-20 mV vs ocv"]))
currents = st.sampled_from(["1 mA", "C/10", "0.5C", "2 C", "10 uA/cm2", "0.3 A/g", "12 mA"])
times = st.sampled_from(["1 s", "10 min", "1 h", "1 h 30 min", "0.5 d"])
capacities = st.sampled_from(["0.5 mAh", "80 %", "0.1 mAh/cm2", "100 mAh/g"])
conditions = st.sampled_from(
    [
        "voltage > 4.1 V",
        "temperature > 50 degC",
        "time > 1 min and abs(dV/dt) < 1 mV/h over 5 min",
        "capacity > 10 % or time > 2 h",
        "change of voltage over 10 min < 1 mV or change of current over 5 min < 1 %",
    ]
)


@st.composite
def drives(draw, variables=()):
    word = draw(st.sampled_from(["charge", "discharge"]))
    current = (
        draw(st.sampled_from([f"${name}" for name in variables]))
        if variables and draw(st.booleans())
        else draw(currents)
    )
    keys = [f"current: {current}"]
    if draw(st.booleans()):
        keys.append(f"to: {draw(wild_voltages)}")
        if draw(st.booleans()):
            keys.append(draw(st.sampled_from(["hold_for: 30 min", "hold_until: current < C/50"])))
    if draw(st.booleans()):
        keys.append(f"capacity: {draw(capacities)}")
    if draw(st.booleans()) or len(keys) == 1:
        keys.append(f"for: {draw(times)}")
    return f"{word}: {{{', '.join(keys)}}}"


@st.composite
def others(draw):
    return draw(
        st.one_of(
            st.builds("rest: {}".format, times),
            st.builds("rest: {{for: {}, until: {}}}".format, times, conditions),
            st.builds("hold: {{voltage: {}, for: {}}}".format, wild_voltages, times),
            st.builds("hold: {{voltage: {}, current: 1 mA, until: current < C/20}}".format, voltages),
            st.builds("lsv: {{from: {}, to: {}, rate: 1 mV/s}}".format, voltages, wild_voltages),
            st.builds(
                "cv: {{from: {}, to: {}, back: {}, rate: 5 mV/s, cycles: 3}}".format, voltages, voltages, voltages
            ),
            st.sampled_from(
                ["eis: {from: 1 kHz, to: 1 Hz, amplitude: 10 mV}", "eis: {from: 1 Hz, to: 9 Hz, amplitude: 1 mA}"]
            ),
            st.sampled_from(
                [
                    "profile: {file: drive.csv, positive: charge, scale: $k}",
                    "discharge: {resistance: 10 kOhm, to: 2.5 V}",
                    "charge: {power: 4 mW, to: 4 V, hold_for: 10 min}",
                    "use: formation",
                    "use: formation\n  with: {rate: 0.4C}",
                ]
            ),
            st.sampled_from(
                ["mark: beam on", "prompt: Press", "bend: {angle: 90 deg}", "temperature: {to: 30 degC, soak: 1 h}"]
            ),
        )
    )


def indented(text):
    return "\n".join(f"  {line}" for line in text.splitlines())


def listed(steps):
    """A list of steps, each of one line or a block."""
    return "\n".join(f"- {step}" for step in steps)


@st.composite
def blocks(draw, depth, variables):
    name = f"x{depth}"
    head = draw(
        st.sampled_from(
            [
                f"repeat: {draw(st.integers(1, 4))}",
                f"each: {{{name}: [1 mA, C/10, 0.5C]}}",
                f"each: {{{name}: {{from: 1 mA, to: 3 mA, by: 1 mA}}}}",
                "if: voltage > 3 V",
                "for: 5 h",
            ]
        )
    )
    inner = (*variables, name) if head.startswith("each") else variables
    keys = [head]
    if head != "for: 5 h" and draw(st.booleans()):
        keys.append(
            draw(
                st.sampled_from(
                    ["stop_if: voltage > 4.2 V", "abort_if: temperature > 60 degC", "for: 10 h", "cycle: true"]
                )
            )
        )
    return "\n  ".join([*keys, "steps:", *indented(draw(lists(depth + 1, inner))).splitlines()])


@st.composite
def lists(draw, depth=0, variables=()):
    items = [drives(variables), others()]
    if depth < 3:
        items.append(blocks(depth, variables))
    return listed(draw(st.lists(st.one_of(items), min_size=1, max_size=4)))


protocols = lists().map(lambda steps: f"labctl: 1\nparams: {{k: 0.5}}\nsteps:\n{steps}\n")
FILES = {
    "drive.csv": "time / s,current / mA\n0,1\n600,-1\n1200,0\n",
    "formation.yaml": (
        "labctl: 1\nparams: {rate: C/5}\nlimits: {voltage: [2.1 V, 4.2 V]}\nsteps:\n- repeat: 2\n  steps:\n"
        "  - charge: {current: $rate, to: 4.1 V}\n  - discharge: {current: $rate, to: 2.5 V}\n"
    ),
}


# --- what holds -------------------------------------------------------------------------------------------------------

ALL = frozenset(
    {"Rest", "Galvanostatic", "Potentiostatic", "ConstantPower", "ConstantLoad", "Sweep", "Profile", "Spectrum"}
)
ENDS = frozenset({"time", "voltage", "current", "charge"})
OCV = 3.3
few = settings(max_examples=50)


def plan_or_findings(text):
    try:
        return compile_plan(load(text, "made.yaml", FILES.get), CELL, None, None, {}), ()
    except FileError as error:
        return None, error.findings


def compiled(text):
    """The plan of a text; examples without one are passed over."""
    plan, _ = plan_or_findings(text)
    assume(plan is not None)
    return plan


def unrolled(block, passes=()):
    """Every line in the order in which it is done, with the passes around it; every `if` is true."""
    for number in range(block.passes):
        inside = (*passes, (block.id, number))
        for child in block.children:
            if isinstance(child, Block):
                yield from unrolled(child, inside)
            else:
                yield child, dict(inside)


def some(plan, most=300):
    """The first applications of a plan's lines."""
    return [pair for _, pair in zip(range(most), unrolled(plan.root), strict=False)]


@few
@given(protocols)
def test_a_text_gives_a_plan_or_findings_at_their_places(text):
    plan, findings = plan_or_findings(text)
    event("a plan" if plan else "refused")
    errors = [one for one in findings if one.severity == "error"]
    assert (plan is None) == bool(errors)
    for one in findings:
        lines = (FILES | {"made.yaml": text})[one.mark.file].splitlines()
        assert one.line == lines[one.mark.line - 1]
        assert one.code
        assert one.message.startswith("wanted ")


@given(protocols)
def test_a_plan_keeps_every_promise(text):
    plan = compiled(text)
    reads_back_to_the_same_bits(plan)
    counts_from_one_in_the_order_of_the_text(plan)
    sets_nothing_beyond_the_envelope(plan)
    ends_every_energised_step_for_sure(plan)
    depends_only_on_the_blocks_around(plan)
    can_be_estimated_and_shown(plan)


def reads_back_to_the_same_bits(plan):
    stored = plan_to_json(plan)
    assert plan_from_json(stored) == plan
    assert plan_to_json(plan_from_json(stored)) == stored
    assert digest(plan_from_json(stored)) == digest(plan)


def counts_from_one_in_the_order_of_the_text(plan):
    assert list(index(plan).lines) == list(range(1, len(index(plan).lines) + 1))
    assert list(index(plan).blocks) == list(range(len(index(plan).blocks)))


def sets_nothing_beyond_the_envelope(plan):
    for line, passes in some(plan):
        envelope = Envelope(line.bounds)
        for _, name, value in extremes(mode_for(line, passes, math.nan), line.bounds):
            assert math.isnan(value) or not envelope.beyond(name, value)


def ends_every_energised_step_for_sure(plan):
    for _, line in walk(plan.root):
        if line.energises:
            assert line.bounds.voltage is not None
            assert line.bounds.charge is not None
            assert line.ends or line.mode in {"Sweep", "Profile", "Spectrum"}


def depends_only_on_the_blocks_around(plan):
    for path, line in walk(plan.root):
        around = {block.id for block in path}
        assert all(set(value.blocks) <= around for value in numbers(line))


def can_be_estimated_and_shown(plan):
    found = estimate(plan)
    assert 0 <= found.duration[0] <= found.duration[1] * (1 + 1e-12)
    assert math.isfinite(found.duration[0])
    assert found.charge >= 0
    assert found.rows >= 0
    assert set(found.lines) == set(index(plan).lines)
    assert [row.line for row in rows(plan.root) if row.line] == list(index(plan).lines)


@pytest.mark.parametrize("loops", [False, True])
@few
@given(text=protocols, most=st.integers(1, 12))
def test_programs_end_to_end_do_what_the_lines_one_by_one_do(loops, text, most):
    """Cutting a plan into programs changes neither the order of its lines nor any of their numbers."""
    plan = compiled(text)
    capabilities = Capabilities(modes=ALL, ends=ENDS, most_steps=most, loops=loops)
    todo = some(plan, 120)
    at = 0
    while at < len(todo):
        line, passes = todo[at]
        program = program_for(plan, line.id, passes, OCV, Spent(), capabilities)
        assert len(program.steps) <= most
        done = list(performed(program.steps))
        assert done
        for step, (expected, inside) in zip(done, todo[at:], strict=False):
            own = tuple(end for end in step.ends if end.number < 1000)  # the others are what blocks around have left
            assert replace(step, ends=own) == step_for(expected, inside, OCV)
        at += len(done)


def performed(steps):
    """The steps of a program in the order in which an instrument does them."""
    passes, at = {}, 0
    while at < len(steps):
        step = steps[at]
        if not isinstance(step, Loop):
            yield step
            at += 1
            continue
        passes[at] = passes.get(at, 1) + 1
        if passes[at] <= step.passes:
            passes = {loop: number for loop, number in passes.items() if not step.to <= loop < at}
            at = step.to
        else:
            at += 1


# --- tables -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 90), min_size=1, max_size=6), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_a_table_holds_what_the_text_says_of_every_pass(minutes, factors):
    text = (
        f"labctl: 1\nsteps:\n- each: {{t: [{', '.join(f'{one} s' for one in minutes)}]}}\n  steps:\n"
        f"  - each: {{k: [{', '.join(map(str, factors))}]}}\n    steps:\n    - repeat: 2\n      steps:\n"
        "      - charge: {current: 1 mA, for: $(k * t)}\n      - rest: $t\n"
    )
    for line, passes in some(compiled(text), 10_000):
        first, second = minutes[passes[1]], factors[passes[2]]
        (end,) = step_for(line, passes, None).ends
        assert end.value == pytest.approx(first * second if line.energises else first)


# --- on simulated cells -----------------------------------------------------------------------------------------------

KINDS = {"lfp-msi-c": "full", "phlt-ncm811": "half_cathode", "voc1": "half_cathode"}
LOW, HIGH = 2.0, 4.3
ACCURACY = 0.01  # V by which a row may lie beyond a limit before the trip is seen in it
MOST = 30 * 86400.0  # s of test that one example may take at the longest


def for_models(text):
    """The same protocol with few rows, a first one before anything is asked, and what every model can do."""
    text = text.replace("0.3 A/g", "1 mA").replace("100 mAh/g", "0.1 mAh")  # not every model has a loading
    text = text.replace("bend: {angle: 90 deg}", "mark: bent")  # nor bends
    return text.replace("\nsteps:\n", "\nrecord: {every: 10 min, dV: 50 mV}\nsteps:\n- rest: 1 min\n", 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("accepted")
    for name, text in FILES.items():
        (made / name).write_text(text, encoding="utf-8")
    for model, kind in KINDS.items():
        (made / f"{model}.yaml").write_text(
            f"labctl_cell: 1\nname: {model}\nkind: {kind}\nmodel: {model}\narea: 1 cm2\n"
            f"nominal: {{capacity: 1 mAh}}\nlimits: {{voltage: [{LOW} V, {HIGH} V], current: [-20 mA, 20 mA]}}\n",
            encoding="utf-8",
        )
    return made


@settings(
    max_examples=20,
    phases=set(Phase) - {Phase.explain},
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(text=protocols, model=st.sampled_from(sorted(KINDS)))
def test_every_accepted_plan_ends_or_is_stopped_inside_its_limits(folder, text, model):
    protocol = folder / "made.yaml"
    protocol.write_text(for_models(text), encoding="utf-8")
    try:
        simulation = Simulation(DryRunRequest(str(protocol), str(folder / f"{model}.yaml")))
    except FileError:
        assume(False)
    assume(estimate(simulation.plan).duration[1] < MOST or "prompt" in text)
    journal = folder / "made.db"
    for file in folder.glob("made.db*"):
        file.unlink()
    with Journal.open(f"sqlite:///{journal}") as opened:
        ended = simulation.run(opened)
    event(ended.reason)
    assert ended.reason in {"done", "stopped", "aborted", "tripped"}
    with Reader(journal) as reader:
        stored = reader.rows(ended.run_id)
    driven = np.abs(stored.current) > 1e-9
    inside = (stored.voltage >= LOW - ACCURACY) & (stored.voltage <= HIGH + ACCURACY)
    outside = driven & ~inside
    assert outside.sum() <= (ended.reason == "tripped")
