"""Steps, blocks and inserted files to the lines and blocks of a plan."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from labctl.errors import ProtocolError
from labctl.finding import Finding
from labctl.plan.contents import cycles_of, marks_in, measures_capacity
from labctl.plan.context import CompileContext
from labctl.plan.file_limits import of_file, required_open_circuit, tighter_range
from labctl.plan.kinds import check_results, terms
from labctl.plan.scope import Scope, file_name, mark_of
from labctl.plan.step import (
    Block,
    Condition,
    End,
    EndKind,
    Line,
    Number,
    Term,
)
from labctl.plan.step_compiler import StepCompiler
from labctl.plan.step_context import StepContext, ValueOrigin
from labctl.plan.taken_first import takes_first, verbs_in
from labctl.plan.unroll import unrolled
from labctl.plan.whole_profile import whole_profile
from labctl.plan.written_at import warn_of_swapped
from labctl.protocol import model
from labctl.protocol.binding import name_of_use, seed_of
from labctl.protocol.expression import settle, show
from labctl.quantity.units import Quantity

MISSED: Final = 1e-6  # of a step between the values of a range: less is rounding
OF_LIMITS: Final = frozenset({"limit.set_point", "limit.cut_off", "limit.charge"})


def compiled_items(draft: CompileContext, place: StepContext, items: Iterable[model.Item]) -> Iterator[Line | Block]:
    """Give the lines and blocks that items come to, in order."""
    for item in items:
        match item:
            case model.Step(verb=verb):
                yield from StepCompiler(draft, place, item).items()
                draft.rested = draft.rested or _rests(item)
                if isinstance(verb, model.Nominal):
                    draft.within = draft.measurable
                if isinstance(verb, model.MarkEvent) and isinstance(verb.text, str):
                    draft.marks |= {verb.text}
                    draft.marked.setdefault(verb.text, item.mark)
            case model.WrittenBlock():
                yield _block(draft, place, _written_out(draft, place, item))
            case model.Use():
                yield _use(draft, place, item)


def _rests(step: model.Step) -> bool:
    """Tell whether a step ends at an open circuit that is known."""
    verb = step.verb
    of_table = isinstance(verb, model.ProfileStep) and verb.table is not None and verb.table.quantity == "temperature"
    return of_table or isinstance(verb, model.RestStep | model.Wait | model.Prompt | model.Temperature)


def _written_out(draft: CompileContext, place: StepContext, block: model.WrittenBlock) -> model.WrittenBlock:
    """Return an `each` as a block for each pass where it must be; what is wrong with it is found where it is looped."""
    try:
        if block.each:
            draft.expand(0, block.mark)
            return unrolled(block, place.scope) or block
    except ProtocolError:
        pass
    return block


def _block(draft: CompileContext, place: StepContext, block: model.WrittenBlock) -> Block:
    number, rested, marks = draft.next_block(), draft.rested, draft.marks
    if (block.repeat or block.each) and measures_capacity(block.children):
        draft.within = draft.measurable  # in an earlier pass
    condition = _asked(draft, place, block)
    inner = draft.recorded(place, block.record)
    if block.each:
        scope = draft.caught(lambda: _looped(draft, place, number, block), None)
        inner = inner if scope is None else replace(inner, scope=scope)  # else its variables are not known
    if block.cycle and place.cycle:
        _nested(draft, place, block)
    inner = replace(inner, cycle=place.cycle or block.cycle is not None, cycles=cycles_of((block,)))
    passes = _passes(draft, place, inner, number, block)
    if block.choice is not None:
        passes = _chosen(draft, place, block.choice)
    inner = replace(inner, block=number)
    watching = replace(inner, marks=marks_in(block.children))
    ends = tuple(_block_ends(draft, place, watching, block))
    _place(draft, number, block)
    children = tuple(compiled_items(draft, inner, block.children))
    every = None if block.every is None else draft.number(place, block.every, "duration")
    if every is not None:
        children = (*children, _until_next(draft, inner, block, every))
        draft.rested = True
    if condition is not None or passes == 0:
        draft.rested, draft.marks = rested, marks
    made = Block(
        id=number,
        children=children,
        passes=passes,
        cycle=block.cycle,
        condition=condition,
        ends=ends,
        variables=_variables(inner.scope, number, block),
        name=_name(draft, inner, block.name),
        every=every,
        seeds=_seeds(place.scope, block),
        takes_first=block.cycle is not None and takes_first(verbs_in(children), draft.cell.efficiency),
    )
    return whole_profile(draft, made)


def _until_next(draft: CompileContext, place: StepContext, block: model.WrittenBlock, every: Number) -> Line:
    """Return the rest with which a pass ends, until the next one is to begin."""
    text = draft.text_of(place, block.every) if block.every is not None else ""
    line = Line(
        id=draft.next_line(),
        verb="rest",
        mode="Rest",
        ends=(End("for", Condition(f"every {text}", ((Term("time", ">=", every),),))),),
        record=place.record,
        bounds=place.envelope.bounds,
        options={"every": every},
        where=f"{file_name(block.mark.file)}:{block.mark.line}",
    )
    draft.place("line", line.id, block.mark, {})
    return line


def _asked(draft: CompileContext, place: StepContext, block: model.WrittenBlock) -> Condition | None:
    """Return the `if` of a block."""
    if block.if_ is None:
        return None
    check_results(draft, place, block.if_)
    for term in terms(block.if_):
        if term.dwell is not None:
            message = f"wanted a comparison that one row decides in if, found {term.quantity} for {term.dwell.text}"
            draft.say("condition.over", message, term.mark, "if is asked once, on arrival")
    return draft.condition(replace(place, cycles=draft.cycles, once=True), block.if_)


def _looped(draft: CompileContext, place: StepContext, number: int, block: model.WrittenBlock) -> Scope:
    draft.expand(0, block.each[0].mark)
    scope = place.scope.looped(number, block)
    draft.expand(scope.sizes[number], block.each[0].mark)
    ends = [scope.environment({number: one}) for one in (0, scope.sizes[number] - 1)]
    values = [one.get(variable.name) for variable in block.each for one in ends]
    draft.warn_of_density((value for value in values if isinstance(value, Quantity)), block.each[0].mark)
    if scope.sizes[number] == 1:
        _one_value(draft, block)
    else:
        _last_missed(draft, place, scope, number, block)
    return scope


def _last_missed(
    draft: CompileContext, place: StepContext, scope: Scope, number: int, block: model.WrittenBlock
) -> None:
    """Warn of a range by steps that goes past its last value: often one of the three has another unit than meant."""
    outer, last = place.scope.environment({}), scope.environment({number: scope.sizes[number] - 1})
    for variable in block.each:
        written = variable.values
        if not isinstance(written, model.Range) or written.by is None or not scope.sizes[number]:
            continue
        ends, wanted = last[variable.name], settle(written.to, outer)
        if not isinstance(ends, Quantity):
            continue
        step = abs(wanted.value_si - settle(written.from_, outer).value_si) / scope.sizes[number]
        if abs(ends.value_si - wanted.value_si) > MISSED * step:
            message = f"wanted a range whose steps come to {wanted.text}, found one that ends at {show(ends)}"
            hint = "is the unit of from, to and by meant? if so, write to: " + show(ends)
            draft.say("each.short", message, variable.mark, hint, "warning")


def _one_value(draft: CompileContext, block: model.WrittenBlock) -> None:
    """Warn of a range whose step is so wide that its first value is its only one."""
    for variable in block.each:
        written = variable.values
        if isinstance(written, model.Range) and written.from_.text != written.to.text:
            message = f"wanted several values from {written.from_.text} to {written.to.text}, found {written.from_.text} alone"
            draft.say(
                "each.one", message, variable.mark, "the step is wider than the range: is its unit meant?", "warning"
            )


def _chosen(draft: CompileContext, place: StepContext, choice: model.Choice) -> int:
    """Return how often a block is done that a parameter decides about: once or not at all."""
    choices = set(draft.caught(lambda: place.scope.chosen(choice), (True,)))
    if len(choices) > 1:
        message = f"wanted one value of ${choice.name.name} in every pass of the loops around, found several"
        draft.say(
            "each.fixed", message, choice.mark, "at most 64 passes are written out; write one block for each value"
        )
    return int(True in choices)


def _nested(draft: CompileContext, place: StepContext, block: model.WrittenBlock) -> None:
    if place.use is None:
        hint = "leave cycle out of the inner or the outer block"
        draft.say("cycle.nested", "wanted no cycle block inside another, found one", block.mark, hint)
        return
    message = f"wanted no cycle block inside another, found one in {file_name(block.mark.file)}"
    draft.say("cycle.nested", message, place.use, "leave cycle out of the block around it")


def _passes(
    draft: CompileContext, place: StepContext, inner: StepContext, number: int, block: model.WrittenBlock
) -> int:
    if block.each:
        return inner.scope.sizes.get(number, 1)
    return 1 if block.repeat is None else draft.count(place, block.repeat)


def _block_ends(
    draft: CompileContext, place: StepContext, inner: StepContext, block: model.WrittenBlock
) -> Iterator[End]:
    """Give the ends of a block; what it watches may name its own variables, its budget may not."""
    watched: tuple[tuple[EndKind, model.WrittenCondition | None], ...] = (
        ("abort_if", block.abort_if),
        ("stop_if", block.stop_if),
    )
    for kind, written in watched:
        if written is not None:
            check_results(draft, inner, written)
            if place.cycle:
                _refuse_results(draft, kind, written)
            _warn_of_one_more(draft, kind, written)
            yield draft.end(inner, kind, written)
    if block.for_ is not None:
        yield draft.end_of_time(place, block.for_)


def _place(draft: CompileContext, number: int, block: model.WrittenBlock) -> None:
    """Note where a block and what it watches stand."""
    watched = [condition for condition in (block.abort_if, block.stop_if) if condition is not None]
    origins = {
        key: origin for at, condition in enumerate(watched) for key, origin in draft.origins(condition, at).items()
    }
    if block.if_ is not None:
        origins["if"] = ValueOrigin(block.if_.mark, block.if_.text)
    if isinstance(block.repeat, Quantity):  # a parameter is chosen for each cell
        origins["repeat"] = ValueOrigin(mark_of(block.repeat, block.mark), block.repeat.text)
    draft.place("block", number, block.mark, origins)


def _refuse_results(draft: CompileContext, kind: str, written: model.WrittenCondition) -> None:
    """Refuse results in what a block inside a cycle watches: they could act in the next cycle alone."""
    for term in terms(written):
        if term.is_result and not term.quantity.startswith("short"):
            message = f"wanted {kind} on {term.quantity} at the block with cycle or around it, found it inside a cycle"
            draft.say("condition.inside", message, term.mark, "move it to the block that has cycle:")


def _warn_of_one_more(draft: CompileContext, kind: str, written: model.WrittenCondition) -> None:
    """Warn of `cycle > 100`: by the first edition it stopped after 100 cycles, completed ones are more than 100 after 101."""
    for term in terms(written):
        if term.quantity == "cycle" and term.comparison == ">" and term.value is not None:
            message = (
                f"wanted {kind}: cycle >= {term.value.text} to end after as many cycles, found >, which needs one more"
            )
            draft.say("condition.more", message, term.mark, "cycle is the number of the last completed one", "warning")


def _variables(scope: Scope, number: int, block: model.WrittenBlock) -> dict[str, tuple[str, ...]]:
    """Return the text of each variable in each pass, with the first pass of the blocks around."""
    if number not in scope.sizes:
        return {}
    environments = [scope.environment({number: one}) for one in range(scope.sizes[number])]
    return {variable.name: tuple(show(one[variable.name]) for one in environments) for variable in block.each}


def _seeds(scope: Scope, block: model.WrittenBlock) -> dict[str, int]:
    """Return the seeds that were drawn for variables, by name."""
    return {
        variable.name: seed_of(variable.values, scope.environment({}))
        for variable in block.each
        if isinstance(variable.values, model.Pick) and variable.values.seed is None
    }


def _name(draft: CompileContext, place: StepContext, name: model.Text) -> str:
    text = draft.text(place, name)
    if isinstance(text, str):
        return text
    return name if isinstance(name, str) else name.text


def _use(draft: CompileContext, place: StepContext, use: model.Use) -> Block:
    """Return the steps of an inserted file, inside the tighter of both limits."""
    number, protocol = draft.next_block(), use.protocol
    defaults = {one.name: one.default for one in protocol.parameters if one.default is not None}
    scope = draft.caught(lambda: place.scope.inserted(use), Scope(values=defaults))
    warn_of_swapped(draft, scope.environment({}), use)
    outside = place.use or (use.mark if place.cycle else None)
    inner = of_file(draft, replace(place, scope=scope, use=outside), protocol, use.mark)
    required = required_open_circuit(draft, inner, protocol)
    if not draft.energised:
        draft.ocv = tighter_range(draft.ocv, required)
    before = len(draft.findings)
    children = tuple(compiled_items(draft, replace(inner, block=number), protocol.children))
    draft.findings[before:] = _at_use(draft.findings[before:], use)
    return Block(number, children, name=_name(draft, place, use.name) or protocol.name or name_of_use(use))


def _at_use(findings: Iterable[Finding], use: model.Use) -> list[Finding]:
    """Return what limits from outside refuse in an inserted file at the line that inserts it, the first of each value."""
    kept: dict[object, Finding] = {}
    for finding in findings:
        own = f"limits of {file_name(use.protocol.file)}" in finding.message
        if finding.code not in OF_LIMITS or finding.mark.file != use.protocol.file or own:
            kept[finding] = finding
            continue
        given = re.search(r"\$(\w+)", finding.message)
        mark = use.mark if given is None else use.marks.get(given[1], use.mark)
        message = f"{finding.message} ({file_name(finding.mark.file)}:{finding.mark.line})"
        key = (mark, finding.code, "" if given is None else given[1], "" if given is not None else message)
        kept.setdefault(key, replace(finding, mark=mark, message=message, line=""))
    return list(kept.values())
