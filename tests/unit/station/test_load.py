import pytest

from labctl.errors import StationError
from labctl.protocol.template import template
from labctl.station.load import load_station
from labctl.station.settings import Part, roles_of

TEXT = """labctl_station: 1
name: bench-3
clock: scaled 60
instruments:
  sim: {driver: simulated, channels: 8, noise: 0.5, fast: true, serial: "007", list: [1, a]}
  oven: {driver: chamber}
channels:
  S[01-12]: {cell: {instrument: sim}, chamber: {instrument: oven}}
  A1:
    cell: {instrument: sim, at: 20}
    limits: {voltage: [-5 V, 5 V], current: [-10 mA, 10 mA], capacity: 5 mAh}
mqtt: {broker: {host: broker.lab, port: 8883, user: labctl, password_file: pw, tls: true, ca: ca.pem}, commands: stop-only, prefix: lab/}
postgres: {url: postgresql://a@b/c}
http: {socket: labctl.sock}
"""


def test_a_station_is_read_whole():
    station = load_station(TEXT, "lab/station.yaml", {"simulated", "chamber"})
    assert station.instruments["sim"].driver == "simulated"
    assert station.instruments["sim"].options == {
        "channels": 8,
        "noise": 0.5,
        "fast": True,
        "serial": "007",
        "list": (1, "a"),
    }
    assert len(station.channels) == 13
    assert station.channels["S03"].parts["cell"] == Part("sim", "3")
    assert roles_of(station.channels["S03"]) == ("cell", "chamber")
    assert station.channels["A1"].limits.current == pytest.approx((-0.01, 0.01))
    assert station.channels["A1"].limits.charge == pytest.approx(18)
    assert station.mqtt.broker == "address"
    assert (station.mqtt.host, station.mqtt.port, station.mqtt.tls, station.mqtt.prefix) == (
        "broker.lab",
        8883,
        True,
        "lab",
    )
    assert station.postgres == "postgresql://a@b/c"
    assert station.http.socket == "labctl.sock"
    assert station.clock == 60
    assert str(station.beside("data")) == "lab/data"


def test_defaults():
    station = load_station(template("station"), "s.yaml", {"simulated"})
    assert (station.mqtt.broker, station.mqtt.commands, station.clock) == ("embedded", "off", "real")
    assert station.postgres is None
    assert list(station.channels) == ["S1", "S2", "S3", "S4"]


@pytest.mark.parametrize(
    ("text", "broker", "host", "port"),
    [("embedded", "embedded", "", None), ("none", "none", "", None), ("b.lab:1884", "address", "b.lab", 1884)],
)
def test_a_broker_in_one_word(text, broker, host, port):
    station = load_station(f"labctl_station: 1\ninstruments: {{}}\nchannels: {{}}\nmqtt: {text}\n", "s")
    assert (station.mqtt.broker, station.mqtt.host, station.mqtt.port) == (broker, host, port)


def test_an_unknown_driver_lists_those_installed():
    with pytest.raises(StationError, match="installed are keithley_2400, simulated") as found:
        load_station(TEXT, "s.yaml", {"simulated", "keithley_2400"})
    assert [finding.code for finding in found.value.findings] == ["driver.unknown"]


def test_a_tester_that_nobody_can_drive_is_refused_with_the_reason_and_what_reads_it():
    with pytest.raises(StationError, match=r"LAND has no public interface.*no protocol runs.*labctl import --follow"):
        load_station(TEXT.replace("driver: simulated", "driver: land"), "s.yaml", {"simulated", "keithley_2400"})


def test_a_thousand_channels_on_one_line():
    text = "labctl_station: 1\ninstruments: {sim: {driver: simulated}}\nchannels:\n  S[0001-1000]: {cell: {instrument: sim}}\n"
    assert list(load_station(text, "s").channels)[-1] == "S1000"


@pytest.mark.parametrize("role", ["thermometer", "trigger"])
def test_a_role_that_nothing_serves_is_refused_and_says_why(role):
    text = f"labctl_station: 1\ninstruments: {{k: {{driver: k}}}}\nchannels: {{A: {{cell: {{instrument: k, at: 1}}, {role}: {{instrument: k, at: 2}}}}}}\n"
    with pytest.raises(StationError) as caught:
        load_station(text, "station.yaml", {"k"})
    assert role in str(caught.value)
    assert "leave it out" in caught.value.findings[0].hint
