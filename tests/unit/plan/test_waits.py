"""A wait until a date: its zone, what it is in a plan, and at what run time it ends."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from labctl.errors import Misread
from labctl.plan.estimate import estimate
from labctl.plan.index import walk
from labctl.plan.outside import Outside, moment_of, utc
from labctl.plan.waits import begun_at, dates

MOMENT = dt.datetime(2026, 12, 1, 8, tzinfo=dt.UTC).timestamp()


def berlin(moment):
    here = dt.datetime.fromtimestamp(moment, dt.UTC).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    return here.utcoffset().total_seconds(), here.tzname()


@pytest.mark.parametrize(
    ("text", "ahead", "shown"),
    [
        ("2026-12-01 08:00", 3600.0, "2026-12-01 08:00 CET (UTC+01:00)"),
        ("2026-07-01 08:00:30", 7200.0, "2026-07-01 08:00:30 CEST (UTC+02:00)"),
        ("2026-12-01T08:00Z", 0.0, "2026-12-01 08:00 UTC"),
        ("2026-12-01 08:00 UTC", 0.0, "2026-12-01 08:00 UTC"),
        ("2026-12-01 08:00 -05:30", -19800.0, "2026-12-01 08:00 UTC-05:30"),
    ],
)
def test_a_date_has_the_zone_it_says_or_that_of_the_computer(text, ahead, shown):
    moment, words = moment_of(text, berlin)
    clock = dt.datetime.fromisoformat(shown[: 19 if ":30 C" in shown else 16]).replace(tzinfo=dt.UTC).timestamp()
    assert (moment, words) == (clock - ahead, shown)


@pytest.mark.parametrize(
    "text", ["tomorrow", "2026-13-01 08:00", "2026-02-29 08:00", "2026-12-01", "08:00", "2026-12-01 25:00"]
)
def test_what_is_no_date_is_refused(text):
    with pytest.raises(Misread):
        moment_of(text, utc)


def test_every_day_of_some_centuries_is_the_one_of_the_calendar():
    day = dt.date(1970, 1, 1)
    for number in range(0, 84000, 13):
        date = day + dt.timedelta(days=number)
        assert moment_of(f"{date} 00:00 UTC", utc)[0] == number * 86400.0


def test_a_plan_waits_until_the_date_whenever_its_run_begins(plan):
    made = plan("- wait: {until: 2026-12-01 08:00 UTC}\n- rest: 1 h", outside=Outside(begins=MOMENT - 7200.0))
    first = next(line for _, line in walk(made.root))
    assert first.ends[0].condition.any_of[0][0].value == 7200.0
    assert estimate(made).duration == (10800.0, 10800.0)
    later = begun_at(made, MOMENT - 60.0)
    assert next(line for _, line in walk(later.root)).ends[0].condition.any_of[0][0].value == 60.0
    assert begun_at(made, MOMENT + 60.0).root.children[0].ends[0].condition.any_of[0][0].value == 0.0
    assert list(dates(made)) == ["2026-12-01 08:00 UTC"]


def test_the_time_before_a_wait_is_part_of_it(plan):
    made = plan("- rest: 1 h\n- wait: {until: 2026-12-01 08:00 UTC}", outside=Outside(begins=MOMENT - 7200.0))
    assert estimate(made).duration[0] == 7200.0


def test_a_date_that_is_over_is_a_warning(plan):
    from labctl.plan.compile import compiled_for  # noqa: PLC0415
    from labctl.protocol.load import load  # noqa: PLC0415
    from tests.unit.plan.conftest import FULL  # noqa: PLC0415

    loaded = load("labctl: 1\nsteps:\n  - wait: {until: 2026-12-01 08:00 UTC}\n", "p.yaml")
    found = compiled_for(loaded, FULL, {}, outside=Outside(begins=MOMENT + 1.0))
    assert [finding.code for finding in found.findings] == ["wait.over"]


def test_a_date_may_be_a_parameter(plan):
    made = plan("- wait: {until: $when}", head="params: {when: 2026-12-01 08:00 UTC}\n", outside=Outside(begins=MOMENT))
    assert list(dates(made)) == ["2026-12-01 08:00 UTC"]
