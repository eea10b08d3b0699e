"""A Rodeostat on its serial line: the tests `constant` and `linearSweep` of the open firmware FW0.1.0, and its electrode switches.

Facts: iorodeo/potentiostat, firmware. Kept: one JSON object a line; a reply repeats the command; samples come while a test runs,
and `{}` when it has ended, or was stopped though none ran; with `autoConnect` a test connects the electrodes and opens them at its
end; a connected board without a test holds its last voltage; a current beyond its range is told as the range's end with `le`.
Hardware V0.1 has no switches and always holds.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from labctl_simulators.cell import AtOpenCircuit, Drive, Voltage, VoltageSweep
from labctl_simulators.wire.program import Kind, parser, run
from labctl_simulators.wire.terminal import Terminal

KIND = Kind("rodeostat", serial=True, air=True)
VARIANTS = {  # ranges by name, uA
    "10V_24MilliAmpV0.2": {"100uA": 100.0, "1000uA": 1000.0, "12000uA": 12024.0, "24000uA": 24048.0},
    "10V_10MilliAmpV0.2": {"10uA": 10.0, "100uA": 100.0, "1000uA": 1000.0, "10000uA": 10000.0},
    "10V_microAmpV0.2": {"1uA": 1.0, "10uA": 10.0, "100uA": 100.0, "1000uA": 1000.0},
    "AD8250_microAmpV0.1": {"1uA": 1.0, "10uA": 10.0, "100uA": 100.0, "1000uA": 1000.0},
}
RAIL = 0.03  # A that the output gives at most
PERIODS = (1, 1000)  # ms between two samples
ELECTRODES = ("Ref", "Ctr", "Wrk")
TESTS: dict[str, dict[str, float]] = {
    "constant": {"quietValue": 0.0, "quietTime": 0, "value": 0.0, "duration": 1000},
    "linearSweep": {"quietValue": 0.0, "quietTime": 0, "startValue": 0.0, "finalValue": 1.0, "duration": 1000},
}


class RefusedError(Exception):
    """A command that is answered by a message."""


@dataclass(slots=True)
class RunningTest:
    """A test: its name and parameters, when it began, and how many samples it has said."""

    name: str
    parameters: dict[str, float]
    begin: float
    said: int = 0

    def set_point(self, time: float) -> float:
        """Return the voltage at a time in ms."""
        given = self.parameters
        if time < given["quietTime"]:
            return given["quietValue"]
        if self.name == "constant":
            return given["value"]
        way = given["finalValue"] - given["startValue"]
        return given["startValue"] + way * (time - given["quietTime"]) / given["duration"]

    def end(self) -> float:
        """Return how long it takes, ms."""
        return self.parameters["quietTime"] + self.parameters["duration"]


class EmulatedRodeostat:
    """One board with one channel; `receive` answers what is asked, `poll` gives what a running test has said by then."""

    def __init__(self, terminal: Terminal, variant: str = "10V_24MilliAmpV0.2", device_id: int = 7) -> None:
        """Power up; `variant` is one of the keys of `VARIANTS`."""
        self.terminal = terminal
        self.variant = variant
        self.device_id = device_id
        self.switches = variant.endswith("V0.2")
        self._buffer = b""
        self.restart(0.0)

    def restart(self, now: float) -> None:
        """Forget everything, as after a power cut: the electrodes are open where there are switches."""
        self.connected = dict.fromkeys(ELECTRODES, not self.switches)
        self.automatic = True
        self.volt, self.period = 0.0, 10
        self.range = next(iter(VARIANTS[self.variant]))
        self.parameters = {name: dict(given) for name, given in TESTS.items()}
        self.test: RunningTest | None = None
        self.impose(now)

    def greeting(self) -> bytes:
        """Say nothing when the port is opened."""
        return b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Take bytes at a time and return what is said by then."""
        said = [self.poll(now)]
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            said.append(self.answer(line, now))
            if b'"stopTest"' in line:
                said.append(b"{}\r\n")
        return [each for each in said if each]

    def poll(self, now: float) -> bytes:
        """Return the samples that a running test has said by `now`, and its end."""
        return b"".join(as_line(each) for each in self._samples(now))

    def _samples(self, now: float) -> Iterator[dict[str, Any]]:
        while (test := self.test) is not None:
            time = (test.said + 1) * self.period
            if min(time, test.end()) > 1e3 * (now - test.begin) + 1e-6:
                return
            if time <= test.end():
                test.said += 1
                yield self._sample(test, time)
            else:
                self.stop(test.begin + 1e-3 * test.end())
                yield {}

    def _sample(self, test: RunningTest, time: int) -> dict[str, Any]:
        _, current, _ = self.terminal.read(test.begin + 1e-3 * time)
        most = VARIANTS[self.variant][self.range]
        micro = 1e6 * current
        sample = {"t": time, "v": round(test.set_point(time), 6), "i": round(min(max(micro, -most), most), 6)}
        return sample | ({"le": True} if abs(micro) > most else {})

    def answer(self, line: bytes, now: float) -> bytes:
        """Answer one line."""
        try:
            asked = json.loads(line)
        except ValueError:
            return as_line({"success": False, "message": "unable to parse json", "response": {}})
        command = str(asked.get("command"))
        obey = self.commands().get(command)
        if obey is None:
            return as_line({"success": False, "message": f"command, {command}, not found", "response": {}})
        response = {"command": command} | ({"test": asked["test"]} if "test" in asked else {})
        try:
            return as_line({"success": True, "response": response | obey(asked, now)})
        except RefusedError as error:
            return as_line({"success": False, "message": str(error), "response": response})
        except KeyError as error:
            message = f"json does not contain key: {error.args[0]}"
            return as_line({"success": False, "message": message, "response": response})

    def commands(self) -> dict[str, Callable[[dict[str, Any], float], dict[str, Any]]]:
        """Return what the board understands; what belongs to switches only where it has some."""
        known: dict[str, Callable[[dict[str, Any], float], dict[str, Any]]] = {
            "getVersion": lambda *_: {"version": "FW0.1.0"},
            "getVariant": lambda *_: {"variant": self.variant},
            "getDeviceId": lambda *_: {"deviceId": self.device_id},
            "getTestNames": lambda *_: {"testNames": list(TESTS)},
            "getMuxEnabled": lambda *_: {"muxEnabled": False},
            "getVolt": lambda *_: {"v": self.volt},
            "getCurr": lambda _, now: {"i": round(1e6 * self.terminal.read(now)[1], 6)},
            "getRefVolt": lambda _, now: {"r": self.potential(now)},
            "setVolt": self.set_volt,
            "getParam": lambda asked, _: {"param": self.parameters_of(asked)},
            "setParam": self.set_parameters,
            "getTestDoneTime": lambda asked, _: {"testDoneTime": RunningTest("", self.parameters_of(asked), 0.0).end()},
            "getCurrRange": lambda *_: {"currRange": self.range},
            "setCurrRange": self.set_range,
            "getSamplePeriod": lambda *_: {"samplePeriod": self.period},
            "setSamplePeriod": self.set_period,
            "runTest": self.begin,
            "stopTest": self.stopped,
        }
        if not self.switches:
            return known
        for name in (*ELECTRODES, "All"):
            known[f"get{name}ElectConnected"] = partial(self.tell, name)
            known[f"set{name}ElectConnected"] = partial(self.connect, name)
        known["getElectAutoConnect"] = lambda *_: {"autoConnect": self.automatic}
        known["setElectAutoConnect"] = self.set_automatic
        known["getHardwareVersion"] = lambda *_: {"version": "V0.2"}
        return known

    def tell(self, name: str, *_: object) -> dict[str, Any]:
        """Answer whether an electrode, or every one, is connected."""
        return {"connected": all(self.connected.values()) if name == "All" else self.connected[name]}

    def connect(self, name: str, asked: dict[str, Any], now: float) -> dict[str, Any]:
        """Connect or open an electrode, or all."""
        self.connected.update(dict.fromkeys(ELECTRODES if name == "All" else (name,), bool(asked["connected"])))
        self.impose(now)
        return self.tell(name)

    def potential(self, now: float) -> float:
        """Return what is measured between the electrodes, V."""
        return round(self.terminal.read(now)[0], 6) if self.connected["Ref"] and self.connected["Wrk"] else 0.0

    def parameters_of(self, asked: dict[str, Any]) -> dict[str, float]:
        """Return the parameters of the test that is named."""
        if asked["test"] not in self.parameters:
            raise RefusedError("test not found")
        return self.parameters[asked["test"]]

    def set_parameters(self, asked: dict[str, Any], _: float) -> dict[str, Any]:
        """Set those parameters that are given and known, to the seven digits of a float."""
        kept = self.parameters_of(asked)
        kept.update({name: float(f"{value:.7g}") for name, value in asked["param"].items() if name in kept})
        return {"param": kept}

    def set_volt(self, asked: dict[str, Any], now: float) -> dict[str, Any]:
        """Set the voltage that holds where no test runs."""
        self.volt = float(asked["v"])
        self.impose(now)
        return {"v": self.volt}

    def set_range(self, asked: dict[str, Any], _: float) -> dict[str, Any]:
        """Set the current range."""
        if asked["currRange"] not in VARIANTS[self.variant]:
            raise RefusedError("range not found")
        self.range = asked["currRange"]
        return {"currRange": self.range}

    def set_period(self, asked: dict[str, Any], _: float) -> dict[str, Any]:
        """Set the time between two samples."""
        value = asked["samplePeriod"]
        if not isinstance(value, int) or not PERIODS[0] <= value <= PERIODS[1]:
            raise RefusedError(f"json samplePeriod value is too {'large' if value else 'small'}")
        self.period = value
        return {"samplePeriod": value}

    def set_automatic(self, asked: dict[str, Any], _: float) -> dict[str, Any]:
        """Let tests connect the electrodes, or not."""
        self.automatic = bool(asked["autoConnect"])
        return {"autoConnect": self.automatic}

    def begin(self, asked: dict[str, Any], now: float) -> dict[str, Any]:
        """Begin a test, instead of what runs."""
        self.test = RunningTest(asked["test"], dict(self.parameters_of(asked)), now)
        if self.automatic:
            self.connected.update(dict.fromkeys(ELECTRODES, True))
        self.impose(now)
        return {}

    def stopped(self, _: dict[str, Any], now: float) -> dict[str, Any]:
        """Stop what runs, or nothing."""
        self.stop(now)
        return {}

    def stop(self, now: float) -> None:
        """End the test."""
        if self.test is not None:
            self.volt = self.test.set_point(1e3 * (now - self.test.begin))
        self.test = None
        if self.automatic and self.switches:
            self.connected.update(dict.fromkeys(ELECTRODES, False))
        self.impose(now)

    def impose(self, now: float) -> None:
        """Put across the cell what holds; with an electrode open, nothing does."""
        drive: Drive = AtOpenCircuit()
        if all(self.connected.values()):
            drive = Voltage(self.volt, RAIL)
            if self.test is not None and self.test.name == "constant":
                drive = Voltage(self.test.parameters["value"], RAIL)
            elif self.test is not None:
                given = self.test.parameters
                seconds = 1e-3 * given["duration"]
                rate = abs(given["finalValue"] - given["startValue"]) / seconds
                drive = VoltageSweep(given["startValue"], given["finalValue"], rate)
        self.terminal.drive(drive, now)


def as_line(value: dict[str, Any]) -> bytes:
    """Return a value as the board prints it."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\r\n"


def main(argv: Sequence[str]) -> int:
    """Serve until a signal ends the process."""
    words = parser(KIND)
    words.add_argument("--variant", choices=sorted(VARIANTS), default="10V_24MilliAmpV0.2", help="which board")
    return run(
        KIND,
        words,
        argv,
        lambda given: EmulatedRodeostat(Terminal(given.cell, given.state, air=given.air), given.variant),
    )
