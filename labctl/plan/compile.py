"""Protocol + cell + channel -> Plan: every relative quantity made absolute, every rule that needs a cell held, loops kept."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, Literal

from labctl.document import Mark, with_lines
from labctl.driver import Bounds, Capabilities, RecordRule
from labctl.errors import CellError, ProtocolError
from labctl.plan.draft import Draft, Place
from labctl.plan.limit import Envelope
from labctl.plan.safety import hold_envelope
from labctl.plan.scope import Scope, file_name
from labctl.plan.step import Block, CellFigures, End, Interruption, Line, Plan
from labctl.plan.unroll import unrolled
from labctl.plan.verb import Maker
from labctl.protocol import model
from labctl.protocol.binding import bind
from labctl.protocol.cell import Cell
from labctl.protocol.expression import show

RECORD: Final = (RecordRule(every=10.0, voltage=5e-3),)  # where neither step, block nor file says
NOMINALS: Final = 2.0  # nominal capacities that one step may pass where nothing else is said
CONTINUE_WITHIN: Final = 600.0  # s


def compile_plan(
    protocol: model.Protocol,
    cell: Cell,
    capabilities: Capabilities | None,
    channel_bounds: Bounds | None,
    overrides: Mapping[str, str],
) -> Plan:
    """Return the plan of a checked protocol on a cell and channel.

    Args:
        protocol: As `labctl.protocol.load.load` returns it.
        cell: For which it is planned.
        capabilities: Of the channel; without them what a channel cannot do is not checked.
        channel_bounds: The channel's own limits, SI.
        overrides: Parameters by name, as texts.

    Raises:
        FileError: With every finding: a `CellError` where all that is missing is in the cell file.
    """
    draft = Draft(cell, capabilities)
    place = Place()
    plan: Plan | None = None
    values = draft.caught(lambda: bind(protocol, overrides), None)
    if values is not None:
        place = replace(place, scope=Scope(values=values))
        plan = _plan(draft, place, protocol, channel_bounds)
    if draft.findings or plan is None:
        raise _refusal(draft, protocol)
    return plan


def _refusal(draft: Draft, protocol: model.Protocol) -> ProtocolError | CellError:
    texts = dict(_texts(protocol)) | {draft.cell.file: draft.cell.text}
    found = {(finding.mark, finding.code, finding.message): finding for finding in draft.findings}
    findings = with_lines(found.values(), texts)
    return CellError(findings) if all(one.code == "cell.missing" for one in findings) else ProtocolError(findings)


def _plan(draft: Draft, place: Place, protocol: model.Protocol, channel: Bounds | None) -> Plan:
    cell = draft.cell
    place = replace(place, envelope=place.envelope.within(cell.limits, f"limits of the cell {cell.name}".rstrip()))
    if channel is not None:
        place = replace(place, envelope=place.envelope.within(channel, "limits of the channel"))
    place = replace(place, said=_said(cell.limits), record=RECORD, checks=_has_checks(protocol.children))
    place = _of_file(draft, place, protocol)
    if place.envelope.bounds.charge is None and cell.nominal is not None:
        most = Bounds(charge=NOMINALS * cell.nominal)
        place = replace(place, envelope=place.envelope.within(most, "twice the nominal capacity"))
    ocv = _open_circuit(draft, place, protocol)
    children = tuple(_items(draft, place, protocol.children))
    return Plan(
        name=protocol.name or file_name(protocol.file),
        root=Block(0, children, name=protocol.name),
        cell=_figures(cell),
        ocv=_joined(ocv, draft.ocv) or place.envelope.bounds.voltage,
        interruption=_interruption(draft, place, protocol.interruption),
        analyses=tuple(_analyses(protocol)),
        sources=tuple(dict.fromkeys((file_name(name), _sha256(text)) for name, text in _sources(protocol, cell))),
        accuracy=_accuracy(draft.capabilities),
    )


def _accuracy(capabilities: Capabilities | None) -> tuple[float, float]:
    known = capabilities or Capabilities()
    return known.voltage_accuracy, known.current_accuracy


# --- what a file says as a whole --------------------------------------------------------------------------------------


def _of_file(draft: Draft, place: Place, protocol: model.Protocol, use: Mark | None = None) -> Place:
    """Return the place with a file's limits and record rule, its requirements on the kind of cell checked."""
    requires, mark = protocol.requires, protocol.limits.mark or use or Mark(protocol.file, 1, 1)
    if requires.kinds and draft.cell.kind not in requires.kinds:
        wanted = " or ".join(requires.kinds)
        where = use or requires.mark or mark
        draft.say(
            "cell.kind", f"wanted a {wanted} cell for {file_name(protocol.file)}, found a {draft.cell.kind} one", where
        )
    bounds = _bounds(draft, place, protocol.limits)
    envelope = place.envelope.within(bounds, f"limits of {file_name(protocol.file)}")
    hold_envelope(draft, envelope, mark)
    if draft.capabilities is not None:
        envelope = _driven(envelope, draft.capabilities)
    place = replace(place, envelope=envelope, said=place.said | _said(bounds))
    return draft.recorded(place, protocol.record)


