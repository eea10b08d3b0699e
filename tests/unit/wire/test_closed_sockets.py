"""Drivers over `socket://`: where the other end has gone, closing leaves no socket open (pyserial's own closing does)."""

import asyncio

import pytest

from labctl.driver import Program, ProgramStep, Rest
from labctl.errors import InstrumentError
from labctl_drivers.chamber import Espec, Modbus
from labctl_drivers.grbl import Grbl
from labctl_drivers.palmsens import PalmSens
from labctl_simulators.models import load_model
from labctl_simulators.wire.espec import EmulatedEspec
from labctl_simulators.wire.grbl import Stage
from labctl_simulators.wire.line import Server
from labctl_simulators.wire.modbus import EmulatedModbus
from labctl_simulators.wire.palmsens import EmulatedPalmSens
from labctl_simulators.wire.terminal import Terminal

LINES = {
    "espec": (EmulatedEspec, Espec),
    "modbus": (EmulatedModbus, lambda url, timeout: Modbus(url, map="binder-mk53", timeout=timeout)),
    "grbl": (Stage, lambda url, timeout: Grbl(url, {"0": 0.0, "90": -40.0}, timeout=timeout)),
    "palmsens": (lambda: EmulatedPalmSens(Terminal(load_model("marquis2019"))), PalmSens),
}


def ticking():
    """A clock that goes on by a tenth of a second whenever it is looked at."""
    ticks = iter(range(1, 10**9))
    return lambda: next(ticks) / 10.0


async def asked(made):
    await made.apply("1", Program(1, (ProgramStep(1, Rest()),)))
    await made.status("1")


@pytest.mark.parametrize("name", LINES)
async def test_a_line_whose_other_end_has_gone_leaves_no_socket_open(name):
    device, driver = LINES[name]
    line = Server(device(), ticking())
    made = driver(f"socket://127.0.0.1:{await line.start()}", timeout=5.0)
    await made.open()
    socket = made._line._socket
    assert socket.fileno() >= 0
    line.unplug()
    line.faults.refuse = True
    async with asyncio.timeout(30.0):
        for _ in range(3):
            with pytest.raises(InstrumentError):
                await asked(made)
        with pytest.raises(InstrumentError):
            await made.open()
    await made.close()
    assert socket.fileno() == -1
    await line.stop()
