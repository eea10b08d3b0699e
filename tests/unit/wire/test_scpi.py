import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl_simulators.wire.scpi import Commands, boolean, matches, nodes, resolve, split


@pytest.fixture
def tree():
    commands = Commands()
    heard: list[str] = []
    commands.on(":SOURce:CURRent[:LEVel][:IMMediate][:AMPLitude]", heard.append)
    commands.on(":SOURce:CURRent[:LEVel][:IMMediate][:AMPLitude]?", lambda _: "5E-4")
    commands.on(":SYSTem:ERRor[:NEXT]?", lambda _: "0")
    commands.on("*IDN?", lambda _: "ME")
    commands.on(":OUTPut[:STATe]", lambda text: heard.append(str(boolean(text))))
    return commands, heard


@pytest.mark.parametrize(
    "header",
    [
        ":SOUR:CURR",
        "SOUR:CURR",
        ":source:current",
        ":SOURce1:CURR:LEV",
        ":SOUR:CURR:LEV:IMM:AMPL",
        ":SOUR:CURRENT:IMMEDIATE",
    ],
)
def test_hears_short_long_and_optional_nodes(tree, header):
    commands, heard = tree
    commands.execute(f"{header} 5e-4")
    assert heard == ["5e-4"]


def test_compound_commands_go_on_from_the_last_node(tree):
    commands, heard = tree
    assert commands.execute(":SOUR:CURR 1e-3;CURR?;*IDN?;:SYST:ERR?") == ["5E-4", "ME", "0"]
    assert heard == ["1e-3"]


def test_an_unknown_header_answers_nothing_and_queues_an_error(tree):
    commands, _ = tree
    assert commands.execute(":SOUR:CURRE 1;*IDN?") == ["ME"]
    assert list(commands.errors) == [(-113, "Undefined header")]


def test_a_wrong_parameter_is_an_error_of_its_own(tree):
    commands, heard = tree
    commands.execute("OUTP maybe")
    assert (list(commands.errors), heard) == ([(-224, "Illegal parameter value")], [])


def test_a_separator_in_quotes_separates_nothing():
    assert split(':SENS:FUNC "VOLT;CURR";*CLS', ";") == [':SENS:FUNC "VOLT;CURR"', "*CLS"]
    assert resolve("*RST", ["SOUR"]) == (["*RST"], ["SOUR"])
    assert matches(nodes(":OUTPut[:STATe]"), ["OUTP", "STAT"])


@given(st.text(max_size=60))
def test_no_line_raises(line):
    commands = Commands()
    commands.on(":SOURce:VOLTage", float)
    commands.execute(line)
