"""Files that are named with references, `file: dst-$(n).csv` and `use: $formation`: looked up once the references have values.

What follows of a plan then sees plain names alone. An `each` whose variable stands in such a name becomes a block with one block
for each of its passes.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from labctl.errors import ProtocolError
from labctl.finding import Finding, Mark
from labctl.protocol.binding import bind_use, passes
from labctl.protocol.expression import Environment, settle_text
from labctl.protocol.model import Item, Protocol, Reference, Step, Template, Use, Variable, WrittenBlock, WrittenText
from labctl.protocol.step_model import ProfileStep
from labctl.protocol.verbs import beside_table
from labctl.protocol.walk import every_item, references

MOST_PASSES: Final = 1000
"""Passes of an `each` that are written out for the files they name."""

Say = Callable[[Finding], None]
"""Notes what is wrong."""


def with_named_files(protocol: Protocol, values: Environment, say: Say) -> Protocol:
    """Return a protocol whose every file is named plainly and read.

    Args:
        protocol: As it was loaded.
        values: Of its parameters.
        say: Takes what is wrong; what could not be read is left out.
    """
    if not _asks(protocol.children):
        return protocol
    return replace(protocol, children=tuple(_items(protocol.children, values, say)))


def _asks(items: Iterable[Item]) -> bool:
    """Tell whether some file in items is named with references."""
    return any(True for item in every_item(tuple(items)) if _named(item) or _asks_inside(item))


def _asks_inside(item: Item) -> bool:
    return isinstance(item, Use) and isinstance(item.file, str) and _asks(item.protocol.children)


def _named(item: Item) -> Template | None:
    """Return the name of a file that has references in it."""
    if isinstance(item, Use):
        return item.file if isinstance(item.file, Template) else None
    verb = item.verb if isinstance(item, Step) else None
    return verb.file if isinstance(verb, ProfileStep) and isinstance(verb.file, Template) else None


def _needed(items: Iterable[Item]) -> Iterator[str]:
    """Give the names that the names of files in items depend on."""
    for item in every_item(tuple(items)):
        if (template := _named(item)) is not None:
            yield from (reference.name for reference in references(template))
        if isinstance(item, Use) and (isinstance(item.file, Template) or _asks_inside(item)):
            yield from (reference.name for reference in references(item.with_))


def _items(items: Iterable[Item], values: Environment, say: Say) -> Iterator[Item]:
    for item in items:
        try:
            match item:
                case Step(verb=ProfileStep(file=Template()) as verb):
                    yield replace(item, verb=_profile(verb, values, item.mark, say))
                case Use():
                    yield from _use(item, values, say)
                case WrittenBlock() if _asks(item.children):
                    yield _block(item, values, say)
                case _:
                    yield item
        except ProtocolError as error:
            for finding in error.findings:
                say(finding)


def _written_at(name: Template, values: Environment) -> Mark:
    """Return where a name was written: at the parameter where that alone is the name."""
    part, *rest = filter(None, name.parts)
    value = values.get(part.name) if isinstance(part, Reference) and not rest else None
    return value.mark if isinstance(value, WrittenText) else name.mark


def _profile(verb: ProfileStep, values: Environment, mark: Mark, say: Say) -> ProfileStep:
    assert isinstance(verb.file, Template)
    assert verb.find is not None
    name = settle_text(verb.file, values)
    table, findings = verb.find(name, _written_at(verb.file, values))
    for finding in findings:
        say(finding)
    if table is not None:
        given = {key: getattr(verb, key) for key in ("positive", "only", "scale", "peak", "clip", "current")}
        for code, message, hint in beside_table(table, given):
            say(Finding(code, message, mark, hint))
    return replace(verb, file=name, table=table, positive=verb.positive or "charge")


def _use(use: Use, values: Environment, say: Say) -> Iterator[Use]:
    if isinstance(use.file, Template):
        assert use.find is not None
        name = settle_text(use.file, values)
        protocol, findings = use.find(name, _written_at(use.file, values))
        for finding in findings:
            say(finding)
        if protocol is None or any(finding.severity == "error" for finding in findings):
            return
        use = replace(use, file=name, protocol=protocol)
    if _asks(use.protocol.children):
        use = replace(use, protocol=with_named_files(use.protocol, bind_use(use, values), say))
    yield use


def _block(block: WrittenBlock, values: Environment, say: Say) -> WrittenBlock:
    """Return a block whose files are known; an `each` on whose variables they depend is written out."""
    own = {variable.name for variable in block.each}
    if not own & set(_needed(block.children)):
        return replace(block, children=tuple(_items(block.children, values, say)))
    made = passes(block, values)
    if len(made) > MOST_PASSES:
        message = f"wanted at most {MOST_PASSES} passes of an each whose variable names a file, found {len(made)}"
        say(Finding("each.size", message, block.mark, "put the rows of several files into one"))
        return replace(block, children=())
    inner = replace(block, if_=None, choice=None, stop_if=None, abort_if=None, for_=None, every=None, record=None)
    children = tuple(
        replace(inner, each=_alone(block, one), children=tuple(_items(block.children, one, say))) for one in made
    )
    return replace(block, children=children, each=(), cycle=None, name="")


def _alone(block: WrittenBlock, values: Environment) -> tuple[Variable, ...]:
    """Return the variables of one pass."""
    return tuple(replace(variable, values=(values[variable.name],)) for variable in block.each)  # type: ignore[arg-type]
