"""Each parameter set gives back the figures that its paper reports, measured as the paper measured them."""

import numpy as np
import pytest

from labctl_simulators.cell import CellState, Current, Stop, Voltage
from labctl_simulators.cell.chemistry.symmetric import Symmetric
from labctl_simulators.models import load_model

UA = 1e-6
CM2 = 1e-4
HOUR = 3600.0
MAH_PER_G = 3600.0  # C/kg
UAH = 3.6e-3  # C


def volumetric(charge: float, micrometres: float) -> float:
    """Return uAh/cm2/um of a charge on 1 cm2."""
    return charge / UAH / micrometres


@pytest.mark.parametrize(
    ("name", "thickness", "current", "reported", "largest"),
    [
        ("voc1", 0.30, 5, 76.4, 76.4),
        ("voc1", 0.30, 80, 44.0, 76.4),
        ("vo", 0.30, 5, 53.3, 53.3),
        ("voc2", 0.42, 5, 49.0, 49.0),
        ("voc1-atfb", 0.30, 5, 65.0, 65.0),
        ("voc1-atfb", 0.30, 20, 54.0, 65.0),
        ("vo-atfb", 0.30, 5, 41.3, 41.3),
    ],
)
def test_first_discharges_of_oxide_films(fresh, cycled, name, thickness, current, reported, largest):
    cycles, _ = cycled(*fresh(name), current * UA, 1)
    assert volumetric(cycles[0].discharge, thickness) == pytest.approx(reported, abs=0.05 * largest)


@pytest.mark.parametrize(("name", "reported"), [("voc1", 41.7), ("vo", 37.9)])
def test_oxide_films_after_the_rates(fresh, cycled, name, reported):
    cycles, _ = cycled(*fresh(name), 80 * UA, 3)
    assert volumetric(cycles[-1].discharge, 0.3) == pytest.approx(reported, abs=0.05 * 76.4)


def test_all_solid_battery_gives_its_energy(fresh, cycled):
    cycles, _ = cycled(*fresh("voc1-atfb"), 5 * UA, 1)
    energy = cycles[0].discharge * cycles[0].discharge_voltage / 3.6e-3  # uWh
    assert energy == pytest.approx(51.0, rel=0.05)
    assert cycles[0].discharge_voltage == pytest.approx(2.62, abs=0.05)


def test_published_values_not_reproduced_charge_transfer_of_an_oxide_film_at_open_circuit(fresh):
    """B1: the arc of VOC1 at open circuit is 62.45 ohm."""
    cell, state = fresh("voc1")
    assert cell.physics(state)._transfer_resistance(0, state.level, 0.0) == pytest.approx(62.45, rel=1e-3)


def test_bending_changes_next_to_nothing(fresh, cycled):
    cell, state = fresh("voc1-atfb")
    flat, _ = cycled(cell, state, 5 * UA, 1)
    bent, _ = cycled(cell, state.at(angle=180.0), 5 * UA, 1)
    assert bent[0].discharge == pytest.approx(flat[0].discharge, rel=0.01)
    assert bent[0].discharge < flat[0].discharge


@pytest.mark.parametrize(
    ("name", "rate", "reported", "largest"),
    [
        ("n-lvo", 35.0, 350.1, 350.1),
        ("n-lvo", 3500.0, 160.7, 350.1),
        ("n-lvo-tfb", 31.5, 315.2, 315.2),
        ("n-lvo-tfb", 63.0, 207.0, 315.2),
    ],
)
def test_nlvo_at_its_rates(fresh, cycled, name, rate, reported, largest):
    mass = 0.120e-6  # kg
    cycles, _ = cycled(*fresh(name), rate * mass, 2)
    assert cycles[1].charge / mass / MAH_PER_G == pytest.approx(reported, abs=0.05 * largest)


def test_nlvo_film_lies_near_its_mean_voltage_and_its_two_capacities_agree(fresh, cycled):
    cycles, _ = cycled(*fresh("n-lvo-tfb"), 31.5 * 0.120e-6, 2)
    assert 0.5 * (cycles[1].charge_voltage + cycles[1].discharge_voltage) == pytest.approx(0.6, abs=0.1)
    assert cycles[1].charge / UAH == pytest.approx(37.8, rel=0.05)


