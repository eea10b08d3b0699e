import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.control.mqtt import AT_ONCE, MqttFace
from labctl.control.signature import signed
from labctl.errors import OrderRefused
from labctl.run.request import OrderReply
from labctl.run.supervisor import Supervisor
from labctl.store.people import People

NOW = 1_700_000_000.0
PREFIX = "labctl/1/bench"


class Told(Supervisor):
    """A supervisor that remembers orders, and refuses those to channel B1."""

    def __init__(self):
        self.told = []

    async def order(self, verb, target, order_id="", by="", text="", run=""):
        if target == "B1":
            raise OrderRefused("B1 is idle: there is nothing to stop")
        if target == "C1":
            raise RuntimeError("a defect")
        self.told.append((verb, target, order_id))
        self.by = by
        return OrderReply(verb, target, "run-1", "paused")


class Face:
    def __init__(self, trust="all", tokens=lambda _: None):
        self.answers = []
        self.supervisor = Told()
        self.face = MqttFace(self.supervisor, trust, PREFIX, self.post, lambda: NOW, tokens)

    def post(self, topic, payload, correlation):
        self.answers.append((topic, json.loads(payload), correlation))

    async def give(self, verb, request, *, retained=False, **more):
        payload = request if isinstance(request, bytes) else json.dumps(request).encode()
        self.face.receive(f"{PREFIX}/cmd/{verb}", payload, retained, **more)
        await self.face.close()

    @property
    def words(self):
        return [answer["answer"] for _, answer, _ in self.answers]


def request(**more):
    return {"channel": "A1", "id": "7", "issued_at": NOW, "reply_to": "me/answers", **more}


async def test_an_order_is_accepted_then_done():
    face = Face()
    await face.give("skip", request())
    assert face.supervisor.told == [("skip", "A1", "7")]
    (first_topic, first, _), (_, second, _) = face.answers
    assert first_topic == "me/answers"
    assert first == {
        "unix_time_second": NOW,
        "time": "2023-11-14T22:13:20.000Z",
        "verb": "skip",
        "id": "7",
        "answer": "accepted",
    }
    assert (second["answer"], second["ok"], second["run"], second["activity"]) == ("done", True, "run-1", "paused")


@pytest.mark.parametrize(
    ("claimed", "kept"), [("ada", "ada/mqtt"), ("ada/web", "ada/web/mqtt"), (None, "somebody/mqtt")]
)
async def test_who_asks_is_what_was_claimed_and_marked_as_that(claimed, kept):
    face = Face()
    await face.give("skip", request(**({} if claimed is None else {"by": claimed})))
    assert face.supervisor.by == kept


async def test_mqtt_5_says_where_to_answer():
    face = Face()
    await face.give("stop", {"channel": "A1"}, reply_to="five/answers", correlation=b"x")
    assert [(topic, correlation) for topic, _, correlation in face.answers] == [("five/answers", b"x")] * 2


async def test_nobody_asked_for_an_answer():
    face = Face()
    await face.give("stop", {"channel": "A1"})
    assert face.supervisor.told
    assert not face.answers


async def test_off_hears_nothing():
    face = Face("off")
    assert face.face.filters == ()
    await face.give("stop", request())
    assert not face.supervisor.told
    assert not face.answers


async def test_stop_only_takes_stop_and_pause():
    face = Face("stop-only")
    assert face.face.filters == (f"{PREFIX}/cmd/+",)
    for verb in ("stop", "pause"):
        await face.give(verb, request())
    assert [verb for verb, _, _ in face.supervisor.told] == ["stop", "pause"]
    await face.give("skip", request())
    assert face.words[-1] == "rejected"
    assert "takes only stop and pause over MQTT, found skip" in face.answers[-1][1]["why"]
    assert len(face.supervisor.told) == 2


async def test_retained_orders_are_ignored_and_logged(caplog):
    face = Face()
    await face.give("stop", request(), retained=True)
    assert not face.supervisor.told
    assert not face.answers
    assert "ignored a retained order on labctl/1/bench/cmd/stop" in caplog.text


@pytest.mark.parametrize(
    ("verb", "more", "message"),
    [
        ("skip", {"issued_at": NOW - 31}, "found one 31 s old"),
        ("stop", {"issued_at": NOW - 31}, "found one 31 s old"),
        ("skip", {"issued_at": NOW + 31}, "31 s in the future"),
        ("skip", {"issued_at": None}, "wanted issued_at"),
        ("skip", {"issued_at": "yesterday"}, "wanted seconds of Unix time or ISO-8601"),
        ("skip", {"issued_at": "2023-11-14T22:13:20"}, "with its zone"),
        ("skip", {"issued_at": True}, "wanted seconds"),
        ("skip", {"expires_at": NOW - 1}, "expired 1 s ago"),
        ("skip", {"id": None}, "wanted an id of its own"),
        ("skip", {"extra": 1}, "unknown key 'extra'"),
        ("skip", {"text": "x" * 5000}, "at most 4096 bytes"),
        ("fly", {}, "found 'fly'"),
        ("stop", {"reply_to": "a/#"}, "in reply_to"),
        ("stop", {"reply_to": f"{PREFIX}/cmd/start"}, "wanted reply_to outside"),
        ("stop", {"reply_to": 7}, "in reply_to"),
    ],
)
async def test_what_is_rejected(verb, more, message, caplog):
    face = Face()
    await face.give(verb, request(**more))
    assert not face.supervisor.told
    assert message in caplog.text
    if "reply_to" not in more and "text" not in more:
        assert face.words == ["rejected"]
        assert message in face.answers[0][1]["why"]


