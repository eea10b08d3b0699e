"""Figures for Prometheus: its text format, bounded by the channels, whatever they are called."""

import re
from types import SimpleNamespace

from labctl.web.metrics import lines


def hub(**channels):
    return SimpleNamespace(
        station=SimpleNamespace(lost_since=None, alarms=[{"severity": "warning"}]), channels=channels
    )


def test_every_line_is_one_of_the_format():
    rows = {'a"b\\c\n': {"activity": "running", "voltage_volt": 3.7, "measured": 1e9}, "A2": {"activity": "idle"}}
    answer = list(lines(hub(**rows)))
    line = r'(# (HELP|TYPE) \w+ .+)|(\w+(\{\w+="(\\.|[^"\\\n])*"(,\w+="(\\.|[^"\\\n])*")*\})? [-+.\deinfa]+)'
    assert all(re.fullmatch(line, each) for each in answer), answer
    assert "labctl_up 1" in answer
    assert 'labctl_channel_voltage_volts{channel="a\\"b\\\\c\\n"} 3.7' in answer
    assert sum(each.startswith("# TYPE labctl_channel_state") for each in answer) == 1
