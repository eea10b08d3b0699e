import json

from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.publish.board import Board

PREFIX = "labctl/1/bench"


def told(board, topic, **fields):
    return board.take(f"{PREFIX}/{topic}", json.dumps(fields).encode() if fields else b"")


def test_rows_are_made_of_states_and_samples():
    board = Board(PREFIX)
    told(board, "state", state="ready")
    told(board, "ch/B1/state", ch="B1", state="idle")
    told(board, "ch/A1/sample", ch="A1", voltage_volt=3.5, record_index=7)
    told(board, "ch/A1/state", ch="A1", state="running", progress=0.5)
    assert board.node == "ready"
    assert [row["channel"] for row in board.rows] == ["A1", "B1"]
    assert board.rows[0] == {
        "channel": "A1",
        "ch": "A1",
        "activity": "running",
        "state": "running",
        "progress": 0.5,
        "voltage_volt": 3.5,
        "record_index": 7,
    }


def test_a_new_state_replaces_what_the_old_one_said():
    board = Board(PREFIX)
    told(board, "ch/A1/state", ch="A1", state="waiting", why="confirm the bend")
    told(board, "ch/A1/state", ch="A1", state="running")
    assert "why" not in board.rows[0]


def test_a_lost_daemon_makes_lost_channels():
    board = Board(PREFIX)
    told(board, "ch/A1/state", ch="A1", state="running")
    told(board, "state", state="lost")
    assert board.rows[0]["activity"] == "lost"


def test_only_the_channels_that_were_asked_for():
    board = Board(PREFIX, ("A1",))
    assert told(board, "ch/B1/state", ch="B1", state="idle") is None
    assert told(board, "ch/A1/state", ch="A1", state="idle") == {
        "topic": f"{PREFIX}/ch/A1/state",
        "ch": "A1",
        "state": "idle",
    }
    assert board.settled


def test_settled_waits_for_every_channel_of_the_node():
    board = Board(PREFIX)
    told(board, "ch/A1/state", ch="A1", state="done")
    assert not board.settled
    told(board, "info", channels=["A1", "B1"])
    assert not board.settled
    told(board, "ch/B1/state", ch="B1", state="running")
    assert not board.settled
    told(board, "ch/B1/state", ch="B1", state="tripped")
    assert board.settled


def test_alarms_come_and_go():
    board = Board(PREFIX)
    told(board, "alarm/disk", text="1 GiB left")
    assert list(board.alarms.values()) == ["1 GiB left"]
    told(board, "alarm/disk")
    assert not board.alarms


topics = st.sampled_from(["state", "info", "ch/A1/state", "ch/A1/sample", "alarm/x", "run/1/event", "", "x/y/z"])
payloads = st.binary(max_size=50) | st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["ch", "state", "channels", "text"]), inner),
).map(lambda found: json.dumps(found).encode())


@settings(max_examples=50)
@given(st.lists(st.tuples(topics, payloads), max_size=8))
def test_no_message_breaks_the_board(messages):
    board = Board(PREFIX)
    for topic, payload in messages:
        board.take(f"{PREFIX}/{topic}", payload)
    assert board.rows is not None
    assert board.settled in {True, False}
