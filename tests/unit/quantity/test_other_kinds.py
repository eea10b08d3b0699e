"""A quantity of another kind, whatever its unit is made of, is an error of ours that says what is meant."""

import pytest

from labctl.errors import Misread
from labctl.quantity.parse import parse


@pytest.mark.parametrize(
    ("text", "kind", "hint"),
    [
        ("60 Hz", "duration", "write 0.01667 s"),
        ("60 s-1", "duration", "write 0.01667 s"),
        ("12 mm", "area", "write 1.131 cm2"),
    ],
)
def test_what_is_meant_is_said(text, kind, hint):
    with pytest.raises(Misread) as caught:
        parse(text, kind)
    assert hint in caught.value.hint


@pytest.mark.parametrize("text", ["0 Hz", "1e-320 Hz", "1e300 s-1", "1e200 mm", "1e-300 mm"])
@pytest.mark.parametrize("kind", ["duration", "area"])
def test_numbers_at_the_end_of_all_numbers_are_errors_of_ours(text, kind):
    with pytest.raises(Misread):
        parse(text, kind)
