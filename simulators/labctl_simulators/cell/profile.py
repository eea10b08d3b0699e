"""A long profile of currents, each constant for one step of the same length: a block scan instead of a loop."""

from typing import TYPE_CHECKING, Final

import numpy as np

from labctl_simulators.cell.drive import LARGEST
from labctl_simulators.cell.physics import Array, Chemistry, Memory
from labctl_simulators.cell.solve.segment import Rows
from labctl_simulators.cell.state import CellState, read_only

if TYPE_CHECKING:
    from labctl_simulators.cell.segment_stepper import SegmentStepper
    from labctl_simulators.cell.stepper import Stepper

BLOCK: Final = 64


def profile(chemistry: Chemistry, state: CellState, currents: Array, dt: float) -> tuple[Rows, CellState]:
    """Return rows at the end of each step and the last state; see `Cell.profile`."""
    _check(chemistry, currents, dt)
    physics = chemistry.physics_of(state)
    if physics.leak:
        raise ValueError(f"wanted a cell without a leak, found one in {chemistry.name}: use its stepper")
    linear, gain = physics.memory, physics.gain
    driven = currents * 1.0
    z, memory = _scan(linear, state.memory, driven, dt, gain)
    passed = np.cumsum(currents) * dt
    z += state.level[:, None] + np.multiply.outer(linear.integrator * gain, passed)
    z += np.multiply.outer(linear.feed * gain, currents)
    for row, (low, high) in enumerate(zip(physics.low, physics.high, strict=True)):
        wrong = (z[row] <= low) | (z[row] >= high)
        if wrong.any():
            at = int(wrong.argmax())
            words = physics.words[row][int(z[row, at] >= high)]
            raise ValueError(f"wanted a profile that the cell can follow, found that {words} at step {at}")
    times = np.asarray(dt * np.arange(1, len(currents) + 1), dtype=np.float64)
    voltage = physics.voltage(z, currents, times, passed)
    up, down = np.cumsum(np.maximum(currents, 0.0)) * dt, np.cumsum(np.maximum(-currents, 0.0)) * dt
    rows = Rows(times, voltage, currents, np.full(len(times), state.temperature), up, down)
    net, gross = float(passed[-1]), float(up[-1] + down[-1])
    flowing = currents[currents != 0.0]
    last = CellState(
        memory=read_only(memory),
        level=read_only(state.level + linear.integrator * gain * net),
        slow=tuple(map(float, physics.slow(state.slow, float(times[-1]), net, gross))) if state.slow else (),
        charge=state.charge + net,
        throughput=state.throughput + gross,
        age=state.age + float(times[-1]),
        direction=int(np.sign(flowing[-1])) if len(flowing) else state.direction,
        temperature=state.temperature,
        angle=state.angle,
        radius=state.radius,
        seed=state.seed,
    )
    return rows, last


def stepped(
    chemistry: Chemistry, live: "Stepper | SegmentStepper", currents: Array, dt: float
) -> tuple[Rows, CellState]:
    """Return the same step by step, of a live cell whose memory changes with its temperature or composition."""
    _check(chemistry, currents, dt)
    voltage, kelvin = np.empty(len(currents)), np.empty(len(currents))
    for at, current in enumerate(currents.tolist()):
        voltage[at] = live.step(current, dt)
        if live.collapse is not None:
            raise ValueError(f"wanted a profile that the cell can follow, found that {live.collapse} at step {at}")
        kelvin[at] = live.kelvin
    times = np.asarray(dt * np.arange(1, len(currents) + 1), dtype=np.float64)
    up, down = np.cumsum(np.maximum(currents, 0.0)) * dt, np.cumsum(np.maximum(-currents, 0.0)) * dt
    return Rows(times, voltage, currents, kelvin, up, down), live.state


def _check(chemistry: Chemistry, currents: Array, dt: float) -> None:
    """Refuse a profile that is none, or slow states that depend on the course of the current.

    Raises:
        ValueError: in words.
    """
    if not (len(currents) and 0.0 < dt <= LARGEST and np.abs(currents).max() <= LARGEST):
        raise ValueError(
            f"wanted finite currents and a step above 0 s, found {len(currents)} currents and a step of {dt} s"
        )
    if chemistry.slow_names and chemistry.paced:
        raise ValueError(f"wanted a cell whose slow states only add up, found {chemistry.name}: use its stepper")


def _scan(linear: Memory, memory: Array, currents: Array, dt: float, gain: Array) -> tuple[Array, Array]:
    """Return the sum of each row's poles at the end of each step, shape (m, T), and the last memory."""
    count = len(currents)
    blocks = -(-count // BLOCK)
    padded = np.zeros((blocks, BLOCK))
    padded.ravel()[:count] = currents
    gained = -np.expm1(-linear.rate * dt) * linear.steady * gain[linear.row]
    ages = np.exp(-np.multiply.outer(linear.rate * dt, np.arange(BLOCK + 1)))
    into = gained[:, None] * ages[:, BLOCK - 1 :: -1]
    fresh = padded @ into.T
    starts = np.empty((blocks + 1, len(linear.rate)))
    starts[0] = memory
    whole = ages[:, BLOCK]
    for block in range(blocks):
        np.multiply(starts[block], whole, out=starts[block + 1])
        starts[block + 1] += fresh[block]
    z = np.empty((len(gain), blocks * BLOCK))
    delay = np.subtract.outer(np.arange(BLOCK), np.arange(BLOCK))
    for row, part in enumerate(linear.parts):
        kernel = gained[part] @ ages[part, :BLOCK]
        square = np.where(delay >= 0, kernel[np.maximum(delay, 0)], 0.0)
        z[row] = (padded @ square.T + starts[:-1, part] @ ages[part, 1:]).ravel()
    rest = count - (blocks - 1) * BLOCK
    last = starts[blocks - 1] * ages[:, rest] + into[:, BLOCK - rest :] @ padded[-1, :rest]
    return z[:, :count], last
