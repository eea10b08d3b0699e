"""The emulators by their names."""

import pytest

from labctl_simulators.emulate import main


@pytest.mark.parametrize(
    ("name", "hint"),
    [("keithley2460", "; did you mean keithley2450?"), ("Neware", "; did you mean neware?"), ("x", "")],
)
def test_an_emulator_that_is_none_is_answered_with_the_nearest(capsys, name, hint):
    assert main([name]) == 2
    said = capsys.readouterr().err
    assert said.startswith("labctl emulate: wanted one of arbin, ")
    assert said.endswith(f"found {name!r}{hint}\n")
