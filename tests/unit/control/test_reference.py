"""The reference page and the program say the same."""

import re
from pathlib import Path

import pytest

from labctl.control.client import PATIENCE
from labctl.control.dispatch import LARGEST
from labctl.control.door import HEADERS_WITHIN, STRANGERS
from labctl.control.http import BUSY
from labctl.control.mqtt import ENVELOPE, YOUNGEST
from labctl.control.order_table import COMMON, ORDERS
from labctl.publish.channel_state import ALARMING
from labctl.publish.topic import Topics
from labctl.run.orderbook import RECORDED_WITHIN
from labctl.run.queue import AGAIN

HTTP = (Path(__file__).parents[3] / "docs" / "reference" / "http.md").read_text(encoding="utf-8")
PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "mqtt.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", ORDERS)
def test_every_order_is_described_with_its_keys(verb):
    line = next(line for line in PAGE.splitlines() if line.startswith("|") and f"`{verb}`" in line.split("|")[1])
    assert set(re.findall(r"`(\w+)`", line)) >= set(ORDERS[verb].keys)


@pytest.mark.parametrize("verb", ORDERS)
def test_every_order_over_http_is_described_with_its_keys(verb):
    line = next(line for line in HTTP.splitlines() if line.startswith(f"| `{verb}` |"))
    assert set(re.findall(r"`(\w+)`", line.split("|")[2])) == set(ORDERS[verb].keys)


def test_the_bounds_of_http_are_described():
    for words in (f"at most {LARGEST} bytes", f"within {RECORDED_WITHIN:g} s", f"at most {STRANGERS} besides",
                  f"longer than {HEADERS_WITHIN:g} s", f"At most {BUSY} requests"):  # fmt: skip
        assert words in re.sub(r"\s+", " ", HTTP)


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


def test_the_patience_of_the_command_line_is_described():
    page = (Path(__file__).parents[3] / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    words = re.sub(r"\s+", " ", page)
    assert f"A start waits {PATIENCE:g} s for a daemon that is coming up" in words
    assert f"is sent again for {PATIENCE:g} s" in words
    assert f"is tried again every {AGAIN:g} s" in words
