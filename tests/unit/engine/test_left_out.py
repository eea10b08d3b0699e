import pytest

from labctl.driver import OPEN
from labctl.engine.left_out import held_within


@pytest.mark.parametrize(
    ("clip", "text"),
    [
        ((3.1, 4.1), "held between 3.1 V and 4.1 V"),
        ((-OPEN, 4.1), "held below 4.1 V"),
        ((3.1, OPEN), "held above 3.1 V"),
    ],
)
def test_an_open_side_of_a_clip_is_not_told(clip, text):
    assert held_within(*clip) == text