def _driven(envelope: Envelope, capabilities: Capabilities) -> Envelope:
    """Return an envelope without currents that the channel cannot drive, so that it can be pushed into the instrument."""
    if envelope.bounds.current is None:
        return envelope
    return envelope.within(Bounds(current=capabilities.current), "what the channel can do")


def _bounds(draft: Draft, place: Place, limits: model.Limits) -> Bounds:
    def pair(
        given: model.Pair | None, kind: Literal["potential", "current", "temperature"]
    ) -> tuple[float, float] | None:
        if given is None:
            return None
        low, high = (draft.fixed(place, side, kind) for side in given)
        return None if math.isnan(low) or math.isnan(high) else (low, high)

    charge = None if limits.capacity is None else draft.fixed(place, limits.capacity, "capacity")
    return Bounds(
        pair(limits.voltage, "potential"),
        pair(limits.current, "current"),
        pair(limits.temperature, "temperature"),
        None if charge is None or math.isnan(charge) else charge,
    )


def _said(bounds: Bounds) -> frozenset[str]:
    pairs = {"voltage": bounds.voltage, "current": bounds.current}
    return frozenset(name for name, pair in pairs.items() if pair is not None)


def _open_circuit(draft: Draft, place: Place, protocol: model.Protocol) -> tuple[float, float] | None:
    if protocol.requires.ocv is None:
        return None
    low, high = (draft.fixed(place, side, "potential") for side in protocol.requires.ocv)
    return None if math.isnan(low) or math.isnan(high) else (low, high)


def _joined(first: tuple[float, float] | None, second: tuple[float, float] | None) -> tuple[float, float] | None:
    if first is None or second is None:
        return first or second
    return max(first[0], second[0]), min(first[1], second[1])


def _interruption(draft: Draft, place: Place, written: model.Interruption | None) -> Interruption:
    if written is None:
        return Interruption(CONTINUE_WITHIN)
    within = CONTINUE_WITHIN
    if written.continue_within is not None:
        within = draft.fixed(place, written.continue_within, "duration")
    return Interruption(within, written.otherwise)


def _figures(cell: Cell) -> CellFigures:
    return CellFigures(
        name=cell.name,
        kind=cell.kind,
        area=cell.area,
        active_mass=cell.active_mass,
        film_thickness=cell.film_thickness,
        nominal=None if cell.nominal is None else float(cell.nominal),
        efficiency=cell.efficiency,
        retention=cell.retention,
    )


