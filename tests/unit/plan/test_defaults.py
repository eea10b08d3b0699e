"""What a step does that says less than it could stands on the page of the language, and in the plan."""

import math
from pathlib import Path

from labctl.plan.index import walk
from labctl.plan.step import Line
from tests.unit.plan.conftest import plan_of

PAGE = " ".join((Path(__file__).parents[3] / "docs/reference/protocol.md").read_text(encoding="utf-8").split())


def lines(steps: str, **given: object) -> list[Line]:
    return [line for _, line in walk(plan_of(steps, **given).root)]  # type: ignore[arg-type]


def test_a_temperature_is_within_a_kelvin_and_not_soaked_and_waited_for_without_end():
    (line,) = lines("  - temperature: 60 degC\n")
    assert (line.settings["within"], line.settings["soak"]) == (1.0, 0.0)
    assert "for" not in line.options
    assert "stayed within `within` of it (1 K if not said) for `soak` (no time if not said)" in PAGE
    assert "without a `for` it waits as long as it takes" in PAGE


def test_a_spectrum_has_ten_points_in_each_decade_both_ends_included():
    _, line = lines("  - rest: 1 min\n  - eis: {from: 1 kHz, to: 1 Hz, amplitude: 10 mV}\n")
    frequencies = line.settings["frequencies"]
    assert isinstance(frequencies, tuple)
    assert len(frequencies) == 31
    assert (frequencies[0], frequencies[-1]) == (1000.0, 1.0)
    assert math.isclose(frequencies[10], 100.0)  # type: ignore[arg-type]
    assert "`per_decade: 10` points in each decade if not said" in PAGE


def test_a_prompt_without_a_time_waits_for_ever_and_its_state_drives_nothing():
    line, timed = lines("  - prompt: Press\n  - prompt: {say: Press, for: 1 h, state: {pressure: 5 MPa}}\n")
    assert line.mode == timed.mode == "Rest"
    assert "for" not in line.options
    assert timed.options["state"] == {"pressure": 5e6}
    assert "nothing is driven by it" in PAGE


def test_a_time_in_hold_until_is_that_of_the_hold():
    by_time, by_length = (
        lines(f"  - rest: 1 min\n  - charge: {{current: 1 mA, to: 4 V, {end}, for: 5 h}}\n")[-1]
        for end in ("hold_until: time > 10 min", "hold_for: 10 min")
    )
    assert by_time.mode == by_length.mode == "Potentiostatic"
    of_time = [term for end in by_time.ends for terms in end.condition.any_of for term in terms if term.value == 600.0]
    of_length = [
        term for end in by_length.ends for terms in end.condition.any_of for term in terms if term.value == 600.0
    ]
    assert [term.quantity for term in of_time] == [term.quantity for term in of_length] == ["time"]
    assert "`hold_until: time > 10 min` is `hold_for: 10 min`" in PAGE


def test_a_range_takes_values_of_one_kind_in_several_units():
    (line,) = lines(
        "  - each: {j: {from: 100 uA, to: 1 mA, by: 0.1 mA}}\n    steps:\n"
        "      - charge: {current: $j, to: 4 V, for: 1 h}\n"
    )
    assert len(line.settings["current"].values) == 10  # type: ignore[union-attr]
    assert "`from: 100 uA, to: 1 mA, by: 0.1 mA`" in PAGE
