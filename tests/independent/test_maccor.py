"""pymacnet, which talks to real Maccor testers, against our emulated one; our driver against pymacnet's server."""

import socket

import pytest
from pymacnet import ChannelInterface
from pymacnet.maccorspoofer import MaccorSpoofer

from labctl_drivers.maccor import Maccor
from labctl_simulators.models import load_model
from labctl_simulators.wire.maccor import EmulatedMaccor, MaccorChannel
from labctl_simulators.wire.terminal import Terminal

CONFIG = {
    "server_ip": "127.0.0.1", "msg_buffer_size_bytes": 4096, "channel": 1, "test_name": "", "test_procedure": "one",
    "c_rate_ah": 1, "v_max_safety_limit_v": 4.25, "v_min_safety_limit_v": 2.5, "i_max_safety_limit_a": 1.0,
    "i_min_safety_limit_a": 1.0, "power_safety_limit_chg_w": 10, "power_safety_limit_dsg_w": 10, "v_max_v": 4.2,
    "v_min_v": 2.7, "data_record_time_s": 1.0, "data_record_voltage_delta_vbys": 0.0,
    "data_record_current_delta_abys": 0.0,
}  # fmt: skip


class Echo:
    """MacNet's binary port as far as pymacnet connects to it."""

    def greeting(self) -> bytes:
        return b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        return [data]


@pytest.fixture
def tester(bench):
    cells = [MaccorChannel(Terminal(load_model("marquis2019"))) for _ in range(2)]
    ports = {"json_msg_port": bench.socket(EmulatedMaccor(cells)), "bin_msg_port": bench.socket(Echo())}
    return {**CONFIG, **ports}, cells


def test_their_client_drives_a_cell_behind_our_tester(tester, bench):
    config, cells = tester
    client = ChannelInterface(config)
    assert client.get_num_channels() == 2
    assert client.read_channel_status()["Stat"] == 0
    assert client.start_test_with_direct_control()
    bench.began -= 1.0
    assert client.set_direct_mode_output(0.1, 4.2)
    bench.began -= 60.0
    status = client.read_channel_status()
    assert (status["Chan"], status["Stat"], status["RF1"]) == (1, 2, 1)
    assert status["Current"] == pytest.approx(0.1, rel=1e-6)
    assert status["Voltage"] == pytest.approx(cells[0].terminal.read(bench.clock())[0], abs=1e-3)
    bench.began -= 1.0
    assert client.set_direct_mode_output(-0.05)
    bench.began -= 1.0
    assert client.read_channel_status()["RF1"] == 2
    assert cells[0].terminal.read(bench.clock())[1] == pytest.approx(-0.05)
    assert client.reset_channel()
    assert client.read_channel_status()["Stat"] == 0
    assert cells[0].terminal.read(bench.clock())[1] == 0.0


def test_their_client_starts_a_procedure_once(tester):
    config, _ = tester
    client = ChannelInterface(config)
    assert client.start_test_with_procedure()
    assert not client.start_test_with_procedure()
    assert client.read_aux() == pytest.approx([25.0], abs=2.0)


async def test_our_driver_reads_their_server(tmp_path, listening):
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    theirs = MaccorSpoofer({"server_ip": "127.0.0.1", "json_port": ports[0], "tcp_port": ports[1], "num_channels": 8})
    theirs.start()
    listening(ports[0])
    theirs.update_channel_status(2, {"Voltage": 3.7, "Current": 0.2, "RF1": 2, "Stat": 2})
    driver = Maccor(host="127.0.0.1", port=ports[0], channels={"a": 3, "b": 4}, folder=str(tmp_path), timeout=10.0)
    try:
        identity = await driver.open()
        assert (identity.make, identity.firmware) == ("Maccor", "3.2.18")
        assert (await driver.status("a")).activity == "unknown"
        assert (await driver.status("b")).activity == "idle"
        readings = await driver.read(["a", "b"])
        assert readings.snapshot.voltage[0] == pytest.approx(3.7)
        assert readings.snapshot.current[0] == pytest.approx(-0.2)
    finally:
        await driver.close()
        theirs.stop()
