import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.control.dispatch import LARGEST, CheckedOrder, check, obey, parse
from labctl.control.order_table import ORDERS
from labctl.errors import UsageError
from labctl.run.request import OrderReply, StartReply
from labctl.run.supervisor import Supervisor


class Told(Supervisor):
    """A supervisor that remembers what it was told."""

    def __init__(self):
        self.told = []

    async def start(self, request):
        self.told.append(request)
        return StartReply("run-1", request.channel or "A1")

    async def order(self, verb, target, order_id="", by="", text="", run=""):
        self.told.append((verb, target, order_id, by, text))
        return OrderReply(verb, target, "run-1", "paused")

    alarms = ()

    def looks(self):
        return [{"channel": "A1", "activity": "idle"}]

    def why(self, channel):
        return f"{channel} is idle", "labctl start"


@pytest.mark.parametrize(
    ("verb", "request_", "message"),
    [
        ("stopp", {}, r"found 'stopp' \(did you mean stop\?\)"),
        ("stop", {}, "wanted a channel or a run, found neither"),
        ("stop", {"chanel": "A1"}, r"unknown key 'chanel' \(did you mean channel\?\)"),
        ("stop", {"channel": 1}, "channel: wanted a text of 1 to 500 characters on one line, found 1"),
        ("stop", {"channel": ""}, "channel: wanted a text"),
        ("stop", {"channel": "A\n1"}, "on one line"),
        ("stop", {"channel": "A" * 501}, "channel: wanted a text"),
        ("note", {"channel": "A1"}, "wanted text, found channel"),
        ("note", {"channel": "A1", "text": "a\0"}, "text: wanted"),
        ("start", {"channel": "A1"}, "wanted protocol and cell, found channel"),
        (
            "start",
            {"protocol": "p", "cell": "c", "channel": "A1", "values": {"a": 1}},
            "values: wanted an object of texts",
        ),
        ("resume", {}, "wanted a channel or a run, found neither"),
        ("resume", {"run": "x", "step": -1}, "step: wanted a step of the plan"),
        ("resume", {"run": "x", "step": True}, "step: wanted"),
        ("resume", {"run": "x", "step": 1.5}, "step: wanted"),
        ("why", {}, "wanted channel, found nothing"),
        ("status", {"channel": "A1"}, "unknown key 'channel'"),
    ],
)
def test_what_is_refused_and_in_which_words(verb, request_, message):
    with pytest.raises(UsageError, match=message):
        check(verb, request_)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"x" * (LARGEST + 1), "at most 4096 bytes, found 4097"),
        (b"{", "as a JSON object"),
        (b"[]", "found list"),
        (b'{"a": NaN}', "as a JSON object"),
        (b"\xff", "as a JSON object"),
        (b"[" * 4000, "as a JSON object"),
    ],
)
def test_what_is_no_request(payload, message):
    with pytest.raises(UsageError, match=message):
        parse(payload)


def test_an_empty_request_has_no_keys():
    assert parse(b"") == {}


async def test_orders_reach_the_supervisor_whole():
    told = Told()
    for verb in ("stop", "pause", "skip", "confirm", "resume"):
        answer = await obey(told, check(verb, {"channel": "A1", "id": "7", "by": "me"}))
        assert answer == {"verb": verb, "channel": "A1", "run": "run-1", "activity": "paused", "text": ""}
        assert told.told.pop() == (verb, "A1", "7", "me", "")
    await obey(told, check("note", {"run": "r", "text": "two\nlines"}))
    assert told.told.pop() == ("note", "r", "", "", "two\nlines")


async def test_a_start_and_a_new_run_from_a_step():
    told = Told()
    await obey(
        told, check("start", {"protocol": "p", "cell": "c", "channel": "A1", "values": {"first": "1 mA"}, "id": "7"})
    )
    request = told.told.pop()
    assert (request.protocol, request.cell, request.channel, request.values, request.id) == (
        "p",
        "c",
        "A1",
        {"first": "1 mA"},
        "7",
    )
    await obey(told, check("resume", {"run": "r", "step": 0, "channel": "B1"}))
    request = told.told.pop()
    assert (request.resume, request.step, request.channel, request.protocol) == ("r", 0, "B1", "")
    with pytest.raises(UsageError, match="wanted the run to go on from"):
        await obey(told, check("resume", {"channel": "A1", "step": 3}))


async def test_questions_change_nothing():
    told = Told()
    assert await obey(told, CheckedOrder("status")) == {
        "channels": [{"channel": "A1", "activity": "idle"}],
        "alarms": [],
    }
    assert await obey(told, check("why", {"channel": "A1"})) == {
        "channel": "A1",
        "why": "A1 is idle",
        "unblock": "labctl start",
    }
    assert not told.told


def test_only_stop_and_pause_are_safe_from_afar():
    assert [verb for verb, order in ORDERS.items() if order.who == "stop-only"] == ["stop", "pause"]
    assert {verb for verb, order in ORDERS.items() if order.safe_first} == {"stop", "pause"}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
keys = (
    st.sampled_from(["channel", "run", "text", "step", "values", "protocol", "cell", "id", "by", "issued_at"])
    | st.text()
)


@given(st.sampled_from(list(ORDERS)) | st.text(), st.dictionaries(keys, anything))
def test_whatever_is_asked_is_either_checked_or_refused_in_our_words(verb, request_):
    try:
        asked = check(verb, request_)
    except UsageError as error:
        message = str(error)
        assert len(message) < 1000
    else:
        assert asked.verb in ORDERS
        assert set(asked.arguments) <= set(ORDERS[verb].keys)


@given(st.binary(max_size=300) | st.dictionaries(st.text(), anything).map(lambda found: json.dumps(found).encode()))
def test_whatever_bytes_arrive_are_an_object_or_refused(payload):
    with contextlib.suppress(UsageError):
        assert isinstance(parse(payload), dict)
