"""A run before it is stored: its plan and everything that will be stored with it."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from labctl.driver import SIMULATED_CELL
from labctl.engine.state import state_from_json
from labctl.errors import OrderRefused, ProtocolError, StoreDamaged
from labctl.plan.codec import digest, plan_from_json, plan_to_json
from labctl.plan.compile import compiled_whole
from labctl.plan.description import drawn
from labctl.plan.estimate import Estimate, estimate
from labctl.plan.runnable import runnable
from labctl.plan.step import Plan
from labctl.plan.waits import begun_at
from labctl.run.ability import Ability
from labctl.run.channel import Channel, RunInfo
from labctl.run.files import Files
from labctl.run.outside import outside
from labctl.run.request import StartRequest
from labctl.run.resume import carried
from labctl.run.resume_point import ResumePoint, Saved
from labctl.run.simulate import cell_options
from labctl.run.stand_in import refuse_misfits
from labctl.store.entry import NewRun, StoredRun
from labctl.store.reader import Reader


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A plan with what is to be stored of its run.

    Attributes:
        plan: The plan.
        estimate: What it will take.
        new: For the journal.
        cell: What a simulated source must know of the cell.
        seed: Of everything random in a simulated cell.
        source: State of the cell where it goes on, as an earlier run left it; no state for a fresh one.
    """

    plan: Plan
    estimate: Estimate
    new: NewRun
    cell: Mapping[str, object]
    seed: int
    source: Saved = field(default_factory=Saved)
    notes: tuple[str, ...] = ()


def draft_of(
    request: StartRequest, files: Files, channel: Channel, ability: Ability, reader: Reader, label: float
) -> PreparedRun:
    """Return the draft of a protocol on a cell, whose files have been read and checked: the plan is compiled.

    Raises:
        FileError: With every finding.
    """
    capabilities = ability.capabilities
    compiled = compiled_whole(files.protocol, files.cell, capabilities, channel.bounds, request.values, outside(label))
    plan = compiled.plan
    assert plan is not None
    findings = runnable(plan, capabilities, ability.translate, tuple(channel.parts), compiled.draws)
    if any(finding.severity == "error" for finding in findings):
        raise ProtocolError(findings)
    misfits = () if capabilities.energises else refuse_misfits(files.cell, plan)
    known, seed = cell_options(files.cell), _seed(channel.name)
    new = NewRun(
        plan=plan_to_json(plan),
        plan_hash=digest(plan),
        began_unix_time=label,
        channel=channel.name,
        protocol=plan.name,
        cell=files.cell.name,
        protocols=files.texts,
        cell_file=files.cell_text,
        by=request.by,
        options={
            "seed": seed,
            "values": dict(request.values),
            "instrument": channel.parts["cell"].instrument,
            "simulated": not capabilities.energises,
            **known,
        },
    )
    notes = (*(finding.message for finding in (*findings, *misfits)), *drawn(plan.root))
    draft = PreparedRun(plan, estimate(plan, compiled.findings), new, known, seed, notes=notes)
    try:
        return replace(draft, source=_left_by(reader, channel.info, files.cell.name, known))
    except StoreDamaged as error:
        return at_rest(draft, str(error))


def draft_of_queued(new: NewRun, channel: Channel, reader: Reader, label: float) -> PreparedRun:
    """Return the draft of a run that was accepted earlier and begins now: its plan stands, its cell is as it was left since."""
    plan = begun_at(plan_from_json(new.plan), label)
    new = replace(new, plan=plan_to_json(plan), plan_hash=digest(plan))
    known = {key: new.options[key] for key in SIMULATED_CELL if key in new.options}
    seed = new.options.get("seed", 0)
    draft = PreparedRun(
        plan, estimate(plan), replace(new, began_unix_time=label), known, seed if isinstance(seed, int) else 0
    )
    try:
        return replace(draft, source=_left_by(reader, channel.info, new.cell, known))
    except StoreDamaged as error:
        return at_rest(draft, str(error))


def draft_from(request: StartRequest, channel: Channel, run: StoredRun, reader: Reader, label: float) -> PreparedRun:
    """Return the draft of a run that goes on from an earlier one.

    Raises:
        OrderRefused: That run has not ended, left no state, or has no such step.
    """
    checkpoint = reader.checkpoint(run.run_id)
    if run.active:
        raise OrderRefused(f"run {run.run_id} has not ended; `labctl resume {run.channel}` lets it go on as it is")
    if checkpoint is None:
        raise OrderRefused(f"run {run.run_id} ended before its first row: start it anew")
    mark = ResumePoint.of(checkpoint)
    earlier = begun_at(plan_from_json(reader.plan(run.run_id)), label)
    plan = carried(earlier, state_from_json(checkpoint.state), mark, request.step)
    new = NewRun(
        plan=plan_to_json(plan),
        plan_hash=digest(plan),
        began_unix_time=label,
        channel=channel.name,
        protocol=run.protocol,
        cell=run.cell,
        by=request.by,
        resumed_from=run.run_id,
        options={**run.options, "instrument": channel.parts["cell"].instrument},
    )
    known = {key: run.options[key] for key in SIMULATED_CELL if key in run.options}
    seed = run.options.get("seed", 0)
    return PreparedRun(plan, estimate(plan), new, known, seed if isinstance(seed, int) else 0, mark.saved)


def _left_by(reader: Reader, last: RunInfo | None, cell: str, known: Mapping[str, object]) -> Saved:
    """Return the state in which the last run on a channel left the same simulated cell."""
    if last is None:
        return Saved()
    run = reader.run(last.run_id)
    same = run.cell == cell and all(run.options.get(key) == value for key, value in known.items())
    checkpoint = reader.checkpoint(run.run_id) if same else None
    return ResumePoint.of(checkpoint).saved


def at_rest(draft: PreparedRun, why: str) -> PreparedRun:
    """Return the draft with a fresh cell, since the one that the last run left cannot be put back."""
    note = f"a fresh simulated cell is put in: the state in which the last run left it does not read back: {why}"
    return replace(draft, source=Saved(), notes=(*draft.notes, note))


def _seed(name: str) -> int:
    """Return a seed that differs between channels and is the same every time."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF
