"""The reference page and the program say the same."""

import re
from pathlib import Path

import pytest

from labctl.control.mqtt import ENVELOPE, YOUNGEST
from labctl.control.orders import COMMON, LARGEST, ORDERS
from labctl.publish.mqtt import ALARMING
from labctl.publish.topic import Topics

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "mqtt.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", ORDERS)
def test_every_order_is_described_with_its_keys(verb):
    line = next(line for line in PAGE.splitlines() if line.startswith("|") and f"`{verb}`" in line.split("|")[1])
    assert set(re.findall(r"`(\w+)`", line)) >= set(ORDERS[verb].keys)


def test_the_envelope_and_its_bounds_are_described():
    for key in (*COMMON, *ENVELOPE):
        assert f"| `{key}` |" in PAGE
    assert f"at most {LARGEST} bytes" in PAGE
    assert f"older than {YOUNGEST:g} s" in PAGE


def test_the_topics_are_described():
    tree = Topics("p")
    topics = [tree.state, tree.info, tree.channel_state("<ch>"), tree.last("<ch>"), tree.sample("<ch>"), tree.event("<run>"),
              tree.cycle("<run>"), tree.result("<run>", "<name>"), tree.alarm("<id>"), tree.command("<verb>")]  # fmt: skip
    for topic in topics:
        name = topic.removeprefix("p/").replace("%3C", "<").replace("%3E", ">")
        assert f"| `{name}` |" in PAGE


def test_the_states_that_raise_an_alarm_are_described():
    sentence = next(line for line in PAGE.split("\n\n") if "raises the alarm" in line)
    assert set(ALARMING) <= set(re.findall(r"`(\w+)`", sentence))
