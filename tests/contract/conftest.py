"""A bench for every driver of ours: the driver, its emulator on a real line, a simulated cell behind it, a clock that tests move."""

import contextlib
import math
import tempfile
from pathlib import Path

from labctl.driver import Bounds, Program, ProgramStep, RecordRule, Rest
from labctl_drivers.arbin import Arbin
from labctl_drivers.biologic import BioLogic
from labctl_drivers.chamber import Espec, Memmert, Modbus
from labctl_drivers.contract.bench import Traits
from labctl_drivers.contract.stepped import SteppedInstrument
from labctl_drivers.grbl import Grbl
from labctl_drivers.keithley import Keithley2400, Keithley2450, Keithley2600
from labctl_drivers.maccor import Maccor
from labctl_drivers.neware import Neware
from labctl_drivers.palmsens import PalmSens
from labctl_drivers.practice import Practice
from labctl_drivers.rodeostat import Rodeostat
from labctl_drivers.simulated import Simulated
from labctl_drivers.zaber import Zaber
from labctl_simulators.models import load_model
from labctl_simulators.wire import (
    arbin,
    espec,
    grbl,
    keithley,
    keithley_tsp,
    maccor,
    memmert,
    modbus,
    neware,
    palmsens,
    practice,
    rodeostat,
    zaber,
)
from labctl_simulators.wire.biologic import MODELS, EmulatedBioLogic
from labctl_simulators.wire.biologic_channel import PotentiostatChannel
from labctl_simulators.wire.eclib import build
from labctl_simulators.wire.line import SerialPort, Server
from labctl_simulators.wire.neware_channel import CyclerChannel
from labctl_simulators.wire.terminal import Terminal

MODEL = "marquis2019"
BOUNDS = Bounds(voltage=(3.0, 4.2), current=(-0.7, 0.7))
PATIENT, SHORT = (
    30.0,
    0.15,
)  # s for a reply: of a line that works, on however busy a machine; of one that is made to be silent
OF_CELLS = {
    "test_a_verb_before_opening_is_an_error_of_ours": "a cell in the daemon has no line to open",
    "test_a_stage_gets_where_it_is_sent_and_says_so": "its cell of this suite does not bend",
}


class LineBench:
    """What the benches of wires share: a clock, a line, a cell's terminal."""

    channel = "1"
    bounds = BOUNDS
    current = 0.05
    traits = Traits()

    def __init__(self) -> None:
        self.now = 0.0
        self.device = self.make_device()
        self.line = self.make_line()

    def clock(self) -> float:
        return self.now

    def make_line(self):
        return Server(self.device, self.clock)

    async def start(self) -> None:
        self.driver = self.make_driver(await self.line.start())

    async def stop(self) -> None:
        await self.line.stop()

    async def let_pass(self, seconds: float) -> None:
        self.now += seconds

    async def unplug(self) -> None:
        self.wait(SHORT)
        self.line.unplug()
        self.line.faults.refuse = True

    def fault(self, text: str) -> None:
        faults = self.line.faults
        faults.pieces = faults.merge = faults.hang = faults.refuse = False
        faults.silence = faults.late = faults.garbage = faults.cut = 0
        faults.set(text)
        self.wait(SHORT if text else PATIENT)

    def wait(self, seconds: float) -> None:
        """Give a reply that much time from now on."""
        self.driver.timeout = seconds

    def truth(self) -> tuple[float, float]:
        return self.device.terminal.read(self.now)[:2]


class SerialBench(LineBench):
    async def unplug(self) -> None:
        await self.line.stop()

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        if self.driver._line is not None:
            with contextlib.suppress(OSError):  # it was pulled
                self.driver._line.timeout = seconds


class KeithleyBench(LineBench):
    driver_class = Keithley2450
    device_class = keithley.EmulatedKeithley2450

    def make_device(self):
        return self.device_class(Terminal(load_model(MODEL)))

    def make_driver(self, port):
        return self.driver_class(f"TCPIP0::127.0.0.1::{port}::SOCKET", timeout=PATIENT)

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        if self.driver._line.session is not None:
            self.driver._line.session.timeout = 1e3 * seconds

    async def restart(self) -> None:
        self.driver._line.session.timeout = 1e3 * SHORT  # of this connection; the next one is waited for
        self.line.unplug()
        self.device.reset()
        self.device.off_state = "HIMP"  # somebody has taken the leads off and put them on again
        self.device.impose()


class OlderKeithleyBench(KeithleyBench):
    driver_class = Keithley2400
    device_class = keithley.EmulatedKeithley2400


