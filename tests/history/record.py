"""Write the runs of this folder that are not there yet; one that is there is never written again.

    python tests/history/record.py

A file holds a plan, what its run was told in order, and what came of it: state and events. An engine that folds it to something
else cannot take up a run that an earlier one began.
"""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson

HERE = Path(__file__).parent
WORLD = HERE.parent / "unit" / "engine" / "world.py"

if "engine_world" not in sys.modules:
    spec = importlib.util.spec_from_file_location("engine_world", WORLD)
    assert spec is not None
    assert spec.loader is not None
    sys.modules["engine_world"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["engine_world"])

from engine_world import (  # noqa: E402 - the module is made above
    LOCATES,
    PUPPET,
    SYMMETRIC,
    Bench,
    Cell,
    charge,
    end,
    hold,
    plan,
    prompt,
    rest,
    until,
)  # fmt: skip

from labctl.driver import Bounds  # noqa: E402
from labctl.engine.input import Gap  # noqa: E402
from labctl.engine.state import capabilities_to_json, state_to_json  # noqa: E402
from labctl.plan.codec import plan_to_json  # noqa: E402
from labctl.plan.compile import compile_plan  # noqa: E402
from labctl.plan.step import Block  # noqa: E402
from labctl.protocol.cell import Cell as ProtocolCell  # noqa: E402
from labctl.protocol.load import load  # noqa: E402
from labctl.sample import Batch  # noqa: E402
from labctl.store.codec import input_to_json  # noqa: E402

COLUMNS = ("time", "voltage", "current", "charging_ah", "discharging_ah", "temperature_celsius", "quality")


def cycling(capabilities: object) -> Bench:
    """Three CC-CV cycles, the first of them formation, a hold that current ends."""
    cccv = Block(3, (charge(2, 0.5, until(None, "voltage >= 4.1")), hold(3, 4.1, end("until", "current < 0.05"))),
                 ends=(end("for", "time >= 20000"),), fused=True)  # fmt: skip
    down = charge(4, -0.5, until(None, "voltage <= 3.2"))
    first = Block(1, (replace_lines(cccv, 10), charge(14, -0.5, until(None, "voltage <= 3.2"))), 1, "formation")
    main = Block(2, (cccv, down, rest(5, 60.0)), 2, "true", ends=(end("stop_if", "retention < 0.5 x 2"),))
    return Bench(plan(rest(1, 60.0), first, main, ocv=(2.5, 4.3)), capabilities, 20.0).run()  # type: ignore[arg-type]


def replace_lines(block: Block, by: int) -> Block:
    """The same block with other numbers."""
    children = tuple(replace(child, id=child.id + by) for child in block.children)
    return replace(block, id=block.id + by, children=children)


def interrupted() -> Bench:
    """Outages, a pause, a prompt, and a slope that ends a rest."""
    the_plan = plan(charge(1, 0.5, until(300.0, "", 120.0)), prompt(2, "press", state={"pressure": 5e6}),
                    rest(3, 600.0, "d |voltage| < 1e-6 over 60"), charge(4, -0.5, until(100.0)))  # fmt: skip
    bench = Bench(the_plan, PUPPET, 5.0, piece=7).start()
    for _ in range(3):
        bench.step()
    bench.time += 120.0
    bench.tell(Gap(bench.time - 120.0, bench.time, "power"))
    bench.obey()
    for _ in range(2):
        bench.step()
    bench.order("pause")
    bench.time += 60.0
    bench.order("resume")
    bench.run()
    bench.order("confirm", "pressed")
    return bench.run()


def shorted() -> Bench:
    """A symmetric cell that shorts in its fourth half-cycle, and is stopped there."""
    cell = Cell(charge=1800.0, low=-1e-9, high=1e-9, resistance=0.5)
    lines = (charge(1, 0.1, until(400.0)), charge(2, -0.1, until(400.0)))
    wide = tuple(symmetric(line) for line in lines)
    block = Block(1, wide, 10, "true", ends=(end("stop_if", "short or |voltage| > 2"),))
    bench = Bench(plan(block, rest(3, 30.0), cell=SYMMETRIC), LOCATES, 5.0, cell).start()
    while not bench.finish:
        if bench.state.cycle.count == 2 and bench.state.line == 2:
            cell.resistance = 0.02
        bench.step(17)
    return bench


def symmetric(line: object) -> object:
    """The line within limits for both signs."""
    return replace(line, bounds=Bounds((-5.0, 5.0), (-1.0, 1.0), None, 3600.0))  # type: ignore[type-var]


