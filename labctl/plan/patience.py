"""How long an energised cell may go without a good reading before it is switched off."""

from typing import Final

from labctl.driver import Capabilities, Loop, Program, ProgramStep, Spectrum, Sweep

BLIND: Final = 2.0  # s without a good reading
ROWS: Final = 3  # or so many rows, where they come further apart
CYCLES: Final = 2.0  # of a spectrum's frequency that one point may take
BESIDE: Final = 1.0  # s besides
SWEPT: Final = 1e-3  # V between two rows of a sweep


def patience(program: Program | None, capabilities: Capabilities) -> float:
    """Return how many seconds an energised channel may go without a good reading: 2 s or three rows, whichever is longer.

    An instrument that is polled gives a row a poll. One that measures at its own times announces by its program how far apart
    they come: by the record rules, by the rate of a sweep, by the slowest point of a spectrum.

    Args:
        program: What the channel runs, None for nothing.
        capabilities: Of the channel.
    """
    longest = capabilities.poll_at_most
    if capabilities.ends and program is not None:
        longest = max((_longest(step) for step in program.steps if not isinstance(step, Loop)), default=longest)
    return max(BLIND, ROWS * longest)


def _longest(step: ProgramStep) -> float:
    """Return the longest time between two readings that a step announces, s."""
    match step.mode:
        case Spectrum(frequencies):
            return (CYCLES / min(frequencies) + BESIDE) / ROWS if frequencies else 0.0
        case Sweep(rate=rate):
            return SWEPT / rate
    return max((rule.every for rule in step.record if rule.every is not None), default=1.0)
