"""What `start` accepts, instrument and daemon can do to the end: random protocols on what every driver of ours can do."""

from importlib.metadata import entry_points

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from labctl.driver import Loop, ProgramStep
from labctl.errors import FileError
from labctl.plan.compile import compile_plan
from labctl.plan.holding import holds_side
from labctl.plan.index import index
from labctl.plan.program import Spent
from labctl.plan.program_reach import program_for
from labctl.plan.runnable import runnable
from labctl.protocol.load import load
from labctl_drivers.arbin import Arbin
from labctl_drivers.biologic import BioLogic
from labctl_drivers.keithley import Keithley2400, Keithley2450, Keithley2600
from labctl_drivers.maccor import Maccor
from labctl_drivers.neware import Neware
from labctl_drivers.palmsens import PalmSens
from labctl_drivers.practice import Practice
from labctl_drivers.rodeostat import Rodeostat
from labctl_drivers.simulated import Simulated
from labctl_simulators.wire.methodscript import parse
from labctl_simulators.wire.neware_step import read_profile
from tests.property.plan.any_instrument import AnyInstrument
from tests.property.plan.test_plans import CELL, FILES, OCV, protocols, some

MOST_ROWS = 1500
OTHERS = {"Bend", "Chamber"}  # what a stage or a chamber does
DRIVERS = {
    "biologic": BioLogic("EClib64.dll", "192.109.209.220", "."),
    "arbin": Arbin(host="-", channels={"1": 1}, user="-", password="-"),
    "maccor": Maccor(host="-", channels={"1": 1}, folder="."),
    "neware": Neware(host="-", channels={"1": "27-1-1"}, folder="."),
    "palmsens": PalmSens("-"),
    "keithley2450": Keithley2450("TCPIP0::-::1::SOCKET"),
    "keithley2400": Keithley2400("TCPIP0::-::1::SOCKET"),
    "keithley2600": Keithley2600("TCPIP0::-::1::SOCKET"),
    "rodeostat": Rodeostat("-"),
    "practice": Practice(port=1),
    "simulated": Simulated(),
}


def accepted(text, driver):
    """The plan of a text on a driver's channel, None where `start` refuses it: with its line and reason."""
    translate = getattr(driver, "translate", None)
    told = None if translate is None else lambda program: translate("1", program)
    try:
        plan = compile_plan(load(text, "made.yaml", FILES.get), CELL, driver.capabilities("1"), None, {})
    except FileError:
        return None
    errors = [finding for finding in runnable(plan, driver.capabilities("1"), told) if finding.severity == "error"]
    assert all(finding.mark.line and finding.message.startswith("wanted ") for finding in errors)
    return None if errors else plan


def test_every_driver_that_drives_a_cell_is_among_them():
    driving = {
        entry.name
        for entry in entry_points(group="labctl.drivers")
        if hasattr(entry.load(), "output_off")
        and entry.name not in {"espec", "memmert", "modbus", "grbl", "zaber"}  # chambers, stages
    }
    assert driving <= set(DRIVERS)


@pytest.mark.parametrize("name", DRIVERS)
@settings(max_examples=30)
@given(text=protocols, at=st.integers(0, 200), spent=st.sampled_from([0.0, 30.0]), look=st.booleans())
def test_what_start_accepts_every_program_of_it_can_be_told_to_the_instrument(name, text, at, spent, look):
    driver = DRIVERS[name]
    plan = accepted(text, driver)
    event("refused" if plan is None else "accepted")
    if plan is None:
        return
    capabilities = driver.capabilities("1")
    todo = some(plan, 100)
    line, passes = todo[at % len(todo)]
    program = program_for(plan, line.id, passes, OCV, Spent(spent, 0.01 * spent), capabilities, look=look)
    assert len(program.steps) <= max(1, capabilities.most_steps)
    for step in program.steps:
        if isinstance(step, ProgramStep):
            of = index(plan).lines[step.line]
            assert all(holds_side(end.quantity, end.above, capabilities, of) for end in step.ends)
    if line.verb in {"prompt", "mark", "bend", "temperature"} or not hasattr(driver, "translate"):
        return
    wire = driver.translate("1", program)
    if name == "neware":
        profile = read_profile(wire)
        assert len(profile.steps) == len(program.steps) - len(program.spans) + 1
        assert sum(step.kind == 5 for step in profile.steps) == sum(isinstance(step, Loop) for step in program.steps)
        steps = [step for step in program.steps if isinstance(step, ProgramStep)]
        assert profile.charge <= min(step.bounds.charge for step in steps) * (1 + 1e-6)
        low, high = steps[0].bounds.voltage
        assert low - 1e-4 <= profile.voltage[0] <= profile.voltage[1] <= high + 1e-4
        given_ends = [end for step in steps for end in step.ends] + [end for span in program.spans for end in span.ends]
        for quantity, written in (("time", "time"), ("charge", "charge")):  # none is let go, and none is longer
            asked = [end.value for end in given_ends if end.quantity == quantity]
            in_file = [value for step in profile.steps if (value := getattr(step, written)) is not None]
            assert bool(asked) == bool(in_file)
            assert not in_file or max(in_file) <= max(*asked, 1.0) * (1 + 1e-6)
    elif name == "biologic":
        assert len(wire) >= len({step.line for step in program.steps if isinstance(step, ProgramStep)})
    elif name == "rodeostat":
        assert wire.duration > 0.0
    else:
        main, finished = parse(wire.splitlines())
        assert main
        assert finished or program.steps[0].mode.__class__.__name__ == "Rest"


@pytest.mark.parametrize("name", DRIVERS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=protocols)
def test_what_start_accepts_runs_to_its_end(name, text):
    """On an instrument that can do what the driver says: every program on the way can be told to it, and nothing diverges."""
    driver = DRIVERS[name]
    plan = accepted(text, driver)
    event("refused" if plan is None else "accepted")
    if plan is None:
        return

    def told(program):
        if (
            hasattr(driver, "translate")
            and not {step.mode.__class__.__name__ for step in program.steps if isinstance(step, ProgramStep)} & OTHERS
        ):
            driver.translate("1", program)

    instrument = AnyInstrument(plan, driver.capabilities("1"), told)
    event("to the end" if instrument.run(MOST_ROWS) else "longer than we wait")
    kinds = [one.kind for one in instrument.events]
    assert "diverged" not in kinds
    assert "fault" not in kinds
    assert instrument.finish is None or instrument.finish.reason in {"done", "stopped", "aborted", "tripped"}
