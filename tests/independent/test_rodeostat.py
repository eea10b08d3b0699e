"""IO Rodeo's own class against our emulated board."""

import pytest
from potentiostat import Potentiostat

from labctl_simulators.models import load_model
from labctl_simulators.wire.rodeostat import EmulatedRodeostat
from labctl_simulators.wire.terminal import Terminal


def test_io_rodeos_own_class_runs_tests_on_our_board(bench):
    board = EmulatedRodeostat(Terminal(load_model("voc1-atfb")), "10V_microAmpV0.2")
    bench.speed = 20.0
    device = Potentiostat(bench.serial(board), timeout=5.0)
    assert (device.firmware_version, device.get_device_id()) == ("FW0.1.0", 7)
    assert device.set_curr_range("1000uA") == device.get_curr_range() == "1000uA"
    assert device.set_sample_period(100) == 100
    assert "linearSweep" in device.get_test_names()
    given = {"quietValue": 3.82, "quietTime": 0, "value": 3.82, "duration": 4000}
    assert device.set_param("constant", given) == given
    assert device.get_test_done_time("constant") == 4000
    time, voltage, current = device.run_test("constant", display=None)
    assert time == pytest.approx([0.1 * each for each in range(1, 41)])
    assert voltage == [3.82] * 40
    assert current[0] > current[-1] > 0.0  # uA
    assert not any(board.connected.values())
    sweep = {"quietValue": 3.8, "quietTime": 0, "startValue": 3.8, "finalValue": 3.9, "duration": 2000}
    _, voltage, _ = device.run_test("linearSweep", param=sweep, display=None)
    assert voltage == pytest.approx([3.8 + 0.005 * each for each in range(1, 21)])
    with pytest.raises(OSError, match="test not found"):
        device.get_param("sinusoid")
    device.close()
