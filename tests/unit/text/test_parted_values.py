import pytest

from labctl.text.compose import compose
from labctl.text.parted_values import parted_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.1C\u30010.2C\u30011C", ("0.1C", "0.2C", "1C")),
        ("0.1C\uff0c0.2C", ("0.1C", "0.2C")),
        ("0.1C; $rate", ("0.1C", "$rate")),
        ("0.1C/0.2C", ("0.1C", "0.2C")),
        ("C/2 1C 2C", ("C/2", "1C", "2C")),
        ("0.1 0.2 0.5 C", ("0.1C", "0.2C", "0.5 C")),
        ("1 h 30 min", ()),  # one duration
        ("1C/3", ()),
        ("1 000 000 mA", ()),  # one number, in groups
        ("0,1 mA", ()),  # a decimal comma
        ("A3 or B4", ()),
        ("1 2 3", ()),
    ],
)
def test_values_are_parted_only_where_each_is_one(text, values):
    assert parted_values(text) == values


def test_brackets_around_hyphens_in_a_text_are_left_alone():
    text = "labctl: 1\nname: a\nabout: |\n  steps: [\n  - rest\n  ]\nsteps:\n  - rest: 1 h\n"
    assert compose(text, "a.yaml").findings == []
