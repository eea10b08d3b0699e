"""The page of the analyses says of each its formula, unit, flags and source, and the numbers that the code has."""

from pathlib import Path

import pytest

from labctl.analysis import capacity, gitt, pulse, rate, symmetric, window
from labctl.analysis.catalogue import ANALYSES
from labctl.engine.cycle import ONE_SIDED, OWN_ENDS
from labctl.protocol import keys

TEXT = (Path(__file__).parents[3] / "docs" / "reference" / "analyses.md").read_text(encoding="utf-8")
EVERY = TEXT.partition("\n## What all of them hold to\n")[2].partition("\n## ")[0]


def section(name):
    return TEXT.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", sorted(ANALYSES))
def test_every_analysis_names_formula_unit_flags_and_source(name):
    text = section(name)
    for word in ("Formula", "Unit", "Flags", "Source"):
        assert f"- **{word}.** " in text, word
    for option in keys.ANALYSES[name]:
        assert f"`{option}`" in text


def test_the_numbers_are_those_of_the_code():
    assert f"within {100 * rate.SAME:g} %" in EVERY
    assert f"{1e3 * capacity.SMALL:g} mAh" in EVERY
    assert {word for word in OWN_ENDS if word != "own"} <= {word.strip("`(),") for word in EVERY.split()} | {"until"}
    assert f"more than {ONE_SIDED:g} times" in section("capacity")
    assert f"below {1e3 * symmetric.GONE:g} mV within {symmetric.AT_ONCE:g} s" in section("ccd")
    assert f"longer than {gitt.LONG:g} L2/D" in section("gitt")
    assert f"less than {1e3 * gitt.FLAT:g} mV" in section("gitt")
    assert f"more than {1e3 * gitt.DRIFT:g} mV/h" in section("gitt")
    assert f"fewer than {gitt.FEWEST} rows" in section("gitt")
    assert f"from {100 * gitt.WINDOW[0]:g} to {100 * gitt.WINDOW[1]:g} %" in section("gitt")
    assert f"default {pulse.LONGEST:g}" in section("dcir")
    assert f"more than {1e3 * pulse.LATE:g} ms" in section("dcir")
    assert f"default {window.THRESHOLD:g}" in section("window")
    assert "default 80 %" in section("retention")
    assert "default 3" in section("rate")
