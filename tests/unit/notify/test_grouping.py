"""Which messages are due: few of many, at once where it matters, at a decent hour where it does not, and the same again in a replay."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.notify import grouping
from labctl.notify.codec import state_from_json, state_to_json
from labctl.notify.grouping import Acknowledged, Happened, NoticeState, Rules, Tick, notice
from labctl.notify.text import body, subject

NOON = 1_700_000_000.0 - 1_700_000_000.0 % 86400 + 12 * 3600
RULES = Rules(zone=UTC)
NIGHT = Rules((22 * 3600.0, 7 * 3600.0), UTC)


class Told:
    """A fold that is driven, and what it said."""

    def __init__(self, rules=RULES, time=NOON):
        self.rules, self.time, self.state, self.messages = rules, time, NoticeState(), []

    def take(self, given_):
        self.state, made = notice(self.rules, self.state, given_)
        self.messages += made
        return made

    def happen(self, subject_, kind, text="", **more):
        return self.take(Happened(self.time, subject_, kind, text, **more))

    def wait(self, seconds, every=1.0):
        made, end = [], self.time + seconds
        while self.time < end:
            self.time = min(end, self.time + every)
            made += self.take(Tick(self.time))
        return made


def test_the_first_page_goes_at_once_and_says_what_why_says():
    one = Told()
    one.happen("A1", "tripped", "voltage 4.31 V > 4.25 V", what="cccv on B12", unblock="labctl why A1")
    (message,) = one.wait(1)
    assert (message.level, message.why) == ("page", "new")
    assert subject(message, "bench") == "[bench] A1 tripped: voltage 4.31 V > 4.25 V"
    text = body(message, "bench", "https://bench:8443", UTC)
    for words in (
        "A1 tripped, cccv on B12",
        "labctl why A1",
        f"labctl ack {message.alarms[0].id}",
        "https://bench:8443/alarms",
    ):
        assert words in text


def test_a_thousand_trips_at_once_are_at_most_three_messages():
    one = Told()
    for number in range(1000):
        one.happen(f"c{number}", "tripped")
        if number % 100 == 0:
            one.wait(0.2, 0.2)
    one.wait(600, 5)
    assert len(one.messages) <= 3
    assert sum(len(message.alarms) for message in one.messages) == 1000
    assert "and " in body(one.messages[-1], "bench")


def test_two_hundred_trips_in_an_hour_are_at_most_twenty_two_messages():
    one = Told()
    for number in range(200):
        one.happen(f"c{number}", "tripped")
        one.wait(18, 3)
    one.wait(700, 10)
    assert len(one.messages) <= 22
    assert len({each.id for message in one.messages for each in message.alarms if message.why == "new"}) == 200


def test_a_second_page_waits_no_longer_than_a_quarter_of_a_minute():
    one = Told()
    one.happen("A1", "tripped")
    one.wait(60)
    one.happen("A2", "tripped")
    made = one.wait(15)
    assert [each.subject for each in made[0].alarms] == ["A2"]


def test_quiet_hours_delay_what_can_wait_and_tell_what_still_holds_in_the_morning():
    one = Told(NIGHT, NOON + 11 * 3600)
    one.happen("A1", "waiting", "put the cell in")
    one.happen("A2", "waiting")
    one.happen("A3", "tripped")
    (page,) = one.wait(60)
    assert [each.subject for each in page.alarms] == ["A3"], "a page wakes"
    one.wait(3600, 60)
    one.happen("A2", "running")
    made = one.wait(8 * 3600, 60)
    (morning,) = [message for message in made if message.level == "notice"]
    assert (morning.why, [each.subject for each in morning.alarms], morning.passed) == ("morning", ["A1"], 1)
    assert grouping.is_quiet(NIGHT, morning.time) is False


def test_what_was_told_is_told_to_be_over_and_what_was_not_is_not():
    one = Told()
    one.happen("A1", "waiting")
    one.wait(11)
    one.happen("A1", "running")
    (over,) = one.wait(20)
    assert [each.subject for each in over.over] == ["A1"]
    one.happen("A2", "waiting")
    one.happen("A2", "running")
    assert one.wait(30) == []


def test_a_page_that_was_over_before_it_could_be_told_is_told():
    one = Told()
    one.happen("A1", "tripped")
    one.happen("A1", "running")
    assert len(one.wait(5)) == 1


def test_what_nobody_acknowledges_goes_further_and_comes_again_and_what_somebody_did_does_not():
    one = Told()
    one.happen("A1", "tripped")
    one.happen("A2", "tripped")
    (first,) = one.wait(1)
    one.take(Acknowledged(one.time, next(each.id for each in first.alarms if each.subject == "A2"), "ada"))
    further = one.wait(grouping.ESCALATE + 5, 5)
    assert [(message.why, [each.subject for each in message.alarms]) for message in further] == [("escalated", ["A1"])]
    again = one.wait(grouping.AGAIN + 60, 60)
    assert [(message.why, [each.subject for each in message.alarms]) for message in again] == [("again", ["A1"])]
    one.take(Acknowledged(one.time, "", "ada"))
    assert one.wait(2 * grouping.AGAIN, 600) == []


def test_what_flaps_is_said_to_flap_and_rests():
    one = Told()
    for _ in range(30):
        one.happen("A1", "tripped")
        one.wait(10, 10)
        one.happen("A1", "running")
        one.wait(10, 10)
    one.wait(1300, 10)
    pages = [message for message in one.messages if message.level == "page"]
    assert sum(len(message.alarms) for message in pages) == grouping.EDGES + 1
    assert "is not told again until it rests" in pages[-1].alarms[-1].text


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3000), st.sampled_from(["A1", "A2", "A3"]), st.sampled_from([*grouping.LEVELS, "running"])
        ),
        max_size=40,
    )
)
def test_a_killed_sender_and_a_replay_say_the_same(steps):
    def messages(*, killed):
        one = Told(NIGHT, NOON + 9 * 3600)
        for wait, subject_, kind in steps:
            one.happen(subject_, kind)
            if killed:
                one.state = state_from_json(state_to_json(one.state))
            one.wait(wait, 500)
        return one.messages

    assert messages(killed=True) == messages(killed=False)


@pytest.mark.parametrize("hostile", ["a\r\nBcc: all@world.example", "\x1b[31mred", "x" * 5000, "\u202eevil"])
def test_a_hostile_name_is_a_text_and_no_header(hostile):
    one = Told()
    one.happen("A1", "tripped", hostile, what=hostile)
    (message,) = one.wait(1)
    line = subject(message, "bench")
    assert line.isprintable()
    assert len(line) <= 150
    assert all(sign.isprintable() or sign == "\n" for sign in body(message, "bench"))


@pytest.mark.parametrize("by", [-3600.0, -86400.0, 3600.0, 86400.0])
def test_clock_changes_delay_no_page_and_tell_nothing_twice(by):
    one = Told()
    for number in range(grouping.BURST):  # the burst's room is used up
        one.happen(f"A{number}", "tripped")
        one.wait(15)
    before = len(one.messages)
    assert before == grouping.BURST
    one.time += by
    one.take(Tick(one.time))
    one.happen("B1", "tripped")
    told = one.wait(grouping.WINDOW + 2 * grouping.TOGETHER, every=5.0)
    assert "B1" in [alarm.subject for message in told if message.why == "new" for alarm in message.alarms]
    new = [alarm.id for message in one.messages if message.why == "new" for alarm in message.alarms]
    assert len(new) == len(set(new)) == grouping.BURST + 1


def test_quiet_hours_are_those_of_the_wall_over_a_change_to_summer_time():
    berlin = ZoneInfo("Europe/Berlin")
    rules = Rules((22 * 3600.0, 7 * 3600.0), berlin)
    change = datetime(2026, 3, 29, 1, 59, tzinfo=berlin).timestamp()
    assert grouping.is_quiet(rules, change)
    end = change + 60 + 4 * 3600  # 02:00 becomes 03:00: seven o'clock comes an hour early
    assert grouping.is_quiet(rules, end - 60)
    assert not grouping.is_quiet(rules, end)
