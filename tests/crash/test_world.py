"""The deterministic world in its short form; `python -m tests.crash.world --seconds 600` is the long one."""

import warnings

import pytest

from tests.crash import world
from tests.crash.world import BrokenWorldError, live

KNOWN = {8: 30, 10: 30, 22: 30, 7: (15, 16, 19, 20), 30: (0, 1, 2, 4, 5, 6)}
"""Lives in which something was wrong once: unreachable at the start, a run that had not begun, counters that fell, a line that
broke again as it was found, which ended the daemon."""


@pytest.mark.parametrize("which", range(4))
def test_whatever_happens_the_invariants_hold(seed, which):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # a killed daemon closes nothing
        live(seed % 1_000_000 + which, actions=15)


@pytest.mark.parametrize(("known", "actions"), KNOWN.items())
def test_what_was_wrong_once_stays_right(known, actions):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        live(known, actions)


def test_of_a_life_that_is_wrong_the_fewest_actions_are_told(monkeypatch):
    def live_(seed, actions):
        if {4, 9} <= set(actions):
            raise BrokenWorldError(f"{list(actions)}")

    monkeypatch.setattr(world, "live", live_)
    assert str(world.fewest(1, range(30))) == "[4, 9]"


def test_one_seed_is_one_life():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        assert live(3, actions=12) == live(3, actions=12)