def tripped() -> Bench:
    """A cell that passes its voltage limit while a bad row or two go by."""
    bench = Bench(plan(charge(1, 0.5, until(1e5))), PUPPET, 20.0, Cell(high=5.5)).start()
    for number in range(1000):
        if bench.finish:
            break
        if number % 3 == 1:
            bench.tell(Batch(np.array([bench.time + 1.0]), np.array([np.nan]), np.array([0.5]),
                             np.array([np.nan]), np.array([np.nan])))  # fmt: skip
        bench.step(9)
    return bench


SECOND = """\
labctl: 1
name: what the second edition added
limits: {voltage: [0 V, 5 V], current: [-1 A, 1 A], capacity: 1 Ah}
on_interruption: {continue_within: 10 min, else: ask}
steps:
  - rest: 1 min
  - name: formation that ends by itself
    repeat: 6
    cycle: formation
    stop_if: spread of discharge_capacity over 2 < 3 %
    steps:
      - charge: {current: 0.5 A, to: 4.1 V, hold_until: current < 50 mA, for: 3 h}
      - discharge: {current: 0.5 A, to: 3.2 V, for: 3 h}
  - cycle: check
    steps:
      - charge: {current: 0.2 A, to: 4 V, for: 3 h}
      - discharge: {current: 0.2 A, to: 3.3 V, for: 3 h}
  - nominal: {from: discharge_capacity of check, within: [20 %, 120 %]}
  - charge: {current: 0.5C, to: 4 V, for: 3 h}
  - mark: full
  - each: {q: [-5 %, -10 %]}
    steps:
      - discharge: {current: 0.3 A, until: net since full <= $q, to: 3 V, for: 2 h}
      - rest: 1 min
  - repeat: 3
    every: 15 min
    steps:
      - discharge: {current: 0.1 A, until: voltage < 3.5 V for 1 min, for: 10 min}
  - if: charged since full >= 20 %
    steps: [{rest: 10 min}]
  - repeat: 4
    stop_if: retention of cycles < 50 % or retention of check < 50 %
    steps:
      - cycle: true
        steps:
          - charge: {current: 0.5 A, to: 3.9 V, for: 3 h}
          - discharge: {current: 0.5 A, to: 3.4 V, for: 3 h}
      - if: every 2 cycles
        steps:
          - cycle: check
            steps:
              - charge: {current: 0.2 A, to: 3.9 V, for: 3 h}
              - discharge: {current: 0.2 A, to: 3.4 V, for: 3 h}
  - charge: {current: 0.5 A, to: 3.2 V, for: 1 h}
  - rest: 1 min
"""


def second_edition(capabilities: object) -> Bench:
    """What the second edition of the language added, with an outage in a cycle and a person who decides what it left open."""
    cell = ProtocolCell("cell", "full", nominal=3600.0, limits=Bounds((0.0, 5.0), (-1.0, 1.0)))
    made = compile_plan(load(SECOND, "second.yaml"), cell, None, None, {})
    bench = Bench(made, capabilities, 60.0).start()  # type: ignore[arg-type]
    while bench.state.cycle.count < 2:
        bench.step()
    bench.time += 120.0
    bench.tell(Gap(bench.time - 120.0, bench.time, "power", on_until=bench.time - 60.0))
    bench.obey()
    for _ in range(20):
        if bench.run().finish:
            break
        bench.order("resume")
    return bench


RUNS = {
    "second-edition-watched": lambda: second_edition(PUPPET),
    "second-edition-located": lambda: second_edition(LOCATES),
    "cycling-watched": lambda: cycling(PUPPET),
    "cycling-located": lambda: cycling(LOCATES),
    "interrupted": interrupted,
    "shorted": shorted,
    "tripped": tripped,
}


def told(given: object) -> object:
    """An input as JSON."""
    if isinstance(given, Batch):
        columns = {name: getattr(given, name) for name in COLUMNS}
        return {
            "rows": {name: column.tolist() for name, column in columns.items() if column is not None},
            "step": given.step,
        }
    kind, data = input_to_json(given)  # type: ignore[arg-type]
    return {"input": kind, "data": data}


def text(bench: Bench) -> bytes:
    """A run as a file."""
    return orjson.dumps(
        {
            "plan": orjson.Fragment(plan_to_json(bench.plan)),
            "capabilities": orjson.Fragment(capabilities_to_json(bench.capabilities)),
            "roles": bench.roles,
            "told": [told(given) for given in bench.told],
            "events": [[event.kind, event.record_index, event.time, dict(event.data)] for event in bench.events],
            "state": orjson.Fragment(state_to_json(bench.state)),
        }
    ) + b"\n"  # fmt: skip


if __name__ == "__main__":
    for name, run in RUNS.items():
        path = HERE / f"{name}.json"
        if not path.exists():
            path.write_bytes(text(run()))