NCM = {
    "phlt-ncm811": (231.0, 219.0, 201.4, 183.5, 157.1, 90.1),
    "phl-ncm811": (195.8, 182.5, 157.5, 121.8, 33.0, 6.4),
}


@pytest.mark.parametrize("name", NCM)
def test_rate_table_of_ncm811(fresh, cycled, name):
    mass = 2.5e-2 * 1.131 * CM2  # kg
    for rate, reported in zip((0.1, 0.2, 0.5, 1.0, 2.0, 5.0), NCM[name], strict=True):
        cycles, _ = cycled(*fresh(name), rate * 200.0 * mass, 2, first=1)
        assert cycles[1].discharge / mass / MAH_PER_G == pytest.approx(reported, abs=0.05 * NCM[name][0])


def test_silicon_film_first_cycle_and_rates(fresh, cycled):
    mass = 0.5e-2 * 1.131 * CM2
    cell, state = fresh("msi-c")
    cycles, state = cycled(cell, state, 200.0 * mass, 1)
    assert cycles[0].charge / cycles[0].discharge == pytest.approx(0.832, abs=0.005)
    for rate, reported in ((500.0, 2137), (1000.0, 2078), (2000.0, 1971), (3000.0, 1793)):
        cycles, state = cycled(cell, state, rate * mass, 2)
        assert cycles[1].charge / mass / MAH_PER_G == pytest.approx(reported, abs=0.05 * 2137)


def test_arc_of_the_silicon_film_falls_on_lithiation(fresh, cycled):
    cell, state = fresh("msi-c")
    mass = 0.5e-2 * 1.131 * CM2
    _, empty = cycled(cell, state, 200.0 * mass, 1)
    segment = cell.segment(empty, Current(-200.0 * mass), 1e6, (Stop("voltage", False, 0.005, 1),))
    half = segment.state(0.5 * segment.end)
    arcs = []
    for at in (empty, half):
        resting = cell.segment(at, Current(0.0), 10 * HOUR).state(10 * HOUR)
        physics = cell.physics(resting)
        arcs.append(float(physics._transfer_resistance(0, resting.level, 0.0)))
    assert arcs == pytest.approx([64.0, 33.0], rel=0.07)


def test_full_cell_with_silicon(fresh, cycled):
    mass = 6e-2 * 1.131 * CM2
    cycles, _ = cycled(*fresh("lfp-msi-c"), 170.0 * mass, 300, first=1)
    assert cycles[1].discharge / mass / MAH_PER_G == pytest.approx(95.0, rel=0.03)
    assert cycles[299].discharge / mass / MAH_PER_G == pytest.approx(97.0, rel=0.03)
    assert cycles[1].charge_voltage == pytest.approx(3.4, abs=0.2)
    assert cycles[1].discharge_voltage == pytest.approx(3.0, abs=0.2)


def test_sodium_cathode_at_its_rates(fresh, cycled):
    mass = 2e-2 * 1.131 * CM2
    for name, at_fifty in (("nvp-na-vn", 54.0), ("nvp-na-bare", 0.0)):
        cycles, _ = cycled(*fresh(name), 50 * 117.0 * mass, 2, first=1)
        assert cycles[1].discharge / mass / MAH_PER_G == pytest.approx(at_fifty, abs=0.05 * 117)


@pytest.mark.parametrize(
    ("name", "current", "cycle", "first", "retention"),
    [
        ("voc1", 5e-6, 200, -1, 0.69),
        ("voc1", 80e-6, 2500, -1, 0.79),
        ("vo", 5e-6, 200, -1, 0.82),
        ("voc2", 5e-6, 45, -1, 0.56),
        ("voc1-atfb", 5e-6, 100, -1, 0.98),
        ("nvp-na-vn", 5 * 117.0 * 2e-2 * 1.131e-4, 800, 1, 0.96),
    ],
)
def test_retention_of_the_first(fresh, cycled, name, current, cycle, first, retention):
    cycles, _ = cycled(*fresh(name), current, cycle, first)
    assert cycles[-1].discharge / cycles[0].discharge == pytest.approx(retention, abs=0.015)