class TwoChannelKeithleyBench(KeithleyBench):
    channel = "a"
    driver_class = Keithley2600

    def make_device(self):
        return keithley_tsp.EmulatedKeithley2600([Terminal(load_model(MODEL)) for _ in range(2)])

    async def restart(self) -> None:
        self.driver._line.session.timeout = 1e3 * SHORT  # of this connection; the next one is waited for
        self.line.unplug()
        self.device.reset()
        self.device.units["smua"].set_off_state("HIMP")  # somebody has taken the leads off and put them on again

    def truth(self) -> tuple[float, float]:
        return self.device.units["smua"].terminal.read(self.now)[:2]


class PalmSensBench(SerialBench):
    def make_device(self):
        return palmsens.EmulatedPalmSens(Terminal(load_model(MODEL)))

    def make_line(self):
        return SerialPort(self.device, self.ticking)

    def ticking(self) -> float:
        self.now += 0.06  # after an error the module is deaf for 50 ms
        return self.now

    def make_driver(self, port):
        return PalmSens(port, timeout=PATIENT)

    async def let_pass(self, seconds: float) -> None:
        self.now += seconds
        self.line.push(self.device.poll(self.now))

    async def restart(self) -> None:
        self.device.restart(self.now)


class RodeostatBench(SerialBench):
    bounds = Bounds(voltage=(3.5, 4.0), current=(-1e-3, 1e-3))
    current = 1e-4

    def make_device(self):
        return rodeostat.EmulatedRodeostat(Terminal(load_model("voc1-atfb")))

    def make_line(self):
        return SerialPort(self.device, self.clock)

    def make_driver(self, port):
        return Rodeostat(port, timeout=PATIENT)

    async def restart(self) -> None:
        self.device.restart(self.now)


class NewareBench(LineBench):
    traits = Traits(faults=("pieces", "silence=1", "garbage=1", "cut=1", "hang"))

    def make_device(self):
        self.cycler = CyclerChannel(load_model(MODEL))
        return neware.Cycler({("27", "1", "4"): self.cycler})

    def make_driver(self, port):
        self.folder = tempfile.TemporaryDirectory(prefix="labctl-neware-")
        return Neware(host="127.0.0.1", channels={"1": "27-1-4"}, folder=self.folder.name, port=port, timeout=PATIENT)

    async def stop(self) -> None:
        await super().stop()
        self.folder.cleanup()

    def truth(self) -> tuple[float, float]:
        row = self.cycler.read(self.now)
        return row.voltage, row.current


class BioLogicBench(LineBench):
    """The vendor's library stands before the wire, with a wire and a patience of its own: silence is tested beside the driver."""

    traits = Traits(faults=("cut=1",))
    model = "vmp300"

    def make_device(self):
        self.cell = PotentiostatChannel(load_model(MODEL), MODELS[self.model][1])
        return EmulatedBioLogic([self.cell], self.model)

    def make_driver(self, port):
        self.folder = tempfile.TemporaryDirectory(prefix="labctl-biologic-")
        library = build(Path(tempfile.gettempdir()))
        return BioLogic(str(library), f"127.0.0.1:{port}", self.folder.name, timeout=PATIENT)

    async def stop(self) -> None:
        await super().stop()
        self.folder.cleanup()

    def wait(self, seconds: float) -> None:
        """Its patience is the library's, whatever this side would wait."""

    async def restart(self) -> None:
        self.cell.restart(self.now)

    def truth(self) -> tuple[float, float]:
        return self.cell.read(self.now)


class MaccorBench(LineBench):
    def make_device(self):
        self.tester = maccor.MaccorChannel(Terminal(load_model(MODEL)))
        return maccor.EmulatedMaccor([self.tester])

    def make_driver(self, port):
        self.folder = tempfile.TemporaryDirectory(prefix="labctl-maccor-")
        return Maccor(host="127.0.0.1", channels={"1": 1}, folder=self.folder.name, port=port, timeout=PATIENT)

    async def stop(self) -> None:
        await super().stop()
        self.folder.cleanup()

    async def restart(self) -> None:
        self.tester.reset()

    def truth(self) -> tuple[float, float]:
        self.tester.advance(self.now)
        return self.tester.terminal.read(self.now)[:2]


