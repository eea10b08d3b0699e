"""pycti-arbin, which talks to real Arbin cyclers, against our emulated one; our driver against pycti-arbin's server."""

import socket

import pytest
from pyctiarbin import ChannelInterface
from pyctiarbin.arbinspoofer.arbin_spoofer import ArbinSpoofer

from labctl_drivers.arbin import Arbin
from labctl_simulators.models import load_model
from labctl_simulators.wire.arbin import FINISHED, SCHEDULE, ArbinChannel, EmulatedArbin
from labctl_simulators.wire.terminal import Terminal


@pytest.fixture
def client(bench, tmp_path):
    cells = [ArbinChannel(Terminal(load_model("marquis2019"))) for _ in range(2)]
    (tmp_path / "env").write_text("ARBIN_CTI_USERNAME=admin\nARBIN_CTI_PASSWORD=000000\n")
    config = {
        "channel": 1, "test_name": "theirs", "schedule_name": SCHEDULE, "ip_address": "127.0.0.1",
        "port": bench.socket(EmulatedArbin(cells)),
    }  # fmt: skip
    return ChannelInterface(config, str(tmp_path / "env")), cells[0]


def test_their_client_runs_our_schedule_on_a_cell_behind_our_cycler(client, bench):
    theirs, cell = client
    assert theirs.get_num_channels() == 2
    assert theirs.read_channel_status()["status"] == "Idle"
    assert theirs.start_test()
    assert theirs.set_meta_variable(5, 1e6)
    for number, value in ((3, 4.2), (2, 0.1), (1, 1.0)):
        assert theirs.set_meta_variable(number, value)
    bench.began -= 60.0
    told = theirs.read_channel_status()
    assert (told["status"], told["testname"], told["schedule"]) == ("Charge", "theirs", SCHEDULE)
    assert told["current_a"] == pytest.approx(0.1, rel=1e-6)
    assert told["voltage_v"] == pytest.approx(cell.cell.read(bench.clock())[0], abs=1e-3)
    assert told["test_time_s"] >= 60.0
    assert not theirs.start_test()
    assert theirs.stop_test()
    assert theirs.read_channel_status()["status"] == "Idle"
    assert cell.cell.read(bench.clock())[1] == 0.0


def test_their_client_sees_a_schedule_end_whose_time_ran_out(client, bench):
    theirs, cell = client
    assert theirs.start_test()
    bench.began -= 1e4
    assert theirs.read_channel_status()["status"] == "Finished"
    assert cell.status == FINISHED


async def test_our_driver_reads_their_server(listening):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ArbinSpoofer({"ip": "127.0.0.1", "port": port, "num_channels": 4})
    server.start()
    listening(port)
    server.update_channel_status(2, {"voltage_v": 3.7, "current_a": 0.2, "status": 3, "testname": "theirs"})
    driver = Arbin(host="127.0.0.1", port=port, channels={"a": 3, "b": 4}, user="u", password="p", timeout=10.0)
    try:
        assert (await driver.open()).make == "Arbin"
        assert (await driver.status("a")).text == "discharge: theirs"
        readings = await driver.read(["a", "b"])
        assert readings.snapshot.voltage[0] == pytest.approx(3.7)
        assert readings.snapshot.current[0] == pytest.approx(-0.2)
    finally:
        await driver.close()
        server.stop()
