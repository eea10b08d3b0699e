import numpy as np
import pytest

from labctl_simulators.cell import CellModel, Current
from labctl_simulators.cell.chemistry import transfer
from labctl_simulators.cell.physics import Physics
from labctl_simulators.models import load_model

LAYERED = ("marquis2019", "voc1", "voc1-atfb", "msi-c")
LINEAR = ("phl-symmetric", "phlt-blocking", "na-vn")
FREQUENCIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 1e2, 1e3, 1e4)
SAMPLES = 200


def start(cell):
    return cell.initial() if cell.chemistry.kind in ("symmetric", "blocking") else cell.initial(soc=0.5)


def response(live, frequency, amplitude, periods):
    """Return the impedance from the last of some periods of a sine, its drift taken as straight."""
    count = periods * SAMPLES
    current = amplitude * np.sin(2.0 * np.pi * np.arange(1, count + 1) / SAMPLES)
    step = 1.0 / (frequency * SAMPLES)
    voltage = np.array([live.ramp(float(value), step) for value in current])
    last, end = slice(count - SAMPLES, count), voltage[count - SAMPLES - 1]
    drift = end + (voltage[-1] - end) * np.arange(1, SAMPLES + 1) / SAMPLES
    wave = np.exp(-2j * np.pi * np.arange(1, SAMPLES + 1) / SAMPLES)
    return (voltage[last] - drift) @ wave / (current[last] @ wave)


@pytest.mark.parametrize("frequency", FREQUENCIES)
@pytest.mark.parametrize("name", LAYERED + LINEAR)
def test_the_response_to_a_sine_is_the_impedance(name, frequency):
    cell = load_model(name, electrolyte=False) if name in LAYERED else load_model(name)
    state = start(cell)
    live = cell.layered(state) if name in LAYERED else cell.stepper(state)
    size = 1e-5 if name in LAYERED else 1e-7  # V; a barrier to nucleation begins with the square of the current
    found = response(live, frequency, size / abs(cell.impedance(state, [frequency])[0]), 16)
    # a metal cell's films grow while the slow waves run
    wanted = cell.impedance(state if name in LAYERED else live.state, [frequency])[0]
    assert abs(found / wanted - 1.0) < 1e-3


def test_poles_and_closed_form_agree_without_double_layers():
    cell = load_model("marquis2019", electrolyte=False)
    state = cell.initial(soc=0.5)
    physics = cell.physics(state)
    frequencies = np.geomspace(1e-4, 1e1, 40)
    z = state.level + state.memory @ physics.memory.own
    summed = Physics.impedance(physics, z, 0.0, frequencies)
    closed = physics.ohmic + sum(
        physics._transfer_resistance(row, z, 0.0)
        + physics.slopes(z, 0.0, 0.0, 0.0)[0][row]
        * sign / host.capacity / 3.0 * host.time * transfer.sphere(2j * np.pi * frequencies * host.time)
        for row, (host, sign) in enumerate(zip(cell.chemistry.hosts, (-1.0, 1.0), strict=True))
    )  # fmt: skip
    assert np.abs(summed / closed - 1.0).max() < 5e-4


def test_a_bias_lowers_the_charge_transfer_resistance():
    cell = load_model("marquis2019")
    state = cell.segment(cell.initial(soc=0.5), Current(2.0), 10.0).state(10.0)
    still, biased = cell.impedance(state, [10.0]), cell.impedance(state, [10.0], current=2.0)
    assert biased[0].real < still[0].real


def test_a_spectrum_is_passive_over_eleven_decades():
    for name in ("marquis2019", "chen2020", "voc1-atfb", "phl-ncm811"):
        cell = load_model(name)
        spectrum = cell.impedance(cell.initial(soc=0.5), np.geomspace(1e-4, 1e7, 111))
        assert np.all(np.isfinite(spectrum))
        assert (spectrum.real > 0.0).all()
        assert (spectrum.imag < 0.0).all()


def test_frequencies_at_or_below_zero_are_refused():
    cell = load_model("marquis2019")
    with pytest.raises(ValueError, match="frequencies"):
        cell.impedance(cell.initial(), [1.0, 0.0])


def test_double_layers_are_refused_where_they_are_not_separate():
    cell = load_model("phl-symmetric")
    assert isinstance(cell, CellModel)
    with pytest.raises(ValueError, match="insertion cell"):
        cell.layered(cell.initial())


def with_layers(base, values="{series: {resistance: {value: 0.5, unit: ohm cm2, why: leads}}}", more=""):
    text = f"labctl_model: 1\nname: on\nlike: {base}\n{more}double_layers: on\nabout: ours\nsources: {{}}\nvalues: {values}\n"
    return load_model("on.yaml", text=text)


@pytest.mark.parametrize("base", ["marquis2019", "voc1"])
def test_rows_begin_with_the_charging_of_the_double_layers_and_the_impedance_is_theirs(base):
    """Every path has them: the milliseconds after a step follow R_ct and C_dl, and a sine in rows gives the spectrum."""
    cell = with_layers(base)
    state, chemistry = cell.initial(soc=0.5), cell.chemistry
    size = 1e-3 * chemistry.parameters.positive.capacity / 3600.0
    sides = [(chemistry.time_of(side, 298.15), side) for side in chemistry.sides if side.double_layer]
    times = np.outer([0.1, 0.5, 1.0, 3.0], sorted(own for own, _ in sides)).ravel()
    times.sort()
    rows = cell.segment(state, Current(size), 1.0).rows(np.append(0.0, times))
    z, without = state.level[: len(chemistry.hosts)], load_model(base)
    resistances = [
        own / side.double_layer / (2.0 * np.sqrt(z[row] * (1.0 - z[row])))
        for row, (own, side) in enumerate(sides)
    ]  # fmt: skip
    charged = size * sum(r * -np.expm1(-times / own) for r, (own, _) in zip(resistances, sides, strict=True))
    diffused = without.segment(without.initial(soc=0.5), Current(size), 1.0).rows(np.append(0.0, times)).voltage
    assert rows.voltage[1:] - rows.voltage[0] == pytest.approx(charged + diffused[1:] - diffused[0], rel=1e-2)
    live, many = cell.stepper(state), cell.batch([state] * 2)
    for time, before in zip(times, np.append(0.0, times), strict=False):
        voltage = live.step(size, time - before)
        assert many.step(size, time - before) == pytest.approx([voltage] * 2, abs=1e-13)
    assert voltage == pytest.approx(rows.voltage[-1], abs=1e-12)
    for frequency in (1e-2, 10.0, 1e3):
        wanted = cell.impedance(state, [frequency])[0]
        assert abs(response(cell.stepper(state), frequency, 1e-5 / abs(wanted), 8) / wanted - 1.0) < 1e-3


@pytest.mark.parametrize(
    ("base", "values", "more", "words"),
    [
        ("marquis2019", "{}", "electrolyte: off\n", "wanted a resistance in series with the double layers, found none"),
        (
            "voc1",
            "{working: {double_layer: {value: 0, unit: F/m2, why: none}}}",
            "",
            "wanted the capacitance of a double",
        ),
    ],
)
def test_double_layers_that_no_row_can_have_are_refused(base, values, more, words):
    with pytest.raises(ValueError, match=words):
        with_layers(base, values, more)
