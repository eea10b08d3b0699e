import io

import pytest
from rich.console import Console

from labctl.cli.terminal.channel_table import table
from labctl.cli.terminal.console_text import because, chosen, plain, started, time_left, told
from labctl.errors import UsageError
from labctl.inputs import assignments

ROW = {"channel": "A1", "activity": "running", "protocol": "CCD", "cell": "Li-1", "cycle_count": 3, "step_id": 4, "step_type": "plate",
       "step_name": "slow", "voltage_volt": 0.0123, "current_ampere": 1e-4, "charging_capacity_ah": 4.1e-4, "discharging_capacity_ah": 0.0,
       "progress": 0.5, "remaining_second": 3723.4, "why": "", "unblock": ""}  # fmt: skip


def drawn(rows, width):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table(rows, "labctl/1/bench  ready", width))
    return console.file.getvalue()


def test_a_row_tells_all_where_there_is_room():
    text = drawn([ROW], 200)
    for word in (
        "labctl/1/bench",
        "A1",
        "running",
        "CCD",
        "Li-1",
        "3",
        "4 plate slow",
        "12.3 mV",
        "100 uA",
        "410 uAh",
        "1 h 2 min",
    ):
        assert word in text


def test_a_narrow_terminal_keeps_what_matters():
    text = drawn([ROW], 90)
    for word in ("A1", "running", "12.3 mV", "100 uA", "1 h 2 min"):
        assert word in text
    assert "CCD" not in text


def test_an_idle_channel_is_a_row_without_values():
    assert "idle" in drawn([{"channel": "B1", "activity": "idle"}], 200)


@pytest.mark.parametrize("nasty", ["[red]x[/red]", "\x1b[2J", "a\nb", "\u202e"])
def test_names_are_shown_as_they_are(nasty):
    text = drawn([{**ROW, "protocol": nasty}], 250)
    assert "\x1b" not in text
    assert nasty in text or repr(nasty)[1:-1] in text
    assert "\n" not in plain(nasty)


@pytest.mark.parametrize(
    ("left", "shown"),
    [(None, ""), (-1.0, ""), (30.2, "30 s"), (3723.4, "1 h 2 min"), (90000, "1 d 1 h"), (float("nan"), "")],
)
def test_time_left(left, shown):
    assert time_left({"remaining_second": left}) == shown


def test_parameters_are_given_as_name_and_value():
    assert assignments(["first=0.1 mA/cm2", " a = b=c "]) == {"first": "0.1 mA/cm2", "a": "b=c"}


@pytest.mark.parametrize("texts", [["first"], ["=1"], ["first="], ["a=1", "a=2"]])
def test_parameters_that_are_none(texts):
    with pytest.raises(UsageError, match="wanted NAME=VALUE once"):
        assignments(texts)


def test_channels_are_chosen_by_name():
    rows = [{"channel": "A1"}, {"channel": "B1"}]
    assert chosen(rows, []) == rows
    assert chosen(rows, ["B1"]) == [{"channel": "B1"}]
    with pytest.raises(UsageError, match="found 'C1'; there are A1, B1"):
        chosen(rows, ["C1"])


def test_why_is_one_line():
    assert because({"channel": "A1", "why": "waits", "unblock": "labctl confirm A1"}) == "A1: waits; labctl confirm A1"
    assert because({"channel": "A1", "why": "", "unblock": ""}) == "A1: waits for nothing"


def test_answers_are_sentences_or_json(capsys):
    told({"channel": "A1", "activity": "paused", "run": "r"}, json=False)
    told({"channel": "A1"}, json=True)
    started(
        {"channel": "A1", "run": "r", "name": "CCD", "duration_second": 7200.0, "warnings": "first\nsecond"}, json=False
    )
    assert capsys.readouterr().out.splitlines() == [
        "A1: paused (run r)", '{"channel":"A1"}', "A1: started CCD, run r", "takes about 2 h; follow it with: labctl watch A1",
        "warning: first", "warning: second",
    ]  # fmt: skip


def test_eighty_columns_keep_every_value_whole():
    text = drawn([{**ROW, "remaining_second": 86000.0}, {"channel": "B1", "activity": "waiting", "why": "x " * 60}], 80)
    assert "23 h 53 min" in text
    assert "4 plate" in text
    assert len(text.splitlines()) < 8  # a line a channel
