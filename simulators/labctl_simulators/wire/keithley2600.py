"""`labctl emulate keithley2600`: a source meter of two channels on a TCP port, one connection at a time."""

from argparse import Namespace
from collections.abc import Sequence

from labctl_simulators.wire.keithley_tsp import EmulatedKeithley2600
from labctl_simulators.wire.program import Kind, parser, run
from labctl_simulators.wire.terminal import Terminal

KIND = Kind("keithley2600", port=5025, only=1, air=True)
CHANNELS = 2


def main(argv: Sequence[str]) -> int:
    """Serve until a signal ends the process."""
    return run(KIND, parser(KIND), argv, made)


def made(given: Namespace) -> EmulatedKeithley2600:
    """Return it with its cells connected, as one that a driver has opened before."""
    device = EmulatedKeithley2600([Terminal(given.cell, given.state, air=given.air) for _ in range(CHANNELS)])
    for unit in device.units.values():
        unit.at_high_impedance()
    return device