def _analyses(protocol: model.Protocol) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Give the analyses of a file and of those it uses, each once."""
    seen: list[tuple[str, Mapping[str, str]]] = []
    for file in _files(protocol):
        for analysis in file.analyses:
            pair = (analysis.name, dict(analysis.options))
            if pair not in seen:
                seen.append(pair)
                yield pair


def _files(protocol: model.Protocol) -> Iterator[model.Protocol]:
    """Give a file and those it uses, in the order of the text."""
    yield protocol
    for item in _every(protocol.children):
        if isinstance(item, model.Use):
            yield from _files(item.protocol)


def _every(items: Iterable[model.Item]) -> Iterator[model.Item]:
    for item in items:
        yield item
        if isinstance(item, model.Block):
            yield from _every(item.children)


def _texts(protocol: model.Protocol) -> Iterator[tuple[str, str]]:
    """Give name and text of every file that a protocol was made from, tables included."""
    for file in _files(protocol):
        yield file.file, file.text
        for item in _every(file.children):
            verb = item.verb if isinstance(item, model.Step) else None
            if isinstance(verb, model.Profile) and verb.table is not None and isinstance(verb.file, str):
                yield verb.file, verb.table.text


def _sources(protocol: model.Protocol, cell: Cell) -> Iterator[tuple[str, str]]:
    yield from _texts(protocol)
    if cell.text:
        yield cell.file, cell.text


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# --- steps and blocks -------------------------------------------------------------------------------------------------


def _items(draft: Draft, place: Place, items: Iterable[model.Item]) -> Iterator[Line | Block]:
    for item in items:
        match item:
            case model.Step(verb=verb):
                yield from Maker(draft, place, item).items()
                draft.rested = draft.rested or isinstance(verb, model.Rest)
            case model.Block():
                written = draft.caught(lambda: unrolled(item, place.scope), None) if item.each else None  # noqa: B023
                yield _block(draft, place, written or item)
            case model.Use():
                yield _use(draft, place, item)


def _block(draft: Draft, place: Place, block: model.Block) -> Block:
    number, rested = draft.next_block(), draft.rested
    condition = None if block.if_ is None else draft.condition(place, block.if_)
    inner = draft.recorded(place, block.record)
    if block.each:
        scope = draft.caught(lambda: place.scope.looped(number, block), None)
        if scope is None:  # the names mean nothing, so nothing inside can be read
            return Block(number, ())
        inner = replace(inner, scope=scope)
    if block.cycle and place.cycle:
        draft.say("cycle.nested", "wanted cycle blocks beside each other, found one inside another", block.mark)
    inner = replace(inner, cycle=place.cycle or block.cycle is not None, checks=_has_checks((block,)))
    passes = _passes(draft, place, inner, number, block)
    ends = tuple(_block_ends(draft, place, inner, block))
    children = tuple(_items(draft, inner, block.children))
    draft.rested = rested or (draft.rested and condition is None and passes > 0)
    return Block(
        id=number,
        children=children,
        passes=passes,
        cycle=block.cycle,
        condition=condition,
        ends=ends,
        variables=_variables(inner.scope, number, block),
        name=_name(draft, inner, block.name),
    )


def _passes(draft: Draft, place: Place, inner: Place, number: int, block: model.Block) -> int:
    if block.each:
        return inner.scope.sizes[number]
    return 1 if block.repeat is None else draft.count(place, block.repeat)


def _block_ends(draft: Draft, place: Place, inner: Place, block: model.Block) -> Iterator[End]:
    """Give the ends of a block; what it watches may name its own variables, its budget may not."""
    if block.abort_if is not None:
        yield draft.end(inner, "abort_if", block.abort_if)
    if block.stop_if is not None:
        yield draft.end(inner, "stop_if", block.stop_if)
    if block.for_ is not None:
        yield draft.end_of_time(place, block.for_)


def _has_checks(items: Iterable[model.Item]) -> bool:
    return any(
        (isinstance(item, model.Block) and (item.cycle == "check" or _has_checks(item.children)))
        or (isinstance(item, model.Use) and _has_checks(item.protocol.children))
        for item in items
    )


def _variables(scope: Scope, number: int, block: model.Block) -> dict[str, tuple[str, ...]]:
    """Return the text of each variable in each pass, with the first pass of the blocks around."""
    if not block.each:
        return {}
    environments = [scope.environment({number: one}) for one in range(scope.sizes[number])]
    return {variable.name: tuple(show(one[variable.name]) for one in environments) for variable in block.each}


def _name(draft: Draft, place: Place, name: model.Text) -> str:
    found = draft.caught(lambda: place.scope.text(name), "")
    if isinstance(found, str):
        return found
    return name if isinstance(name, str) else name.text


def _use(draft: Draft, place: Place, use: model.Use) -> Block:
    """Return the steps of an inserted file, inside the tighter of both limits."""
    number = draft.next_block()
    scope = draft.caught(lambda: place.scope.inserted(use), None)
    if scope is None:
        return Block(number, ())
    protocol = use.protocol
    inner = _of_file(draft, replace(place, scope=scope), protocol, use.mark)
    required = _open_circuit(draft, inner, protocol)
    if not draft.energised:
        draft.ocv = _joined(draft.ocv, required)
    children = tuple(_items(draft, inner, protocol.children))
    return Block(number, children, name=_name(draft, place, use.name) or protocol.name or use.file)
