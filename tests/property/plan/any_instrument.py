"""An instrument with the capabilities of any driver, on a capacitor, on a clock that moves row by row: plans run on it to their end."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from labctl.driver import (
    Capabilities,
    ConstantLoad,
    ConstantPower,
    Galvanostatic,
    Loop,
    Potentiostatic,
    Profile,
    Program,
    ProgramStep,
    Spectrum,
    Sweep,
    Threshold,
)
from labctl.engine.fold import begin, fold
from labctl.engine.input import Apply, Began, Event, Finish, Input, Off, Order, StepEnded
from labctl.engine.state import Outcome, State
from labctl.plan.step import Plan
from labctl.sample import Batch

SWING = 0.02  # V that the open circuit moves between two rows, at most
LONGEST = 1800.0  # s between two rows
TINY = 1e-9


@dataclass
class AnyInstrument:
    """Runs programs as `Capabilities` say: ends and spans that it holds it locates, the rest is the daemon's.

    Attributes:
        told: Every program that it was given, as the driver is to be told it.
    """

    plan: Plan
    capabilities: Capabilities
    told: Callable[[Program], object] = lambda _: None
    charge: float = 1.8  # C
    whole: float = 3.6  # C between 2 V and 4.3 V
    resistance: float = 2.0
    time: float = 0.0
    program: Program | None = None
    at: int = 0
    began: float = 0.0
    first: float = 0.0  # charge at the step's begin, signed sum
    span: tuple[int, float, float] | None = None
    net: float = 0.0
    plus: float = 0.0
    minus: float = 0.0
    loops: dict[int, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    commands: list[object] = field(default_factory=list)
    finish: Finish | None = None
    state: State = None  # type: ignore[assignment]
    rows: int = 0

    def run(self, most: int) -> bool:
        """Run to the end; return whether it came within so many rows. A person answers every question by going on."""
        self._heard(begin(self.plan, self.capabilities, ("cell",)))
        asked = 0
        while self.finish is None and self.rows < most:
            self._obey()
            if self.finish is not None:
                break
            if self.state.phase in {"asking", "paused"}:
                asked += 1
                self._tell(Order("skip" if asked < 20 else "stop", "1", "me", ""))
            elif self.state.activity == "waiting":
                self._tell(Order("confirm", "1", "me", ""))
            else:
                self._row()
        return self.finish is not None

    # --- commands ---

    def _obey(self) -> None:
        while self.commands:
            match self.commands.pop(0):
                case Apply(role="cell") as command:
                    self.told(command.program)
                    self.program, self.loops, self.span = command.program, {}, None
                    self._tell(Began(command.attempt, self.time))
                    self._enter(0)
                case Off():
                    self.program = None

    def _enter(self, at: int) -> None:
        steps = self.program.steps if self.program else ()
        while at < len(steps) and isinstance(loop := steps[at], Loop):
            self.loops[at] = self.loops.get(at, 0) + 1
            again = self.loops[at] < loop.passes
            self.loops[at] = self.loops[at] if again else 0
            at = loop.to if again else at + 1
        self.at, self.began, self.first = at, self.time, self.net
        spans = self.program.spans if self.program else ()
        starts = any(span.first == at for span in spans)
        inside = any(span.first < at <= span.last for span in spans)
        self.span = (at, self.time, self.net) if starts else self.span if inside else None
        if at < len(steps):
            self._give(0.0)

    # --- the cell ---

    def _open(self) -> float:
        return 2.0 + 2.3 * self.charge / self.whole

    def _current(self, dt: float = 0.0) -> float:
        step = self.program.steps[self.at] if self.program and self.at < len(self.program.steps) else None
        mode, passed = (step.mode if isinstance(step, ProgramStep) else None), self.time + dt - self.began
        match mode:
            case Galvanostatic(current):
                return current
            case Potentiostatic(voltage, most):
                return self._held(voltage, most)
            case ConstantPower(power):
                root = self._open() ** 2 + 4 * self.resistance * power
                return (math.sqrt(max(root, 0.0)) - self._open()) / (2 * self.resistance)
            case ConstantLoad(resistance):
                return -self._open() / (resistance + self.resistance)
            case Sweep(start, end, rate):
                gone = min(passed * rate, abs(end - start))
                return self._held(start + math.copysign(gone, end - start), None)
            case Profile(times, values, quantity):
                value = values[max((at for at, when in enumerate(times[:-1]) if when <= passed + TINY), default=0)]
                return value if quantity == "current" else value / self._open()
        return 0.0

    def _held(self, voltage: float, most: float | None) -> float:
        limit = 0.02 if most is None else most
        return min(max((voltage - self._open()) / self.resistance, -limit), limit)

    # --- rows ---

    def _row(self) -> None:
        """Let time pass until the next row, or until an end that the instrument holds."""
        step = self.program.steps[self.at] if self.program and self.at < len(self.program.steps) else None
        if not isinstance(step, ProgramStep):
            self._give(10.0)
            return
        current = self._current()
        dt = min(LONGEST, SWING * self.whole / 2.3 / abs(current) if abs(current) > TINY else LONGEST)
        dt = min([dt, *(left for left in self._left(step) if left > TINY)])
        own = self._own(step)
        dt = dt if own is None else min(dt, max(own, 0.0))
        self._give(dt)
        if self.commands or self.finish or self.program is None or self.state.phase != "running":
            return
        met = self._met(step)
        if met is not None:
            number, after = met
            self._ended(number, after)
        elif own is not None and own <= dt + TINY:
            self._ended(None, self.at + 1)

    def _own(self, step: ProgramStep) -> float | None:
        passed = self.time - self.began
        match step.mode:
            case Sweep(start, end, rate):
                return abs(end - start) / rate - passed
            case Profile(times):
                return times[-1] - times[0] - passed
            case Spectrum(frequencies):
                return sum(1.0 / frequency for frequency in frequencies) - passed
        return None

    def _ends(self, step: ProgramStep) -> list[tuple[Threshold, float, float, int]]:
        """Return every end that is held, with the time and charge that it counts from, and the step that follows."""
        assert self.program is not None
        found = [(end, self.began, self.first, self.at + 1) for end in step.ends]
        for span in self.program.spans:
            if span.first <= self.at <= span.last and self.span is not None:
                found += [(end, self.span[1], self.span[2], span.last + 1) for end in span.ends]
        return found

    def _left(self, step: ProgramStep) -> list[float]:
        """Return how long it may be until an end by time or charge."""
        current = abs(self._current())
        left = [end.value - (self.time - began) for end, began, _, _ in self._ends(step) if end.quantity == "time"]
        return left + [
            (end.value - abs(self.net - first)) / current
            for end, _, first, _ in self._ends(step)
            if end.quantity == "charge" and current > TINY
        ]

    def _met(self, step: ProgramStep) -> tuple[int, int] | None:
        current = self._current()
        voltage = self._open() + current * self.resistance
        for end, began, first, after in self._ends(step):
            now = {
                "time": self.time - began, "charge": abs(self.net - first), "voltage": voltage, "current": abs(current),
                "power": abs(voltage * current),
            }[end.quantity]  # fmt: skip
            if (now >= end.value - TINY) if end.above else (now <= end.value + TINY):
                return end.number, after
        return None

    def _ended(self, number: int | None, after: int) -> None:
        attempt = self.program.attempt if self.program else 0
        outcome = self._tell(StepEnded(attempt, self.at, self.time, number))
        if not outcome.commands and self.finish is None and self.program is not None:
            self._enter(after)

    def _give(self, dt: float) -> None:
        passed = self._current() * dt
        self.time, self.charge, self.net = self.time + dt, self.charge + passed, self.net + passed
        self.plus, self.minus = self.plus + max(passed, 0.0) / 3600.0, self.minus + max(-passed, 0.0) / 3600.0
        current = self._current()
        voltage = self._open() + current * self.resistance
        warm = np.array([25.0]) if "temperature" in self.capabilities.measures else None
        columns = (np.array([each]) for each in (self.time, voltage, current, self.plus, self.minus))
        self.rows += 1
        self._tell(Batch(*columns, temperature_celsius=warm, step=self.at))

    def _tell(self, given: Input) -> Outcome:
        outcome = fold(self.plan, self.state, given)
        self._heard(outcome)
        return outcome

    def _heard(self, outcome: Outcome) -> None:
        self.state = outcome.state
        self.events += outcome.events
        self.commands += [command for command in outcome.commands if not isinstance(command, Finish)]
        self.finish = next((command for command in outcome.commands if isinstance(command, Finish)), self.finish)
