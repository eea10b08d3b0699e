"""Protocol + cell + channel -> Plan: every relative quantity made absolute, every rule that needs a cell held, loops kept."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from labctl.driver import Bounds, Capabilities, RecordRule
from labctl.errors import CellError, ProtocolError
from labctl.finding import Finding, with_lines
from labctl.plan.at_definitions import at_definitions
from labctl.plan.block_compiler import compiled_items
from labctl.plan.cell_figures import figures_of_cell, warn_of_misfits
from labctl.plan.contents import (
    all_items,
    analyses_of,
    cycles_of,
    digest_of_text,
    files_of,
    requests_of,
    sources_of,
    texts_of,
)
from labctl.plan.context import CompileContext
from labctl.plan.draws import rounds
from labctl.plan.file_limits import limited_sides, of_file, required_open_circuit, tighter_range
from labctl.plan.kinds import ANY, check_analyses
from labctl.plan.lint.analyses import lacking_steps
from labctl.plan.lint.hardly_meant import unresolved
from labctl.plan.lint.warning import too_small, warnings
from labctl.plan.named_files import with_named_files
from labctl.plan.outside import Outside
from labctl.plan.scope import Scope, file_name
from labctl.plan.step import (
    EDITION,
    Block,
    Interruption,
    Plan,
)
from labctl.plan.step_context import StepContext
from labctl.plan.written_at import warn_of_swapped_parameters, without_what_follows
from labctl.protocol import model
from labctl.protocol.binding import DRAWN, bindings
from labctl.protocol.cell import NO_CELL, Cell
from labctl.quantity.dimension import NONE
from labctl.quantity.units import Quantity

RECORD: Final = (RecordRule(every=10.0, voltage=5e-3),)  # where neither step, block nor file says


NOMINALS: Final = 2.0  # nominal capacities that one step may pass where nothing else is said


CONTINUE_WITHIN: Final = 600.0  # s


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a protocol came to.

    Attributes:
        plan: None where it is refused, or where not all of it is known.
        findings: What is wrong with it, with warnings.
        unknown: What is not known: names without a value, fields of the cell.
        draws: Plans with every other value that may be drawn without a seed.
    """

    plan: Plan | None
    findings: tuple[Finding, ...]
    unknown: tuple[Finding, ...] = ()
    draws: tuple[Plan, ...] = ()


def compile_plan(
    protocol: model.Protocol,
    cell: Cell,
    capabilities: Capabilities | None,
    channel_bounds: Bounds | None,
    overrides: Mapping[str, str],
    outside: Outside | None = None,
) -> Plan:
    """Return the plan of a protocol on a cell and channel.

    Args:
        protocol: As `labctl.protocol.load.load` returns it.
        cell: For which it is planned.
        capabilities: Of the channel; without them what a channel cannot do is not checked.
        channel_bounds: The channel's own limits, SI.
        overrides: Parameters by name, as texts.
        outside: Seed and time; without them draws have the seed 0, and the run begins in 1970.

    Raises:
        FileError: With every finding: a `CellError` where all that is missing is in the cell file.
    """
    return compile_plans(protocol, cell, capabilities, channel_bounds, overrides, outside)[0]


def compile_plans(
    protocol: model.Protocol,
    cell: Cell,
    capabilities: Capabilities | None,
    channel_bounds: Bounds | None,
    overrides: Mapping[str, str],
    outside: Outside | None = None,
) -> tuple[Plan, ...]:
    """Return the plan as `compile_plan` does, and behind it one for each other value that may be drawn without a seed.

    Raises:
        FileError: As `compile_plan` does.
    """
    compiled = compiled_whole(protocol, cell, capabilities, channel_bounds, overrides, outside)
    assert compiled.plan is not None
    return compiled.plan, *compiled.draws


def compiled_whole(
    protocol: model.Protocol,
    cell: Cell,
    capabilities: Capabilities | None,
    channel_bounds: Bounds | None,
    overrides: Mapping[str, str],
    outside: Outside | None = None,
) -> Compiled:
    """Return a plan as `compile_plans` does, with the warnings of its compilation, each at its place.

    Raises:
        FileError: As `compile_plan` does.
    """
    compiled = compiled_for(protocol, cell, overrides, capabilities, channel_bounds, outside=outside)
    if compiled.plan is not None:
        return compiled
    findings = compiled.findings or compiled.unknown
    missing = all(finding.code == "cell.missing" for finding in findings)
    raise CellError(findings) if missing else ProtocolError(findings)


