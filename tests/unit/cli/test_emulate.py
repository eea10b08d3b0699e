"""The emulators by their names."""

from argparse import Namespace

import pytest

from labctl_simulators.emulate import main
from labctl_simulators.models import load_model
from labctl_simulators.wire import keithley2400, keithley2450, keithley2600


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("keithley2460", "; did you mean keithley2450?"),
        ("keithley240", "; did you mean keithley2400?"),
        ("Neware", "; did you mean neware?"),
        ("x", ""),
    ],
)
def test_an_emulator_that_is_none_is_answered_with_the_nearest(capsys, name, hint):
    assert main([name]) == 2
    said = capsys.readouterr().err
    assert said.startswith("labctl emulate: wanted one of arbin, ")
    assert said.endswith(f"found {name!r}{hint}\n")


@pytest.mark.parametrize("kind", [keithley2400, keithley2450, keithley2600])
def test_a_cell_keeps_its_charge_until_its_source_meter_is_opened(kind):
    """A meter is a short circuit when it is switched on; the emulated one was opened before its cell was connected."""
    cell = load_model("marquis2019")
    device = kind.made(Namespace(cell=cell, state=cell.initial(), air=None))
    for unit in getattr(device, "units", {"": device}).values():
        assert unit.terminal.read(3600.0)[1] == 0.0
