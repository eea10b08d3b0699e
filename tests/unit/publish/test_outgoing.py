import json

import pytest

from labctl.publish.encode import stamped
from labctl.publish.outgoing import LAST_EVERY, MOST_ANSWERS, Outgoing
from labctl.publish.publisher import Message
from labctl.publish.topic import Topics

TOPICS = Topics("labctl/1/bench")


@pytest.fixture
def outgoing():
    return Outgoing(TOPICS, lambda sample: stamped(*sample))


def drain(outgoing, now=0.0):
    found = []
    while (message := outgoing.next(now)) is not None:
        found.append(message)
    return found


def names(messages):
    return [message.topic.removeprefix("labctl/1/bench/") for message in messages]


def test_answers_go_before_what_is_retained_before_states_before_samples(outgoing):
    outgoing.show([("A1", (1.7e9, {"ch": "A1"}))])
    outgoing.state("A1", b"{}")
    outgoing.retain(TOPICS.alarm("x"), b"{}")
    outgoing.post(Message("answers", b"{}", 1))
    found = drain(outgoing)
    assert names(found) == ["answers", "alarm/x", "ch/A1/state", "ch/A1/sample", "ch/A1/last"]
    assert [(message.qos, message.retain) for message in found] == [
        (1, False),
        (1, True),
        (1, True),
        (0, False),
        (0, True),
    ]


def test_what_is_retained_is_sent_again_on_a_new_connection_and_only_then(outgoing):
    outgoing.retain(TOPICS.state, b'{"state": "ready"}')
    outgoing.retain(TOPICS.alarm("x"), b"{}")
    outgoing.retain(TOPICS.alarm("x"), b"")
    outgoing.state("A1", b"{}")
    outgoing.show([("A1", (1.7e9, {"ch": "A1"}))])
    first = drain(outgoing)
    assert drain(outgoing, 100.0) == []
    outgoing.again()
    assert names(drain(outgoing, 100.0)) == ["state", "ch/A1/state", "ch/A1/last"]
    assert first[1].payload == b"", "a cleared alarm is cleared at the broker, once"


def test_the_same_payload_is_not_sent_twice(outgoing):
    for _ in range(3):
        outgoing.retain(TOPICS.info, b"{}")
    assert len(drain(outgoing)) == 1
    outgoing.retain(TOPICS.alarm("never"), b"")
    assert drain(outgoing) == []


def test_only_the_newest_state_counts(outgoing):
    for number in range(100):
        outgoing.state("A1", str(number).encode())
    assert [message.payload for message in drain(outgoing)] == [b"99"]


def test_a_recent_sample_is_retained_once_in_a_while(outgoing):
    found = []
    for tick in range(300):
        outgoing.show([("A1", (1.7e9 + tick / 10, {"record_index": tick}))])
        found += drain(outgoing, tick / 10)
    last = [json.loads(message.payload)["record_index"] for message in found if message.retain]
    assert last == [0, int(10 * LAST_EVERY), int(20 * LAST_EVERY)]
    assert len(found) - len(last) == 30


def test_answers_that_nobody_fetches_do_not_pile_up(outgoing):
    for number in range(MOST_ANSWERS + 5):
        outgoing.post(Message("answers", str(number).encode(), 1))
    found = drain(outgoing)
    assert len(found) == MOST_ANSWERS
    assert found[0].payload == b"5"


@pytest.mark.parametrize(
    ("topic", "left"),
    [
        ("alarm/old", True), ("alarm/mine", False), ("ch/gone/state", True), ("ch/A1/state", False),
        ("ch/gone/sample", False), ("state", False), ("x/y", False),
    ],
)  # fmt: skip
def test_what_an_earlier_life_left_behind(outgoing, topic, left):
    outgoing.retain(TOPICS.alarm("mine"), b"{}")
    outgoing.state("A1", b"{}")
    drain(outgoing)
    assert outgoing.left_behind(f"labctl/1/bench/{topic}") == left
    if topic == "ch/gone/state":
        outgoing.clear(f"labctl/1/bench/{topic}")
        assert names(drain(outgoing)) == ["ch/gone/state", "ch/gone/last"]


def test_due_is_when_something_may_go(outgoing):
    assert outgoing.due() is None
    outgoing.post(Message("answers", b"{}"))
    assert outgoing.due() == float("-inf")
    assert outgoing.urgent
    drain(outgoing)
    outgoing.show([("A1", (1.7e9, {}))])
    drain(outgoing, 5.0)
    outgoing.show([("A1", (1.7e9, {}))])
    assert outgoing.due() == 6.0
    assert not outgoing.urgent