def compiled_for(
    protocol: model.Protocol,
    cell: Cell | None,
    overrides: Mapping[str, str],
    capabilities: Capabilities | None = None,
    channel_bounds: Bounds | None = None,
    *,
    outside: Outside | None = None,
    whole: bool = True,
) -> Compiled:
    """Return what a protocol comes to on a cell; on one that is not known, as far as no cell is needed to say it.

    Args:
        protocol: Whose text was read; it may have had errors of its own.
        cell: None where it is not known.
        overrides: Parameters by name, as texts; without a cell those that are required may be missing.
        capabilities: Of the channel.
        channel_bounds: The channel's own limits, SI.
        outside: Seed and time.
        whole: Whether all of the text could be read; of a plan that lacks a part nothing is told that may follow from it.
    """
    outside = outside or Outside()
    draft = CompileContext(cell or NO_CELL, capabilities, known=cell is not None, outside=outside)
    draft.hardware = _hardware(capabilities, channel_bounds)
    values, wrong = bindings(protocol, overrides)
    draft.findings += [finding for finding in wrong if cell is not None or finding.code != "params.required"]
    values = {**values, DRAWN: Quantity(float(outside.seed), NONE, str(outside.seed))}
    warn_of_swapped_parameters(draft, values, protocol.file)
    protocol = with_named_files(protocol, values, draft.note)
    place = StepContext(scope=Scope(values=values), kinds=frozenset({cell.kind}) if cell else ANY)
    plan = _plan(draft, place, protocol, channel_bounds)
    texts = dict(texts_of(protocol)) | {draft.cell.file: draft.cell.text}
    draws: list[Plan] = []
    if outside.seed >= 0:
        for number in range(rounds(protocol, values)):
            draw = replace(outside, seed=-1 - number)
            more = compiled_for(protocol, cell, overrides, capabilities, channel_bounds, outside=draw)
            draft.findings += [finding for finding in more.findings if finding.severity == "error"]
            draws += [] if more.plan is None else [more.plan]
    refused = any(finding.severity == "error" for finding in draft.findings)
    if whole and not refused and not draft.unknown:
        draft.findings += without_what_follows(draft, warnings(plan, draft.places))
        nothing = {finding.mark for finding in draft.findings if finding.code == "analyse.nothing"}
        draft.findings += lacking_steps(plan, [one for one in requests_of(protocol) if one.mark not in nothing])
        if capabilities is not None:
            draft.findings += too_small(plan, capabilities.current_accuracy, draft.places)
            draft.findings += unresolved(plan, capabilities.voltage_accuracy, draft.places)
    found = at_definitions(draft.findings, protocol)
    findings, unknown = (with_lines(_each_once(some), texts) for some in (found, draft.unknown))
    return Compiled(None if refused or draft.unknown else plan, findings, unknown, tuple(draws))


def _hardware(capabilities: Capabilities | None, channel: Bounds | None) -> tuple[float, float]:
    """Return the lowest and highest voltage of the channel itself, V."""
    pairs = [capabilities.voltage] if capabilities is not None else []
    pairs += [channel.voltage] if channel is not None and channel.voltage is not None else []
    return max([-math.inf, *(low for low, _ in pairs)]), min([math.inf, *(high for _, high in pairs)])


def _within(draft: CompileContext, place: StepContext, protocol: model.Protocol) -> tuple[float, float] | None:
    """Return what part of the cell file's nominal capacity a measured one may be: the widest of all that are measured."""
    pairs: list[tuple[float, float]] = []
    for file in files_of(protocol):
        for item in all_items(file.children):
            verb = item.verb if isinstance(item, model.Step) else None
            if not isinstance(verb, model.Nominal):
                continue
            low, high = (1.0 if side is None else draft.fixed(place, side, "fraction") for side in verb.within)
            if math.isnan(low + high):
                continue  # what is wrong with a side is told already
            if not 0.0 < low <= 1.0 <= high:
                message = f"wanted a range around 100 %, the lower value first, found {low:.0%} and {high:.0%}"
                draft.say("nominal.within", message, item.mark, "for example within: [80 %, 120 %]")
            else:
                pairs.append((low, high))
    return (min(low for low, _ in pairs), max(high for _, high in pairs)) if pairs else None


def _each_once(findings: Iterable[Finding]) -> Iterable[Finding]:
    return {(finding.mark, finding.code, finding.message): finding for finding in findings}.values()


def _plan(draft: CompileContext, place: StepContext, protocol: model.Protocol, channel: Bounds | None) -> Plan:
    cell = draft.cell
    owner = f"limits of the cell {cell.name}".rstrip()
    place = replace(place, envelope=place.envelope.within(cell.limits, owner))
    if channel is not None:
        place = replace(place, envelope=place.envelope.within(channel, "limits of the channel"))
    place = replace(place, said=limited_sides(cell.limits), record=RECORD)
    draft.cycles = cycles_of(protocol.children)
    draft.measurable = _within(draft, place, protocol)
    place = of_file(draft, place, protocol)
    if place.envelope.bounds.charge is None and cell.nominal is not None:
        most = Bounds(charge=NOMINALS * cell.nominal)
        place = replace(place, envelope=place.envelope.within(most, "twice the nominal capacity"))
    ocv = required_open_circuit(draft, place, protocol)
    warn_of_misfits(draft)
    check_analyses(draft, place, files_of(protocol))
    children = tuple(compiled_items(draft, place, protocol.children))
    return Plan(
        name=protocol.name or file_name(protocol.file),
        root=Block(0, children, name=protocol.name),
        cell=figures_of_cell(cell),
        ocv=tighter_range(ocv, draft.ocv) or place.envelope.bounds.voltage,
        interruption=_interruption(draft, place, protocol.interruption),
        analyses=tuple(analyses_of(protocol)),
        sources=tuple(
            dict.fromkeys((file_name(name), digest_of_text(text)) for name, text in sources_of(protocol, cell))
        ),
        accuracy=_accuracy(draft.capabilities),
        edition=EDITION,
    )


def _accuracy(capabilities: Capabilities | None) -> tuple[float, float]:
    known = capabilities or Capabilities()
    return known.voltage_accuracy, known.current_accuracy


def _interruption(draft: CompileContext, place: StepContext, written: model.WrittenInterruption | None) -> Interruption:
    if written is None:
        return Interruption(CONTINUE_WITHIN)
    within = CONTINUE_WITHIN
    if written.continue_within is not None:
        within = draft.fixed(place, written.continue_within, "duration")
    return Interruption(within, written.otherwise)
