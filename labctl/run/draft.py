"""A run before it is stored: its plan and everything that will be stored with it."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from labctl.driver import Capabilities
from labctl.engine.state import state_from_json
from labctl.errors import OrderRefused
from labctl.plan.codec import digest, plan_from_json, plan_to_json
from labctl.plan.compile import compile_plan
from labctl.plan.estimate import Estimate, estimate
from labctl.plan.step import Plan
from labctl.run.bookmark import Bookmark
from labctl.run.files import read_files
from labctl.run.request import StartRequest
from labctl.run.resume import carried
from labctl.run.seat import Seat
from labctl.run.simulate import card
from labctl.store.entry import NewRun, Run
from labctl.store.reader import Reader


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan with what is to be stored of its run.

    Attributes:
        plan: The plan.
        estimate: What it will take.
        new: For the journal.
        cell: What a simulated source must know of the cell.
        seed: Of everything random in a simulated cell.
        source: State of the cell where it goes on, as an earlier run left it; None for a fresh one.
    """

    plan: Plan
    estimate: Estimate
    new: NewRun
    cell: Mapping[str, object]
    seed: int
    source: bytes | None = None


def draft_of(request: StartRequest, seat: Seat, capabilities: Capabilities, reader: Reader, label: float) -> Draft:
    """Return the draft of a protocol on a cell: files are read and checked, the plan is compiled.

    Raises:
        FileError: With every finding.
    """
    files = read_files(request.protocol, request.cell)
    plan = compile_plan(files.protocol, files.cell, capabilities, seat.bounds, request.values)
    known, seed = card(files.cell), _seed(seat.name)
    new = NewRun(
        plan=plan_to_json(plan),
        plan_hash=digest(plan),
        began_unix_time=label,
        channel=seat.name,
        protocol=plan.name,
        cell=files.cell.name,
        protocols=files.texts,
        cell_file=files.cell_text,
        by=request.by,
        options={"seed": seed, "values": dict(request.values), "instrument": seat.parts["cell"].instrument, **known},
    )
    return Draft(plan, estimate(plan), new, known, seed, _left_by(reader, seat.name, files.cell.name, known))


def draft_from(request: StartRequest, seat: Seat, run: Run, reader: Reader, label: float) -> Draft:
    """Return the draft of a run that goes on from an earlier one.

    Raises:
        OrderRefused: That run has not ended, left no state, or has no such step.
    """
    checkpoint = reader.checkpoint(run.run_id)
    if run.active:
        raise OrderRefused(f"run {run.run_id} has not ended; `labctl resume {run.channel}` lets it go on as it is")
    if checkpoint is None:
        raise OrderRefused(f"run {run.run_id} ended before its first row: start it anew")
    mark = Bookmark.from_json(checkpoint.source)
    plan = carried(plan_from_json(reader.plan(run.run_id)), state_from_json(checkpoint.state), mark, request.step)
    new = NewRun(
        plan=plan_to_json(plan),
        plan_hash=digest(plan),
        began_unix_time=label,
        channel=seat.name,
        protocol=run.protocol,
        cell=run.cell,
        by=request.by,
        resumed_from=run.run_id,
        options={**run.options, "instrument": seat.parts["cell"].instrument},
    )
    known = {key: run.options[key] for key in ("model", "area", "active_mass") if key in run.options}
    seed = run.options.get("seed", 0)
    return Draft(plan, estimate(plan), new, known, seed if isinstance(seed, int) else 0, mark.source)


def _left_by(reader: Reader, channel: str, cell: str, known: Mapping[str, object]) -> bytes | None:
    """Return the state in which the last run on a channel left the same simulated cell."""
    found = reader.query(
        "SELECT run_id FROM runs WHERE channel = :channel ORDER BY run_id DESC LIMIT 1", channel=channel
    )
    if not found:
        return None
    run = reader.run(int(found[0][0]))
    same = run.cell == cell and all(run.options.get(key) == value for key, value in known.items())
    checkpoint = reader.checkpoint(run.run_id) if same else None
    return None if checkpoint is None else Bookmark.from_json(checkpoint.source).source


def at_rest(draft: Draft) -> Draft:
    """Return the draft with a fresh cell."""
    return replace(draft, source=None)


def _seed(name: str) -> int:
    """Return a seed that differs between channels and is the same every time."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF
