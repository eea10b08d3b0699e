"""Figures for Prometheus: its text format, bounded by the channels, whatever they are called."""

import re
from types import SimpleNamespace

from prometheus_client.parser import text_string_to_metric_families

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


def test_prometheus_own_reader_reads_the_same():
    rows = {
        'a"b\\c\n': {"activity": "running", "voltage_volt": 3.7, "current_ampere": -1e-9, "measured": 1795966004.25},
        "ch ä": {"activity": "idle", "cycle_count": 0},
    }
    families = {family.name: family for family in text_string_to_metric_families("\n".join(lines(hub(**rows))) + "\n")}
    assert {family.type for family in families.values()} == {"gauge"}
    assert all(family.documentation for family in families.values())
    told = {
        (each.name, each.labels.get("channel")): each.value for family in families.values() for each in family.samples
    }
    assert told["labctl_channel_voltage_volts", 'a"b\\c\n'] == 3.7
    assert told["labctl_channel_current_amperes", 'a"b\\c\n'] == -1e-9
    assert told["labctl_channel_measured_timestamp_seconds", 'a"b\\c\n'] == 1795966004.25
    assert told["labctl_channel_cycle", "ch ä"] == 0
    states = {each.labels["channel"]: each.labels["state"] for each in families["labctl_channel_state"].samples}
    assert states == {'a"b\\c\n': "running", "ch ä": "idle"}