@pytest.mark.parametrize("issued_at", [NOW - 30, NOW + 30, "2023-11-14T22:13:20Z", "2023-11-14T23:13:10+01:00"])
async def test_what_is_in_time(issued_at):
    face = Face()
    await face.give("skip", request(issued_at=issued_at, reply_to=f"{PREFIX}/reply/me"))
    assert face.words == ["accepted", "done"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.yaml", "a/../../x", "C:\\x.yaml", "\\\\host\\x", "a\\..\\..\\x"])
async def test_files_outside_the_daemon_s_folder_are_refused(path):
    face = Face()
    await face.give("start", {**request(), "protocol": "p.yaml", "cell": path})
    assert face.words == ["rejected"]
    assert "wanted a path inside the daemon's folder" in face.answers[0][1]["why"]


async def test_a_refusal_of_the_supervisor_ends_it():
    face = Face()
    await face.give("stop", request(channel="B1"))
    assert face.words == ["accepted", "done"]
    assert face.answers[1][1]["ok"] is False
    assert face.answers[1][1]["why"] == "B1 is idle: there is nothing to stop"


async def test_a_defect_is_not_shown_to_the_world(caplog):
    face = Face()
    await face.give("stop", request(channel="C1"))
    assert face.answers[1][1]["error"] == "InternalError"
    assert "a defect" not in face.answers[1][1]["why"].removeprefix("a defect of labctl")
    assert "RuntimeError: a defect" in caplog.text


async def test_a_flood_is_bounded_but_stop_comes_through():
    face = Face()
    for number in range(200):
        face.face.receive(f"{PREFIX}/cmd/skip", json.dumps(request(id=str(number))).encode(), False)
    face.face.receive(f"{PREFIX}/cmd/stop", json.dumps(request(id="stop")).encode(), False)
    await face.face.close()
    done = [verb for verb, _, _ in face.supervisor.told]
    assert done.count("skip") <= AT_ONCE + 21
    assert done.count("stop") == 1
    assert face.words.count("rejected") == 200 - done.count("skip")


async def test_control_characters_do_not_reach_the_log(caplog):
    face = Face()
    await face.give("fly\x1b[2J", request())
    assert "\x1b" not in caplog.text


noise = st.binary(max_size=200) | st.dictionaries(
    st.sampled_from(["channel", "id", "issued_at", "reply_to", "expires_at", "step", "run", "text"])
    | st.text(max_size=5),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(NOW) | st.just("A1"),
).map(lambda found: json.dumps(found).encode())


@given(
    verb=st.text(max_size=8) | st.sampled_from(["stop", "skip", "start", "resume", "note", "why"]),
    payload=noise,
    reply_to=st.none() | st.text(max_size=8),
)
def test_noise_never_raises_and_never_starts(verb, payload, reply_to):
    async def main():
        face = Face("stop-only")
        await face.give(verb, payload, reply_to=reply_to)
        assert all(order in {"stop", "pause"} for order, _, _ in face.supervisor.told)
        assert all(topic and not topic.startswith(f"{PREFIX}/cmd") for topic, _, _ in face.answers)

    asyncio.run(main())


@pytest.fixture
def people(tmp_path):
    with People(tmp_path, lambda: NOW) as made:
        for name, role, channels in (("ada", "operator", ("A*",)), ("vic", "viewer", ("*",))):
            made.add(name, role, channels)
        yield made


async def test_a_signed_order_is_its_owners_and_held_to_their_role_and_channels(people):
    ada, vic = people.issue("token", "ada", 3600.0), people.issue("token", "vic", 3600.0)
    face = Face("signed", people.token_named)
    await face.give("skip", signed("skip", request(by="somebody else"), ada))
    assert (face.words, face.supervisor.by) == (["accepted", "done"], "ada/mqtt signed")
    for token, verb, channel, words in (
        (vic, "skip", "A1", "vic is a viewer"),
        (ada, "skip", "C1", "ada may give orders to A*"),
    ):
        face = Face("all", people.token_named)
        await face.give(verb, signed(verb, request(channel=channel), token))
        assert (face.words, face.supervisor.told) == (["rejected"], [])
        assert words in face.answers[0][1]["why"]
    face = Face("signed", people.token_named)
    await face.give("stop", signed("stop", request(channel="C9"), vic))
    assert face.words == ["accepted", "done"], "a stop is everybody's who is known"


@pytest.mark.parametrize("key", ["channel", "id", "issued_at", "text", "sig", "key", "verb"])
@pytest.mark.parametrize("value", ["", "A2", NOW + 1, None, "0" * 64])
async def test_nothing_of_a_signed_order_can_be_changed(people, key, value):
    order = signed("skip", request(text="x"), people.issue("token", "ada", 3600.0))
    face = Face("all", people.token_named)
    await face.give("pause" if key == "verb" else "skip", order if key == "verb" else {**order, key: value})
    assert (face.words, face.supervisor.told) == (["rejected"], [])


async def test_where_only_signed_orders_are_taken_no_other_is_and_a_void_token_signs_nothing(people):
    token = people.issue("token", "ada", 3600.0)
    face = Face("signed", people.token_named)
    await face.give("stop", request())
    assert "only signed orders" in face.answers[0][1]["why"]
    people.revoke(token)
    await face.give("stop", signed("stop", request(), token))
    assert "wanted a signature that holds" in face.answers[1][1]["why"]
    assert face.supervisor.told == []
