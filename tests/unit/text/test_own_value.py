"""A number that stands behind "write" in a hint is the author's, never that of an example."""

import re

import pytest

from labctl.protocol.cellfile import CELL_KEY_WORDS
from labctl.protocol.file_words import FILE_WORDS
from labctl.protocol.words import STEP_KEY_WORDS, VERB_WORDS
from labctl.text.compose import compose
from labctl.text.own_value import with_own

HINTS = sorted({*VERB_WORDS.values(), *STEP_KEY_WORDS.values(), *CELL_KEY_WORDS.values(), *FILE_WORDS.values()})


def node_of(text):
    return compose(f"key: {text}\n".encode(), "test.yaml").root.entries[0][1]


@pytest.mark.parametrize(
    ("hint", "value", "wanted"),
    [
        ("write rest: 10 min; to wait for a person, prompt: text", "1 h", "write rest: 1 h; to wait for a person, prompt: text"),
        ("write nominal: {capacity: 19.5 uAh/cm2}", "3 mAh", "write nominal: {capacity: 3 mAh}"),
        ("a C-rate is a current: current: 0.1C", "C/2", "a C-rate is a current: current: C/2"),
        ("write for: 1 h", "5", "for example for: 1 h"),
        ("write charge: {current: C/10, to: 4.2 V, for: 12 h}", "{current: C/2, voltage: 4 V}", "write charge: {current: C/2, to: 4 V, for: ...}"),
        ("write hold: {voltage: 3.8 V, for: 1 h}", "3 V", "write hold: {voltage: 3 V, for: ...}"),
        ("did you mean to (voltage) or until?", "C/20", "write hold_until: current < C/20"),
        ("did you mean to (voltage) or until?", "3 V", "write to: 3 V"),
        ("did you mean limits?", "3 V", "did you mean limits?"),
    ],
)  # fmt: skip
def test_a_hint_takes_the_value_of_the_author(hint, value, wanted):
    assert with_own(hint, node_of(value)) == wanted


@pytest.mark.parametrize("hint", HINTS)
def test_no_hint_on_a_word_gives_a_quantity_that_is_not_the_authors_as_what_to_write(hint):
    for value in ("7.25 mA", "{current: 7.25 mA}", "{from: 7.25 Hz}"):
        told = with_own(hint, node_of(value))
        bare = re.search(r"write(?: one step:)? (?:\w+: )+\{?[^;]*\d", told)
        foreign = [
            number for number in re.findall(r"\d+(?:\.\d+)? ?(?:mA|V|h|min|mV|uAh)\b", told) if number != "7.25 mA"
        ]
        assert not (bare and foreign) or "with your values" in told or "7.25" in told or "for example" in told, told
