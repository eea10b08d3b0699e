"""One value of a cell file written anew, all else as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.errors import CellError
from labctl.protocol.cell_correction import with_value
from labctl.protocol.cellfile import load_cell

TEXT = """\
# weighed on Monday
labctl_cell: 1
name: NMC   # of the batch
kind: full
area: 1 cm2
limits: {voltage: [2.5 V, 4.3 V], current: [-50 mA, 50 mA]}
"""


@given(
    st.floats(1e-3, 1e4).map(lambda mass: f"{mass:.6g} mg"),
    st.sampled_from(["", "  # old", " "]),
    st.sampled_from("'\" "),
)
def test_a_mass_takes_the_place_of_the_one_before_or_is_added(mass, comment, quote):
    quote = quote.strip()
    had = TEXT.replace("area:", f"active_mass: {quote}7 mg{quote}{comment}\narea:")
    for text in (TEXT, had):
        fresh = with_value(text, "cell.yaml", "active_mass", mass)
        assert (
            load_cell(fresh, "cell.yaml").active_mass
            == load_cell(TEXT + f"active_mass: {mass}\n", "cell.yaml").active_mass
        )
        kept = [line for line in text.splitlines() if not line.startswith("active_mass")]
        assert [line for line in fresh.splitlines() if not line.startswith("active_mass")] == kept
        assert with_value(fresh, "cell.yaml", "active_mass", mass) == fresh
    assert comment.strip() in with_value(had, "cell.yaml", "active_mass", mass)


@pytest.mark.parametrize("value", ["twelve", "12.3", "-1 mg", "3 V", "", "1 mg\nmodel: x"])
def test_what_is_no_mass_is_refused(value):
    with pytest.raises(CellError) as refused:
        with_value(TEXT, "cell.yaml", "active_mass", value)
    assert "cell.yaml:" not in str(refused.value) or not value.strip() or "\n" in value


def test_a_file_that_is_one_line_is_refused_by_its_place():
    text = "{labctl_cell: 1, name: A, kind: full, active_mass: 1 mg, limits: {voltage: [2 V, 4 V], current: [-1 A, 1 A]}}\n"
    with pytest.raises(CellError, match="wanted active_mass on a line of its own"):
        with_value(text, "cell.yaml", "active_mass", "2 mg")


def test_an_area_takes_the_place_of_a_diameter():
    round_cell = TEXT.replace("area: 1 cm2", "diameter: 14 mm  # punched")
    assert load_cell(round_cell, "cell.yaml").area == pytest.approx(1.5394e-4, rel=1e-4)
    fresh = with_value(round_cell, "cell.yaml", "area", "1.6 cm2")
    assert "area: 1.6 cm2  # punched" in fresh
    assert load_cell(fresh, "cell.yaml").area == pytest.approx(1.6e-4)
