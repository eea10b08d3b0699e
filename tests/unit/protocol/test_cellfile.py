import pytest

from labctl.driver import OPEN
from labctl.errors import CellError
from labctl.protocol.cellfile import load_cell, read_cell

HEAD = "labctl_cell: 1\nname: c\nkind: half_cathode\n"


def test_a_cell_is_in_si():
    cell = load_cell(
        HEAD + "area: 1 cm2\nactive_mass: 0.12 mg\nfilm_thickness: 300 nm\nnominal: {capacity: 19.5 uAh/cm2}\n"
        "limits: {voltage: [2 V, 4 V], current: [-5 C, 5 C], capacity: 200 %}\nreference: Li+/Li\n",
        "c.yaml",
    )
    assert cell.area == pytest.approx(1e-4)
    assert cell.nominal == pytest.approx(19.5e-6 * 3600)
    assert cell.limits.voltage == (2.0, 4.0)
    assert cell.limits.current == pytest.approx((-97.5e-6, 97.5e-6))
    assert cell.limits.charge == pytest.approx(2 * cell.nominal)
    assert cell.reference == "Li"
    assert cell.retention == "discharge"
    assert cell.efficiency == "discharge/charge"


@pytest.mark.parametrize(
    ("nominal", "more", "charge"),
    [
        ("{capacity: 1 mAh}", "", 3.6),
        ("{1C: 1 mA}", "", 3.6),
        ("{1C: 170 mA/g}", "active_mass: 1 mg\n", 0.17e-3 * 3600),
        ("{capacity: 76 uAh/cm2/um}", "area: 1 cm2\nfilm_thickness: 500 nm\n", 38e-6 * 3600),
        ("{capacity: 200 mAh/g}", "area: 2 cm2\nactive_mass: 1 mg/cm2\n", 0.4e-3 * 3600),
    ],
)
def test_nominal_is_a_charge(nominal, more, charge):
    assert load_cell(f"{HEAD}{more}nominal: {nominal}\n", "c").nominal == pytest.approx(charge)


@pytest.mark.parametrize(
    ("kind", "retention", "efficiency"),
    [
        ("full", "discharge", "discharge/charge"),
        ("half_anode", "charge", "charge/discharge"),
        ("asymmetric", "charge", "charge/discharge"),
        ("symmetric", None, None),
        ("blocking", None, None),
    ],
)
def test_the_kind_says_what_counts(kind, retention, efficiency):
    cell = load_cell(f"labctl_cell: 1\nname: c\nkind: {kind}\n", "c")
    assert (cell.retention, cell.efficiency) == (retention, efficiency)


def test_every_error_is_found():
    with pytest.raises(CellError) as found:
        load_cell("labctl_cell: 1\nname: c\nkind: coin\narea: 1\nfoo: 1\n", "c.yaml")
    assert [finding.mark.line for finding in found.value.findings] == [3, 4, 5]


def test_a_protocol_is_no_cell():
    assert [finding.code for finding in read_cell("labctl: 1\nsteps: []\n", "c")[1]] == ["file.kind"]


def test_a_reference_says_where_it_lies_against_others_and_a_limit_may_have_one_side():
    cell = load_cell(
        HEAD + "reference: {name: In/InLi, vs: {Li: 0.62 V}}\nlimits: {voltage: {max: 3.8 V vs Li}}\n", "c.yaml"
    )
    assert (cell.reference, cell.references) == ("In/InLi", {"Li": 0.62})
    assert cell.limits.voltage == pytest.approx((-OPEN, 3.18))
