from collections import Counter

import pytest

from labctl.publish.rate_limit import Ration


def take_all(ration, now):
    while (found := ration.take(now)) is not None:
        yield found


def test_the_newest_value_is_published():
    ration = Ration(each=1, together=200)
    ration.offer("a", 1)
    ration.offer("a", 2)
    assert ration.take(0.0) == ("a", 2)
    assert ration.take(0.0) is None


def test_a_channel_is_seen_once_a_second():
    ration = Ration(each=1, together=200)
    seen = []
    for tick in range(50):
        ration.offer("a", tick)
        seen += [tick for _ in take_all(ration, tick / 10)]
    assert seen == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("channels", [100, 1000])
def test_all_together_stay_below_the_bound_and_take_turns(channels):
    ration = Ration(each=1, together=200)
    seen = Counter()
    for tick in range(1000):  # 100 s
        for channel in range(channels):
            ration.offer(str(channel), tick)
        for channel, _ in take_all(ration, tick / 10):
            seen[channel] += 1
    assert seen.total() <= 100 * 200 + 20
    assert seen.total() >= 0.99 * min(100 * 200, 100 * channels)
    assert len(seen) == channels
    assert max(seen.values()) - min(seen.values()) <= 2


def test_a_pause_earns_no_more_than_a_burst():
    ration = Ration(each=0, together=200, burst=20)
    for channel in range(500):
        ration.offer(str(channel), channel)
    list(take_all(ration, 0.0))
    assert len(list(take_all(ration, 1000.0))) <= 21


def test_due_says_when_to_ask_again():
    ration = Ration(each=1, together=1000)
    assert ration.due() is None
    ration.offer("a", 1)
    assert ration.take(5.0) is not None
    ration.offer("a", 2)
    assert ration.due() == 6.0
    ration.forget("a")
    assert ration.due() is None
    assert len(ration) == 0
