"""How long the room on the disk lasts."""

import pytest

from labctl.store.disk_room import SHORTEST, WARN_BELOW, Room, RoomWatch, size

GB = 10**9
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def watched(*looks: tuple[float, float]) -> Room:
    watch, room = RoomWatch(), Room(0)
    for now, free in looks:
        room = watch.look(now, int(free))
    return room


def test_a_disk_that_fills_steadily_is_told_days_before() -> None:
    room = watched(*((minute * MINUTE, 30 * GB - minute * MINUTE * 5 * GB / DAY) for minute in range(120)))
    assert room.seconds == pytest.approx(29.587 * DAY / 5, rel=1e-3)
    assert room.short
    assert str(room) == "29.6 GB are free and become less by 5 GB a day: the disk is full in 5.9 days"


def test_a_disk_with_room_for_weeks_is_not_told() -> None:
    room = watched(*((minute * MINUTE, 300 * GB - minute * MINUTE * 5 * GB / DAY) for minute in range(120)))
    assert not room.short


def test_little_room_is_told_whatever_the_rate() -> None:
    assert Room(WARN_BELOW - 1).short
    assert not Room(WARN_BELOW).short
    assert str(Room(6_030_000)) == "6.03 MB are free"


def test_what_was_written_at_once_is_no_rate() -> None:
    """A copy of 20 GB an hour ago: the room fell, and stands still since."""
    looks = [(minute * MINUTE, (50 if minute < 10 else 30) * GB) for minute in range(120)]
    assert watched(*looks).rate == 0
    assert watched(*looks).seconds == float("inf")


def test_no_rate_is_believed_at_first_and_only_that_of_the_last_hours() -> None:
    assert watched((0.0, 50 * GB), (SHORTEST - 1, 10 * GB)).rate == 0
    falls_then_stands = [(minute * MINUTE, max(40, 50 - minute / 60) * GB) for minute in range(20 * 60)]
    assert watched(*falls_then_stands).rate == 0


@pytest.mark.parametrize(("seconds", "words"), [(3 * DAY, "3.0 days"), (5 * HOUR, "5.0 hours"), (90.0, "2 minutes")])
def test_how_long_it_lasts_is_said_in_words(seconds: float, words: str) -> None:
    assert str(Room(10**9, 1e9 / seconds)).endswith(f"the disk is full in {words}")


def test_sizes_are_read_by_people() -> None:
    assert [size(count) for count in (0, 999, 4096, 6.03e6, 1e12, 2.5e13)] == [
        "0 bytes", "999 bytes", "4.1 kB", "6.03 MB", "1 TB", "25 TB",
    ]  # fmt: skip