class ArbinBench(LineBench):
    def make_device(self):
        self.cycler = arbin.ArbinChannel(Terminal(load_model(MODEL)))
        return arbin.EmulatedArbin([self.cycler])

    def make_driver(self, port):
        return Arbin(host="127.0.0.1", channels={"1": 1}, user="admin", password="000000", port=port, timeout=PATIENT)

    async def restart(self) -> None:
        self.cycler.end(arbin.IDLE, "", self.now)

    def truth(self) -> tuple[float, float]:
        self.cycler.advance(self.now)
        return self.cycler.cell.read(self.now)


class PracticeBench(LineBench):
    def make_device(self):
        cell = load_model(MODEL)
        return practice.EmulatedPractice([(cell, cell.initial())], 0.0)

    def make_driver(self, port):
        return Practice(port=port, timeout=PATIENT)

    def truth(self) -> tuple[float, float]:
        return self.device.channels["1"].read(self.now)[1:3]


class GrblBench(SerialBench):
    angle = 90.0  # degrees
    bounds = Bounds(voltage=(0.0, 1.0))

    def make_device(self):
        return grbl.Stage()

    def make_line(self):
        return SerialPort(self.device, self.clock)

    def make_driver(self, port):
        return Grbl(port, {"0": -5.0, "90": -40.0}, timeout=PATIENT)

    def truth(self) -> tuple[float, float]:
        return math.nan, 0.0


class ZaberBench(GrblBench):
    def make_device(self):
        return zaber.ZaberStage(flags=set())

    def make_driver(self, port):
        return Zaber(port, 0.00049609375, {"0": 5.0, "90": 40.0}, timeout=PATIENT)


class EspecBench(LineBench):
    bounds = Bounds(voltage=(0.0, 1.0))
    traits = Traits(faults=("pieces", "silence=1", "garbage=1", "cut=1", "hang"))

    def make_device(self):
        return espec.EmulatedEspec()

    def make_driver(self, port):
        made = Espec(f"socket://127.0.0.1:{port}", timeout=PATIENT)
        made.count_by(self.clock)
        return made

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        if self.driver._line is not None:
            with contextlib.suppress(OSError):
                self.driver._line.timeout = seconds

    def truth(self) -> tuple[float, float]:
        return math.nan, 0.0


class MemmertBench(LineBench):
    bounds = Bounds(voltage=(0.0, 1.0))
    traits = Traits(faults=("pieces", "silence=1", "garbage=1", "cut=1", "hang"))

    def make_device(self):
        return memmert.EmulatedMemmert()

    def make_driver(self, port):
        made = Memmert("127.0.0.1", port=port, timeout=PATIENT)
        made.count_by(self.clock)
        return made

    def truth(self) -> tuple[float, float]:
        return math.nan, 0.0


class ModbusBench(EspecBench):
    traits = Traits(faults=("pieces", "silence=1", "garbage=1", "cut=1", "hang"))

    def make_device(self):
        return modbus.EmulatedModbus()

    def make_driver(self, port):
        made = Modbus(f"socket://127.0.0.1:{port}", map="binder-mk53", timeout=PATIENT)
        made.count_by(self.clock)
        return made


class SimulatedBench(LineBench):
    unplug = None
    traits = Traits(excused=OF_CELLS, faults=())

    def __init__(self) -> None:
        self.now = 0.0
        self.driver = SteppedInstrument(self.make_stepped(), self.clock)

    def make_stepped(self) -> Simulated:
        made = Simulated()
        made.insert("1", {"model": MODEL})
        return made

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def truth(self) -> tuple[float, float]:
        """Let a twin of the cell go on to this moment; before the first program it rests."""
        twin = self.make_stepped()
        twin.restore("1", self.driver.stepped.save("1"))
        begun = self.driver.begun.get("1", self.now)
        if "1" not in self.driver.begun:
            twin.begin("1", Program(1, (ProgramStep(1, Rest(), (), (RecordRule(every=1.0),)),)))
        twin.advance("1", self.now - begun)
        last = twin._channels["1"]._last
        return last.voltage, last.current

    def fault(self, text: str) -> None:
        assert not text


def pytest_labctl_benches():
    return {
        "keithley2450": KeithleyBench,
        "keithley2400": OlderKeithleyBench,
        "keithley2600": TwoChannelKeithleyBench,
        "palmsens": PalmSensBench,
        "rodeostat": RodeostatBench,
        "neware": NewareBench,
        "maccor": MaccorBench,
        "arbin": ArbinBench,
        "biologic": BioLogicBench,
        "espec": EspecBench,
        "memmert": MemmertBench,
        "modbus": ModbusBench,
        "practice": PracticeBench,
        "grbl": GrblBench,
        "zaber": ZaberBench,
        "simulated": SimulatedBench,
    }
