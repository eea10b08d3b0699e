"""The size that a cell file states acts on the model as it does on a cell, or is refused with the reason."""

import numpy as np
import pytest

from labctl_simulators.assembly.tree import MisfitError
from labctl_simulators.cell import Current, Stop
from labctl_simulators.models import list_models, load_model

HIGH = [1e5]


def discharged(cell, current):
    """Return the C of a discharge to the lower voltage."""
    state = cell.initial(soc=0.999)
    low = next(info.window[0] for info in list_models() if info.name == cell.name)
    return -current * cell.segment(state, Current(current), 1e7, [Stop("voltage", False, low)]).end


def test_a_film_twice_as_thick_takes_up_twice_the_charge_and_four_times_the_time():
    thin, thick = load_model("voc1"), load_model("voc1", film=600e-9)
    hosts = [cell.chemistry.parameters.positive for cell in (thin, thick)]
    assert hosts[1].capacity == pytest.approx(2.0 * hosts[0].capacity, rel=1e-12)
    assert hosts[1].time == pytest.approx(4.0 * hosts[0].time, rel=1e-12)
    assert hosts[1].exchange == hosts[0].exchange  # its face is the same
    slow = -1e-7
    assert discharged(thick, slow) == pytest.approx(2.0 * discharged(thin, slow), rel=1e-3)


def test_with_its_mass_given_the_thickness_of_a_film_is_the_length_of_diffusion_alone():
    plain = load_model("n-lvo-tfb", area=1e-4, mass=0.12e-6)
    thick = load_model("n-lvo-tfb", area=1e-4, mass=0.12e-6, film=600e-9)
    hosts = [cell.chemistry.parameters.positive for cell in (plain, thick)]
    assert hosts[1].capacity == hosts[0].capacity
    assert hosts[1].time == pytest.approx(4.0 * hosts[0].time)
    heavy = load_model("n-lvo-tfb", area=1e-4, mass=0.24e-6).chemistry.parameters.positive
    assert (heavy.capacity, heavy.time) == pytest.approx((2.0 * hosts[0].capacity, 4.0 * hosts[0].time))


@pytest.mark.parametrize("name", ["phlt-blocking", "phl-blocking", "pvhlp-blocking"])
def test_geometry_of_cell_file_ignored_nowhere_resistance_is_proportional_to_thickness(name):
    thin, thick = load_model(name, layer=50e-6), load_model(name, layer=100e-6)
    resistances = [cell.impedance(cell.initial(), HIGH)[0].real for cell in (thin, thick)]
    assert resistances[1] == pytest.approx(2.0 * resistances[0], rel=0.01)  # the leads stay
    assert thick.chemistry.parameters.geometric == pytest.approx(0.5 * thin.chemistry.parameters.geometric)


def test_the_electrolyte_of_a_metal_cell_is_as_thick_as_its_file_says():
    thin, thick = load_model("phlt-symmetric", layer=50e-6), load_model("phlt-symmetric", layer=100e-6)
    added = [cell.impedance(cell.initial(), [1e7])[0].real for cell in (thin, thick)]
    assert added[1] - added[0] == pytest.approx(50e-6 / 0.129 / thin.chemistry.parameters.area, rel=1e-3)  # 1.29 mS/cm


@pytest.mark.parametrize(
    ("name", "own", "ohm_m2"),
    [
        ("phlt-ncm811", 50e-6, 3.876e-4),  # 50 um over 1.29 mS/cm
        ("msi-c", 50e-6, 13.245e-4),
        ("voc1-atfb", 1.5e-6, 93.75e-4),  # 1.5 um of LiPON over 1.6e-6 S/cm
        ("n-lvo-tfb", 1.5e-6, 93.75e-4),
    ],
)
def test_the_electrolyte_of_a_half_cell_is_as_thick_as_its_file_says(name, own, ohm_m2):
    area = 1e-4
    low, high = (load_model(name, area=area, layer=factor * own) for factor in (1.0, 3.0))
    added = [cell.impedance(cell.initial(soc=0.5), [1.0])[0].real for cell in (low, high)]
    assert added[1] - added[0] == pytest.approx(2.0 * ohm_m2 / area, rel=1e-3)


def test_the_separator_of_a_porous_cell_is_as_thick_as_its_file_says():
    thin, thick = load_model("chen2020"), load_model("chen2020", layer=24e-6)
    added = [cell.impedance(cell.initial(), [1e6])[0].real for cell in (thin, thick)]
    assert added[1] - added[0] == pytest.approx(12e-6 / 0.47**1.5 / 0.9487 / 0.1027, rel=0.15)  # and some of its salt
    without = load_model("chen2020", electrolyte=False)
    assert without.chemistry.parameters.electrolyte is None


@pytest.mark.parametrize(
    ("name", "size", "key"),
    [
        ("chen2020", {"film": 1e-6}, "film_thickness"),
        ("phlt-ncm811", {"film": 1e-6}, "film_thickness"),
        ("na-bare", {"film": 1e-6}, "film_thickness"),
        ("phlt-blocking", {"film": 1e-6}, "film_thickness"),
        ("voc1", {"layer": 1e-6}, "electrolyte_thickness"),
    ],
)
def test_a_size_that_cannot_act_is_refused_with_the_reason(name, size, key):
    with pytest.raises(MisfitError, match=f"{name}: wanted no {key}, found 1e-06 m: ") as refused:
        load_model(name, **size)
    assert refused.value.key == key


@pytest.mark.parametrize("name", [info.name for info in list_models()])
def test_everything_scales_with_the_area(name):
    own = next(info.area for info in list_models() if info.name == name)
    one, two = load_model(name), load_model(name, area=2.0 * own)
    frequencies = np.geomspace(1e-2, 1e6, 9)
    single, double = (cell.impedance(cell.initial(), frequencies) for cell in (one, two))
    assert double == pytest.approx(0.5 * single, rel=1e-9)
