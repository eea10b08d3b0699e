"""Plans by hand and a small cell to run them on: what the engine's tests share."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from labctl.driver import Bounds, Capabilities, Galvanostatic, Loop, Potentiostatic, Program, ProgramStep, Threshold
from labctl.engine.fold import begin, fold
from labctl.engine.input import Apply, Began, Event, Finish, Input, Off, Order, StepEnded
from labctl.engine.state import Outcome, State
from labctl.plan.step import Block, CellFigures, Condition, End, Line, Plan, Term
from labctl.sample import Batch

BOUNDS = Bounds(voltage=(0.0, 5.0), current=(-1.0, 1.0), charge=36000.0)
FULL = CellFigures("cell", "full", nominal=3600.0, efficiency="discharge/charge", retention="discharge")
SYMMETRIC = CellFigures("sym", "symmetric", nominal=3600.0)

PUPPET = Capabilities(modes=frozenset({"Rest", "Galvanostatic", "Potentiostatic"}), voltage_accuracy=1e-3)
LOCATES = replace(PUPPET, records=True, energises=False,
                  ends=frozenset({"time", "voltage", "current", "charge"}))  # fmt: skip


def cond(text: str) -> Condition:
    """`voltage > 3.8 and time > 10`; `d voltage < 1e-6 over 60` is a slope, `|voltage|` a magnitude."""
    return Condition(
        text, tuple(tuple(_term(part) for part in alternative.split(" and ")) for alternative in text.split(" or "))
    )


def _term(text: str) -> Term:
    words = text.split()
    if words[0].startswith("short"):
        return Term(words[0], ">", 0.0)
    slope = words[0] == "d"
    words = words[1:] if slope else words
    absolute = words[0].startswith("|")
    over = float(words[4]) if len(words) > 4 and words[3] == "over" else 60.0
    reference = words[4] if len(words) > 4 and words[3] == "of" else None
    cycles = int(words[words.index("x") + 1]) if "x" in words else 1
    return Term(
        words[0].strip("|"),
        words[1],
        float(words[2]),
        absolute,
        slope,
        over,  # type: ignore[arg-type]
        reference if reference in {None, "max"} else int(reference),
        cycles,
    )  # type: ignore[arg-type]


def end(kind: str, text: str) -> End:
    return End(kind, cond(text))  # type: ignore[arg-type]


def until(seconds: float | None = None, to: str = "", capacity: float | None = None, *more: str) -> tuple[End, ...]:
    ends = [end("to", to)] if to else []
    ends += [end("capacity", f"capacity >= {capacity}")] if capacity is not None else []
    ends += [end("until", text) for text in more]
    ends += [end("for", f"time >= {seconds}")] if seconds is not None else []
    return tuple(ends)


def rest(line: int, seconds: float, *more: str) -> Line:
    return Line(line, "rest", "Rest", ends=until(seconds, "", None, *more), bounds=BOUNDS)


def charge(line: int, current: float, ends: tuple[End, ...], **more: object) -> Line:
    verb = "charge" if current > 0 else "discharge"
    return Line(line, verb, "Galvanostatic", {"current": current}, ends, bounds=BOUNDS, **more)  # type: ignore[arg-type]


def hold(line: int, voltage: float, *ends: End) -> Line:
    return Line(line, "hold", "Potentiostatic", {"voltage": voltage}, ends, bounds=BOUNDS)


def prompt(line: int, say: str, **options: object) -> Line:
    return Line(line, "prompt", "Rest", bounds=BOUNDS, options={"say": say, **options})  # type: ignore[arg-type]


def plan(
    *children: Block | Line, cell: CellFigures = FULL, ocv: tuple[float, float] | None = None, **more: object
) -> Plan:
    return Plan("test", Block(0, children), cell, ocv, **more)  # type: ignore[arg-type]


def rows(time: Sequence[float], voltage: Sequence[float] | float, current: Sequence[float] | float,
         charging: Sequence[float] | float = 0.0, discharging: Sequence[float] | float = 0.0, **more: object) -> Batch:  # fmt: skip
    t = np.asarray(time, float)
    full = (
        np.array(np.broadcast_to(np.asarray(each, float), t.shape))
        for each in (voltage, current, charging, discharging)
    )
    return Batch(t, *full, **more)  # type: ignore[arg-type]


@dataclass
class Cell:
    """A capacitor behind a resistor: V = low + (high - low) q / Q + I R."""

    charge: float = 1800.0  # C
    most: float = 3600.0
    low: float = 3.0
    high: float = 4.4
    resistance: float = 0.1

    def open(self, charge: float) -> float:
        return self.low + (self.high - self.low) * charge / self.most

    def current(self, mode: object, charge: float) -> float:
        match mode:
            case Galvanostatic(current):
                return current
            case Potentiostatic(voltage, most):
                wanted = (voltage - self.open(charge)) / self.resistance
                return min(max(wanted, -(most or 1.0)), most or 1.0)
        return 0.0


@dataclass
class Bench:
    """A channel with a cell on it: obeys commands, gives rows every `every` s, and keeps all that it told the engine."""

    plan: Plan
    capabilities: Capabilities = PUPPET
    every: float = 1.0
    cell: Cell = field(default_factory=Cell)
    delay: float = 0.0  # s between a command and its confirmation
    piece: int = 50  # rows of a batch
    roles: tuple[str, ...] = ("cell",)
    time: float = 0.0
    program: Program | None = None
    at: int = 0
    began: float = 0.0
    step_began: float = 0.0
    passed: float = 0.0  # C in this step of the program
    fresh: bool = False  # the first row of a step comes at its begin
    counters: tuple[float, float] = (0.0, 0.0)
    loops: dict[int, int] = field(default_factory=dict)
    told: list[Input] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    commands: list[object] = field(default_factory=list)
    finish: Finish | None = None
    state: State = None  # type: ignore[assignment]

    def start(self) -> "Bench":
        self._heard(begin(self.plan, self.capabilities, self.roles))
        self.obey()
        return self

    def tell(self, given: Input) -> Outcome:
        outcome = fold(self.plan, self.state, given)
        if isinstance(given, Batch):
            given = given.rows(0, outcome.taken)
        if not isinstance(given, Batch) or len(given):
            self.told.append(given)
        self._heard(outcome)
        return outcome

    def order(self, verb: str, text: str = "") -> Outcome:
        outcome = self.tell(Order(verb, "1", "me", text))  # type: ignore[arg-type]
        self.obey()
        return outcome

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def of(self, kind: str) -> list[dict[str, object]]:
        return [dict(event.data) for event in self.events if event.kind == kind]

    def run(self, most: int = 4000) -> "Bench":
        """Go on until the run ends or waits for a person."""
        if self.state is None:
            self.start()
        for _ in range(most):
            if self.finish or self.state.phase in {"asking", "paused"} or self.state.activity == "waiting":
                return self
            self.step()
        raise AssertionError("the run does not end")

    def step(self, count: int | None = None) -> None:
        """Give one batch of rows to the engine."""
        batch, ended, states = self.measure(count or self.piece)
        outcome = self.tell(batch)
        taken = outcome.taken
        if taken < len(batch) or outcome.commands:
            self._back(states[taken - 1])
        else:
            self._back(states[-1])
            if ended is not None:
                self.tell(ended)
        self.obey()

    # --- the instrument ---

    def obey(self) -> None:
        while self.commands:
            command = self.commands.pop(0)
            match command:
                case Apply(role="cell"):
                    if self.delay:
                        batch, _, states = self.measure(max(int(self.delay / self.every), 1), locate=False)
                        taken = self.tell(batch).taken
                        self._back(states[taken - 1])
                        if self.commands:
                            continue
                    self.program, self.at = command.program, 0
                    self.began = self.step_began = self.time
                    self.passed, self.fresh = 0.0, True
                    self.tell(Began(command.attempt, self.time))
                case Off():
                    self.program = None

    def _mode(self) -> object:
        step = self.program.steps[self.at] if self.program else None
        return step.mode if isinstance(step, ProgramStep) else None

    def measure(self, count: int, *, locate: bool = True) -> tuple[Batch, StepEnded | None, list[tuple[float, ...]]]:
        """Return rows from now on without keeping them: with every row goes the state of the cell after it."""
        columns: list[tuple[float, ...]] = []
        states: list[tuple[float, ...]] = []
        time, charge, passed, (plus, minus) = self.time, self.cell.charge, self.passed, self.counters
        ended: StepEnded | None = None
        mode = self._mode()
        fresh = self.fresh
        for _ in range(count):
            dt = 0.0 if fresh else self.every
            fresh = False
            current = self.cell.current(mode, charge)
            dt, which = (
                self._located(dt, time, charge, passed, current) if locate and self.capabilities.ends else (dt, None)
            )
            dq = current * dt
            time, charge, passed = time + dt, charge + dq, passed + dq
            plus, minus = plus + max(dq, 0.0) / 3600.0, minus + max(-dq, 0.0) / 3600.0
            current = self.cell.current(mode, charge)
            columns.append((time, self.cell.open(charge) + current * self.cell.resistance, current, plus, minus))
            states.append((time, charge, passed, plus, minus))
            if which is not None:
                attempt = self.program.attempt if self.program else 0
                ended = StepEnded(attempt, self.at, time, which)
                break
        time_, *rest_ = (np.array(column) for column in zip(*columns, strict=True))
        return Batch(time_, *rest_, step=self.at), ended, states

    def _located(
        self, dt: float, time: float, charge: float, passed: float, current: float
    ) -> tuple[float, int | None]:
        """Return the time to the first threshold within dt, and which it is."""
        step = self.program.steps[self.at] if self.program else None
        if not isinstance(step, ProgramStep):
            return dt, None
        best: tuple[float, int | None] = (dt, None)
        for threshold in step.ends:
            wait = self._wait(threshold, time, charge, passed, current)
            if wait <= best[0] and (best[1] is None or wait < best[0]):
                best = (max(wait, 0.0), threshold.number)
        return best

    def _wait(self, end: Threshold, time: float, charge: float, passed: float, current: float) -> float:
        slope = (self.cell.high - self.cell.low) / self.cell.most
        match end.quantity:
            case "time":
                return self.step_began + end.value - time
            case "charge":
                return (end.value - abs(passed)) / abs(current) if current else math.inf
            case "voltage":
                now = self.cell.open(charge) + current * self.cell.resistance
                if (now >= end.value) if end.above else (now <= end.value):
                    return 0.0
                rate = slope * current if self._is_constant() else 0.0
                return (end.value - now) / rate if rate and (rate > 0) == end.above else math.inf
            case "current":
                return 0.0 if (abs(current) > end.value) == end.above else math.inf
        return math.inf

    def _is_constant(self) -> bool:
        return isinstance(self._mode(), Galvanostatic)

    def _back(self, state: tuple[float, ...]) -> None:
        self.time, self.cell.charge, self.passed = state[:3]
        self.counters = (state[3], state[4])
        self.fresh = False

    def _heard(self, outcome: Outcome) -> None:
        self.state = outcome.state
        self.events += outcome.events
        self.commands += [command for command in outcome.commands if not isinstance(command, Finish)]
        self.finish = next((command for command in outcome.commands if isinstance(command, Finish)), self.finish)
        if self.told and isinstance(self.told[-1], StepEnded) and not outcome.commands and self.program:
            self._inside()

    def _inside(self) -> None:
        """Move on inside the program, as an instrument does by itself."""
        steps = self.program.steps if self.program else ()
        at = self.at + 1
        while at < len(steps) and isinstance(loop := steps[at], Loop):
            self.loops[at] = self.loops.get(at, 0) + 1
            again = self.loops[at] < loop.passes
            self.loops[at] = self.loops[at] if again else 0
            at = loop.to if again else at + 1
        if at < len(steps):
            self.at = at
            self.step_began, self.passed, self.fresh = self.time, 0.0, True


def replay(plan_: Plan, capabilities: Capabilities, told: Iterable[Input], cuts: Sequence[int] = (), *,
           roles: tuple[str, ...] = ("cell",)) -> tuple[State, list[Event], list[object]]:  # fmt: skip
    """Fold what a bench was told, its rows cut into other pieces; all rows are taken."""
    outcome = begin(plan_, capabilities, roles)
    events, commands = list(outcome.events), list(outcome.commands)
    sizes = iter(cuts)
    pending: list[Batch] = []
    for given in [*_merged(told), None]:
        if isinstance(given, Batch):
            pending = [given]
        while pending:
            batch = pending.pop()
            size = next(sizes, len(batch))
            piece = batch.rows(0, size)
            outcome = fold(plan_, outcome.state, piece)
            events += outcome.events
            commands += outcome.commands
            if outcome.taken < len(batch):
                pending.append(batch.rows(outcome.taken))
        if given is not None and not isinstance(given, Batch):
            outcome = fold(plan_, outcome.state, given)
            events += outcome.events
            commands += outcome.commands
    return outcome.state, events, commands


def _merged(told: Iterable[Input]) -> list[Input]:
    """Put batches that follow each other together."""
    found: list[Input] = []
    for given in told:
        if isinstance(given, Batch) and found and isinstance(found[-1], Batch) and given.step == found[-1].step:
            found[-1] = joined(found[-1], given)
        else:
            found.append(given)
    return found


def joined(first: Batch, second: Batch) -> Batch:
    def both(one: object, two: object) -> object:
        return None if one is None or two is None else np.concatenate((one, two))

    return Batch(*(both(getattr(first, name), getattr(second, name)) for name in
                   ("time", "voltage", "current", "charging_ah", "discharging_ah", "temperature_celsius", "quality")),
                 step=first.step, auxiliary={name: np.concatenate((first.auxiliary[name], second.auxiliary[name])) for name in first.auxiliary})  # type: ignore[arg-type]  # fmt: skip