def test_capacity_that_first_rises_is_kept_of_its_maximum(fresh, cycled):
    cycles, _ = cycled(*fresh("voc1"), 20e-6, 4000)
    capacity = np.array([cycle.discharge for cycle in cycles])
    assert capacity[-1] / capacity.max() == pytest.approx(0.93, abs=0.01)
    assert volumetric(capacity.max(), 0.3) == pytest.approx(62.7, abs=0.05 * 76.4)
    assert capacity[150] > capacity[5]


def test_silicon_film_rises_and_fades(fresh, cycled):
    mass = 0.5e-2 * 1.131 * CM2
    cycles, _ = cycled(*fresh("msi-c"), 1000.0 * mass, 500)
    charged = np.array([cycle.charge for cycle in cycles]) / mass / MAH_PER_G
    assert charged[1] == pytest.approx(2131, rel=0.05)
    assert charged.max() == pytest.approx(2327, rel=0.05)
    assert charged.argmax() <= 100
    assert charged[-1] / charged[0] == pytest.approx(0.53, abs=0.015)


def test_film_keeps_80_percent_after_2000_cycles(fresh, cycled):
    cycles, _ = cycled(*fresh("n-lvo"), 700.0 * 0.120e-6, 2000)
    assert cycles[-1].charge / cycles[0].charge == pytest.approx(0.80, abs=0.015)


def test_untreated_sodium_cell_at_cycle_180(fresh, cycled):
    mass = 2e-2 * 1.131 * CM2
    cycles, _ = cycled(*fresh("nvp-na-bare"), 5 * 117.0 * mass, 180, first=1)
    assert cycles[-1].discharge / mass / MAH_PER_G == pytest.approx(89.0, rel=0.05)


# --- metal against metal ---------------------------------------------------------------------------------------------


def until_short(name: str, current: float, half: float, longest: float, seed: int = 1) -> float:
    """Return the hours until something shorts, or `longest`."""
    cell = load_model(name)
    state, direction, hours = cell.initial(seed=seed), -1.0, 0.0
    while hours < longest:
        segment = cell.segment(state, Current(direction * current), half)
        if len(segment.parts) > 1:
            return hours + segment.parts[1].begin / HOUR
        state, direction, hours = segment.state(half), -direction, hours + half / HOUR
    return longest


@pytest.mark.parametrize(
    ("name", "density", "half", "life"),
    [("na-bare", 0.5, 2.0, 132.0), ("na-bare", 1.0, 1.0, 116.0)],
)
def test_life_of_bare_sodium(name, density, half, life):
    assert until_short(name, density * 1e-3 * 1.131, half * HOUR, 2 * life) == pytest.approx(life, rel=0.04)


@pytest.mark.parametrize(
    ("name", "density", "half", "survived"),
    [
        ("na-vn", 0.5, 2.0, 1060.0),
        ("na-vn", 1.0, 1.0, 670.0),
        ("pvhlp-symmetric", 0.25, 1.0, 500.0),
        ("phlt-symmetric", 0.1, 1.0, 1000.0),
        ("phlt-symmetric", 0.2, 1.0, 310.0),
    ],
)
def test_lives_that_were_survived(name, density, half, survived):
    area = {"na-vn": 1.131, "pvhlp-symmetric": 1.131, "phlt-symmetric": 1.539}[name]
    for seed in (1, 2, 3):
        life = until_short(name, density * 1e-3 * area, half * HOUR, 1.3 * survived, seed)
        assert survived <= life < 1.3 * survived


@pytest.mark.parametrize(("name", "reported"), [("na-bare", 68.0), ("na-vn", 36.0)])
def test_nucleation_overpotential(fresh, name, reported):
    cell, state = fresh(name)
    segment = cell.segment(state, Current(-0.5e-3 * 1.131), 2 * HOUR)
    voltage = -segment.rows(np.arange(0.0, 2 * HOUR + 1, 1.0)).voltage
    assert 1e3 * (voltage.max() - np.median(voltage)) == pytest.approx(reported, abs=1.5)


