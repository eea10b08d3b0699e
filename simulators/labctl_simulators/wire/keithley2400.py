"""`labctl emulate keithley2400`: a source meter on a TCP port, one connection at a time."""

from argparse import Namespace
from collections.abc import Sequence

from labctl_simulators.wire.keithley import EmulatedKeithley2400
from labctl_simulators.wire.program import Kind, parser, run
from labctl_simulators.wire.terminal import Terminal

KIND = Kind("keithley2400", port=5025, only=1, air=True)


def main(argv: Sequence[str]) -> int:
    """Serve until a signal ends the process."""
    return run(KIND, parser(KIND), argv, made)


def made(given: Namespace) -> EmulatedKeithley2400:
    """Return it with its cell connected, as one that a driver has opened before."""
    return EmulatedKeithley2400(Terminal(given.cell, given.state, air=given.air)).at_high_impedance()
