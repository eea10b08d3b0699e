"""The options of a driver against what its constructor declares: each fault at its option, in words of a station file."""

import typing
from importlib.metadata import entry_points

import pytest

from labctl.run.ability import station_findings
from labctl.run.drivers import names
from labctl.station.load import load_station

ANY_NUMBER = {
    "angle",
    "radius",
    "seed",
    "device_type",
    "channels",
    "ranges",
}  # positions, a seed, what a class itself checks
NEWARE = "driver: neware, host: h, folder: ."
METER = "driver: keithley2450, resource: x"
OVEN = "driver: memmert, host: h"


def station_of(options: str, place: str = "", head: str = "clock: real") -> str:
    return f"""labctl_station: 1
{head}
instruments:
  x: {{{options}}}
channels:
  N1: {{cell: {{instrument: x{place}}}}}
"""


def found_in(text: str) -> list[tuple[str, str, str]]:
    """Return each finding's text at its place, message and hint."""
    lines = text.splitlines()
    findings = station_findings(load_station(text, "s.yaml", names()))
    return [(lines[each.mark.line - 1][each.mark.column - 1 :], each.message, each.hint) for each in findings]


@pytest.mark.parametrize(
    ("options", "at", "message", "hint"),
    [
        (f"{NEWARE}, channels: [27-1-1, 27-1-2]", "channels:", "found a list", "write {c1: 27-1-1, c2: 27-1-2}"),
        (f"{NEWARE}, channels: 27-1-1", "channels:", "in braces, found '27-1-1'", "write {c1: 27-1-1, c2: 27-1-2}"),
        (f"{NEWARE}, channels: 27-4-9", "channels:", "in braces, found '27-4-9'", "write {c1: 27-4-9}"),
        (f"{NEWARE}, channels: {{c1: 27-1}}", "c1:", "wanted devid-subdevid-chlid of", "for example {c1: 27-1-1}"),
        (f"{NEWARE}, channels: {{c1: 27}}", "c1:", "wanted c1 of channels as a text, found 27", "for example channels"),
        (f"{NEWARE}, channels: {{c1: 27-1-1, c2: 27-1-01}}", "c2:", "found 27-1-01, which c1 has", "give each name"),
        ("driver: neware, folder: ., channels: {c1: 1-1-1}", "x:", "wanted host of driver neware", "host: Name or"),
        ("driver: grbl, port: x, angle: [0, 90]", "angle:", "found a list", "for example angle: {0: 0, 90: 12.5}"),
        ("driver: grbl, port: x, angle: {flat: 3}", "flat:", "wanted numbers as the keys of angle", "for example"),
        ("driver: grbl, port: x, angle: {0: up}", "0:", "wanted 0 of angle as a number, found 'up'", "for example"),
        (f"{METER}, four_wire: no", "four_wire:", "wanted four_wire as true or false, found 'no'", "write false"),
        (f"{METER}, four_wire: yes", "four_wire:", "found 'yes'", "write true"),
        (f"{METER}, poll: 100 ms", "poll:", "as a number of seconds, found '100 ms'", "write 0.1"),
        (f"{METER}, poll: 0 s", "poll:", "in seconds above 0, found 0", "leave it out for 0.05"),
        (f"{METER}, four_wire: maybe", "four_wire:", "found 'maybe'", "write true or false"),
        (f"{METER}, four_wire: 'false'", "four_wire:", "found 'false'", "write false"),
        (f"{OVEN}, port: 80.0", "port:", "wanted port as a whole number, found 80.0", "write 80"),
        (
            "driver: neware, host: h, folder: ., channels: ''",
            "channels:",
            "found channels: with nothing",
            "channels: Our",
        ),
        (f"{METER}, four_wire: 1", "four_wire:", "found 1", "write true"),
        (f"{METER}, timeout: 5 s", "timeout:", "wanted timeout as a number of seconds, found '5 s'", "write 5"),
        (f"{METER}, timeout: 500 ms", "timeout:", "found '500 ms'", "write 0.5"),
        (f"{METER}, timeout: soon", "timeout:", "found 'soon'", "leave it out for 0.8"),
        (f"{METER}, poll: [1]", "poll:", "found a list", "write 1"),
        (f"{METER}, poll: true", "poll:", "found true", "leave it out for 0.05"),
        (f"{METER}, serial: 4123", "serial:", "found 4123", 'quote it: "4123"'),
        ('driver: keithley2450, resource: ""', "resource:", "found resource: with nothing", "resource: VISA address"),
        ("driver: keithley2450, resource: [a, b]", "resource:", "found a list", "for example resource: TCPIP0::"),
        ("driver: keithley2450, resource: {host: a}", "resource:", "found keys in braces", "for example resource:"),
        ("driver: keithley2450, adress: x", "adress:", "wanted an option of driver keithley2450", "write resource"),
        (f"{METER}, timout: 1", "timout:", "found 'timout'", "write timeout"),
        (f"{METER}, colour: red", "colour:", "found 'colour'", "it has resource, serial"),
        ("driver: memmert, host: [10.0.0.8]", "host:", "wanted host as a text, found a list", "write 10.0.0.8"),
        (f"{OVEN}, port: eighty", "port:", "wanted port as a whole number, found 'eighty'", "leave it out for 80"),
        (f"{OVEN}, port: 87650", "port:", "wanted a TCP port from 0 to 65535, found 87650", "leave it out for 80"),
        (f"{METER}, timeout: -1", "timeout:", "wanted timeout in seconds above 0, found -1", "leave it out for 0.8"),
        (f"{METER}, timeout: 0.0", "timeout:", "wanted timeout in seconds above 0, found 0.0", "leave it out for 0.8"),
        (f"{METER}, poll: 0", "poll:", "wanted poll in seconds above 0, found 0", "leave it out for 0.05"),
        (f"{NEWARE}, channels: {{c1: 27-1-1}}, port: -1", "port:", "wanted a TCP port from 0 to 65535", "for 502"),
        (f"{NEWARE}, channels: {{c1: 27-1-1}}, most_current: -6", "most_current:", "in A above 0, found -6", "for 6.0"),
        ("driver: simulated, voltage_noise: -1.0", "voltage_noise:", "of 0 or more, found -1.0", "leave it out"),
        ("driver: espec, port: x, address: -1", "address:", "wanted address of 0 or more, found -1", ""),
        (
            "driver: keithley2450, resource: 10.0.0.7",
            "resource:",
            "as a VISA resource, found '10.0.0.7'",
            '"TCPIP0::10.0.0.7::',
        ),
        ("driver: palmsens, port: 5", "port:", "wanted port as a text, found 5", "for example port: /dev/ttyACM0"),
        ("driver: espec, port: 10001", "port:", "found 10001", "for example port: socket://10.0.0.7:10001"),
    ],
)
def test_an_option_of_another_kind_is_refused_at_its_own_place(options, at, message, hint):
    ((place, said, advice),) = found_in(station_of(options))
    assert place.startswith(at)
    assert message in said
    assert hint in advice
    assert said.endswith("in the instrument x")


@pytest.mark.parametrize(
    "options",
    [
        f"{NEWARE}, channels: {{'': 27-1-1}}, device_type: 24, poll: 5",
        "driver: grbl, port: x, angle: {0: 0, 90: 12.5}, radius: {50: 0}",
        f"{METER}, four_wire: false, timeout: 1, serial: '0412'",
        "driver: espec, port: x, address: 1",
        "driver: simulated, thermometer: false, seed: 3, voltage_noise: 1e-6",
    ],
)
def test_options_of_the_declared_kinds_are_taken(options):
    assert found_in(station_of(options)) == []


def test_every_fault_of_an_instrument_is_told():
    assert len(found_in(station_of(f"{METER}, four_wire: no, timeout: 5 s, colour: red"))) == 3


def test_every_number_of_every_driver_has_a_range():
    """One without is handed to the instrument as it stands in the file, whatever it is."""
    bare = [
        f"{entry.name}.{name}"
        for entry in entry_points(group="labctl.drivers")
        for name, declared in typing.get_type_hints(entry.load().__init__, include_extras=True).items()
        if {int, float} & {declared, *typing.get_args(declared)}
        and typing.get_origin(declared) is not typing.Annotated
        and name not in ANY_NUMBER
    ]
    assert bare == []