@pytest.mark.parametrize(("name", "reported"), [("na-bare", 0.168), ("na-vn", 0.225)])
def test_charge_transfer_at_45_degrees(fresh, name, reported):
    cell, _ = fresh(name)
    chemistry = cell.chemistry
    assert isinstance(chemistry, Symmetric)
    warm, room = chemistry.warmth(318.15), chemistry.warmth(298.15)
    ratio = (warm.thermal / warm.twice) / (room.thermal / room.twice)
    assert ratio == pytest.approx(reported, rel=0.01)


@pytest.mark.parametrize(("name", "reported"), [("na-bare", 377.8), ("na-vn", 119.5)])
def test_charge_transfer_resistance_of_the_spectrum(fresh, name, reported):
    cell, state = fresh(name)
    # between the arc of the films (kHz) and the salt (mHz) both electrodes' charge transfer is added
    high, low = cell.impedance(state, np.array([8e2, 0.3])).real * 1.131
    films = cell.chemistry.parameters.film.resistance(298.15) * 1e4
    bulk = cell.impedance(state, np.array([1e8]))[0].real * 1.131
    assert high < low
    assert (low - bulk - films) / 2.0 == pytest.approx(reported, rel=0.02)


def test_polarisation_grows(fresh):
    cell, state = fresh("pvhlp-symmetric")
    direction, middle = -1.0, {}
    for hour in range(502):
        segment = cell.segment(state, Current(direction * 0.25e-3 * 1.131), HOUR)
        middle[hour] = abs(float(segment.rows([HOUR / 2]).voltage[0]))
        state, direction = segment.state(HOUR), -direction
    found = [500.0 * (middle[hour] + middle[hour + 1]) for hour in (100, 200, 500)]
    assert found == pytest.approx([52.0, 53.0, 70.0], abs=1.0)


# --- blocking --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("celsius", "reported"), [(30, 4.6e-4), (40, 6.7e-4), (50, 8.8e-4), (60, 1.1e-3), (70, 1.3e-3)]
)
def test_conductivity_at_five_temperatures(fresh, celsius, reported):
    cell, state = fresh("pvhlp-blocking")
    assert conductivity(cell, state.at(temperature=celsius + 273.15)) == pytest.approx(reported, rel=0.02)


def test_activation_energy_in_its_two_forms(fresh):
    cell, state = fresh("pvhlp-blocking")
    kelvin = np.array([30.0, 40.0, 50.0, 60.0, 70.0]) + 273.15
    sigma = np.array([conductivity(cell, state.at(temperature=float(at))) for at in kelvin])
    boltzmann = 8.617333262e-5  # eV/K
    for logarithm, reported in ((np.log(sigma), 0.232), (np.log(sigma * kelvin), 0.260)):
        slope = np.polyfit(1.0 / kelvin, logarithm, 1)[0]
        assert -slope * boltzmann == pytest.approx(reported, abs=0.01)


def test_conductivity_of_phlt(fresh):
    assert conductivity(*fresh("phlt-blocking")) == pytest.approx(1.29e-3, rel=0.02)


def conductivity(cell, state: CellState) -> float:
    """Return L/(R S) in S/cm, R where the imaginary part is least between 7 MHz and 1 Hz."""
    impedance = cell.impedance(state, np.geomspace(7e6, 1.0, 70))
    intercept = float(impedance.real[np.abs(impedance.imag).argmin()])
    return 50e-4 / (intercept * 1.131)


@pytest.mark.parametrize(("name", "reported"), [("phl-blocking", 1.06e-9), ("phlt-blocking", 2.48e-9)])
def test_electronic_conductivity(fresh, name, reported):
    segment = (cell := fresh(name))[0].segment(cell[1], Voltage(0.5), 5 * HOUR)
    current = float(segment.rows([segment.end]).current[0])
    assert current * 50e-4 / (0.5 * 1.131) == pytest.approx(reported, rel=0.02)
