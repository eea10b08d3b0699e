"""What a station asks of its instruments together: a line for each, an output for each channel, and the time they go by."""

import pytest

from labctl.run.ability import station_findings
from labctl.run.drivers import names
from labctl.station.load import load_station

CELLS = "channels:\n  A1: {cell: {instrument: one}}\n  A2: {cell: {instrument: two}}\n"
NEWARE = "driver: neware, host: h, folder: ., channels: {c1: 27-1-1, c2: 27-1-2, c3: 27-1-3}"


def findings_of(one: str, two: str, channels: str = CELLS, clock: str = "real"):
    instruments = f"instruments:\n  one: {{{one}}}\n  two: {{{two}}}\n"
    text = f"labctl_station: 1\nclock: {clock}\n{instruments}{channels}"
    return station_findings(load_station(text, "s.yaml", names()))


def meter(resource: str) -> str:
    return f"driver: keithley2450, resource: '{resource}'"


@pytest.mark.parametrize(
    ("one", "two", "option"),
    [
        (meter("TCPIP0::h::5025::SOCKET"), meter("tcpip::H::5025::socket"), "resource"),
        (meter("GPIB0::5::INSTR"), meter("gpib0::5::instr"), "resource"),
        (meter("TCPIP0::h::5025::SOCKET"), "driver: espec, port: 'socket://h:5025'", "port"),
        (meter("TCPIP0::localhost::5025::SOCKET"), meter("TCPIP0::127.0.0.1::5025::SOCKET"), "resource"),
        ("driver: practice, port: 5, host: localhost", "driver: practice, port: 5", "port"),
        (meter("ASRL/dev/ttyX0::INSTR"), "driver: palmsens, port: /dev/ttyX0", "port"),
        ("driver: memmert, host: h", "driver: memmert, host: h, port: 80", "host"),
        ("driver: practice, port: 5", "driver: practice, port: 5", "port"),
    ],
)
def test_two_instruments_on_one_line_are_refused_at_the_address(one, two, option):
    (found,) = findings_of(one, two)
    assert (found.code, found.mark.line) == ("instrument.shared", 5)
    assert "which one has" in found.message
    assert found.mark.column == f"  two: {{{two}}}".index(f" {option}:") + 2


def test_two_names_of_one_device_are_one_line(tmp_path):
    device, link = tmp_path / "ttyX0", tmp_path / "by-id"
    device.touch()
    link.symlink_to(device)
    (found,) = findings_of(f"driver: palmsens, port: {device}", f"driver: palmsens, port: {link}")
    assert found.code == "instrument.shared"


def test_other_lines_and_simulated_cells_are_nobodys():
    assert findings_of(meter("TCPIP0::h::5025::SOCKET"), meter("TCPIP0::h::5026::SOCKET")) == ()
    assert findings_of("driver: practice, port: 5", "driver: practice, port: 6") == ()
    assert findings_of("driver: simulated", "driver: simulated") == ()


def test_an_only_output_is_the_same_whether_it_is_named_or_not():
    cells = "channels:\n  A1: {cell: {instrument: one}}\n  A2: {cell: {instrument: one, at: 1}}\n"
    (found,) = findings_of(meter("x"), meter("y"), cells)
    assert (found.code, found.mark.line) == ("channel.shared", 8)


def test_the_channel_that_is_offered_is_a_free_one():
    cells = "channels:\n  A1: {cell: {instrument: one, at: c1}}\n  A2: {cell: {instrument: one, at: c9}}\n"
    (found,) = findings_of(NEWARE, meter("y"), cells)
    assert (found.code, found.hint) == ("channel.place", "for example cell: {instrument: one, at: c2}")
    cells += "  A3: {cell: {instrument: one, at: c2}}\n  A4: {cell: {instrument: one, at: c3}}\n"
    (found,) = findings_of(NEWARE, meter("y"), cells)
    assert "every channel of one is taken" in found.hint


def test_a_clock_that_is_not_real_is_warned_of_beside_real_instruments():
    (found,) = findings_of("driver: simulated", meter("y"), clock="fast")
    assert (found.code, found.severity, found.mark.line) == ("clock.real", "warning", 2)
    assert findings_of("driver: simulated", "driver: simulated", clock="60") == ()
