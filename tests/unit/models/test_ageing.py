"""Ageing: the clock is the cycle, damage adds up, nothing takes effect before the current turns."""

import pytest

from labctl_simulators.cell.chemistry.ageing import Ageing, Curve

SLOW = Curve(1.0, (0.0, 100.0, 200.0), (100.0, 110.0, 50.0), (1.0, 1.1, 0.5), (1.0, 1.0, 2.0))
FAST = Curve(100.0, (0.0, 100.0, 200.0), (80.0, 72.0, 64.0), (1.0, 0.9, 0.8), (1.0, 1.1, 1.2))


def half(ageing: Ageing, slow, charge: float, current: float, direction: int):
    """Return the slow states after a half-cycle, in two pieces, and the turn that ends it."""
    for part in (0.3, 0.7):
        slow = ageing.advance(slow, part * charge / current, 0.0, part * charge, 298.15)
    return ageing.turn(slow, direction)


def aged(ageing: Ageing, count: int, current: float, capacity) -> tuple[float, ...]:
    slow = ageing.turn(ageing.start(0), -1)
    for cycle in range(count):
        for direction in (1, -1):
            slow = half(ageing, slow, capacity(cycle), current, direction)
    return slow


def test_nothing_takes_effect_before_the_turn():
    ageing = Ageing((SLOW,))
    slow = ageing.advance(ageing.turn(ageing.start(0), -1), 1e5, -1e5, 1e5, 298.15)
    assert ageing.effects(slow, 298.15).positive == 1.0
    assert ageing.turn(slow, 1)[1] != 1.0


@pytest.mark.parametrize(("count", "health"), [(50, 1.05), (100, 1.1), (150, 0.8), (200, 0.5)])
def test_cycles_at_a_reported_rate_follow_its_curve(count, health):
    def capacity(cycle: int) -> float:
        return 100.0 + 0.1 * cycle if cycle < 100 else 110.0 - 0.6 * (cycle - 100)

    slow = aged(Ageing((SLOW, FAST)), count, 1.0, capacity)
    assert slow[0] == pytest.approx(count, rel=0.01)
    assert slow[1] == pytest.approx(health, abs=0.01)


def test_between_two_rates_the_damage_is_between():
    ageing = Ageing((SLOW, FAST))
    healths = [aged(ageing, 80, current, lambda cycle: 85.0)[1] for current in (1.0, 10.0, 100.0)]
    assert healths[0] > healths[1] > healths[2]
    assert aged(ageing, 80, 1e4, lambda cycle: 85.0)[1] == pytest.approx(healths[2])
    assert aged(ageing, 80, 1e-3, lambda cycle: 85.0)[1] == pytest.approx(healths[0])


def test_resistance_grows_and_capacity_stays_above_nothing():
    slow = aged(Ageing((SLOW,)), 2000, 1.0, lambda cycle: 60.0)
    assert Ageing((SLOW,)).effects(slow, 298.15).resistance > 2.0
    assert 0.0 < slow[1] <= 0.011


def test_first_cycle_loses_more_than_the_others():
    ageing = Ageing(wasteful=-1, loss=0.01, first_loss=0.2)
    slow, shares = ageing.start(0), []
    for direction in (-1, 1, -1, 1):
        slow = half(ageing, slow, 10.0, 1.0, direction)
        shares.append(ageing.effects(slow, 298.15).efficiency)
    assert shares == pytest.approx([0.8, 1.0, 0.99, 1.0])
    negative = Ageing(wasteful=-1, first_loss=0.2, negative=True, both=True)
    effects = negative.effects(half(negative, negative.start(0), 0.0, 1.0, -1), 298.15)
    assert (effects.efficiency, effects.negative_efficiency) == (1.0, 0.8)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Curve(0.0, (0.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0)), "current above 0"),
        (lambda: Curve(1.0, (0.0,), (1.0,), (1.0,), (1.0,)), "at least 2"),
        (lambda: Curve(1.0, (1.0, 2.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0)), "ascending from 0"),
        (lambda: Curve(1.0, (0.0, 2.0), (1.0, 1.0), (1.0, 0.0), (1.0, 1.0)), "above 0"),
        (lambda: Ageing(loss=1.0), "losses"),
        (lambda: Ageing((FAST, SLOW)), "ascending current"),
    ],
)
def test_numbers_outside_their_range_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
