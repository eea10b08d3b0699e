"""Home Assistant is told of channels in the form that it takes, under fields that are truly published."""

import re

import orjson
import pytest

from labctl.publish.channel_state import ALARMING
from labctl.publish.home_assistant import ALARMED, SENSORS, config, config_topic
from labctl.publish.topic import Topics
from labctl.store import schema

TOPICS = Topics.of_node("bench 1")


@pytest.mark.parametrize("channel", ["A1", "B/2", "ch ä", "x_y"])
def test_a_channel_is_a_device_of_eight_entities_each_with_an_id_of_its_own(channel):
    topic = config_topic("bench 1", channel)
    assert re.fullmatch(r"homeassistant/device/[A-Za-z0-9_-]+/config", topic)
    told = orjson.loads(config(TOPICS, "bench 1", channel, "1.2"))
    assert set(told) == {"dev", "o", "availability", "cmps"}
    assert (told["dev"]["name"], told["o"]["name"]) == (f"bench 1 {channel}", "labctl")
    assert told["availability"][0]["topic"] == TOPICS.state
    parts = told["cmps"]
    assert len(parts) == 8
    assert len({part["unique_id"] for part in parts.values()}) == 8
    for part in parts.values():
        assert part["p"] in {"sensor", "binary_sensor"}
        assert part["state_topic"] in {TOPICS.last(channel), TOPICS.channel_state(channel)}


def test_ids_of_different_channels_differ():
    names = ["A1", "A_1", "A-1", "A 1", "A/1", "_41_1"]
    assert len({config_topic("b", name) for name in names}) == len(names)


def test_the_fields_are_columns_and_the_states_those_that_alarm():
    columns = {*schema.SAMPLE_COLUMNS, "cycle_count"}
    assert {field for _, field, _, _ in SENSORS.values()} <= columns
    assert set(ALARMED) == set(ALARMING)
