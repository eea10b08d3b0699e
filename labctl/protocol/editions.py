"""What the second edition of the language changed: the conditions of a file that meant something else by the first."""

from collections.abc import Iterator
from dataclasses import dataclass

from labctl.finding import Mark
from labctl.protocol.check import files
from labctl.protocol.condition import RESULTS
from labctl.protocol.model import Pick, Protocol, Step, WrittenBlock, WrittenCondition, WrittenTerm
from labctl.protocol.step_model import Drive, Nominal, ProfileStep, Wait
from labctl.protocol.walk import every_item, parts


@dataclass(frozen=True, slots=True)
class Change:
    """A condition that meant something else by the first edition: where it stands, as what, and what it meant."""

    mark: Mark
    text: str
    before: str


def changed(protocol: Protocol) -> tuple[Change, ...]:
    """Return the conditions of a protocol, and of the files it uses, whose meaning the second edition changed."""
    return tuple(change for file in files(protocol) if not _new(file) for change in _of_file(file))


def _new(protocol: Protocol) -> bool:
    """Tell whether a file uses a word of the second edition: it was never read by the rules of the first."""
    return any(_is_new(part) for item in every_item(protocol.children) for part in parts(item))


def _is_new(part: object) -> bool:
    match part:
        case WrittenTerm():
            more = (part.which, part.cycles, part.figure, part.members, part.since, part.dwell)
            return any(more) or part.quantity in {"every", "energy", "dT/dt"}
        case WrittenBlock():
            return part.every is not None or part.choice is not None
        case ProfileStep():
            return part.clip is not None or part.peak is not None or bool(part.only) or not part.positive
        case Step():
            return part.temperature is not None
        case Drive():
            return part.energy is not None
    return isinstance(part, Wait | Nominal | Pick)


def _of_file(protocol: Protocol) -> Iterator[Change]:
    for item in every_item(protocol.children):
        match item:
            case WrittenBlock():
                yield from _of_block(item)
            case Step(verb=ProfileStep(until=WrittenCondition() as until)) if _alone_in_repeat(protocol, item):
                yield Change(until.mark, f"until: {until.text}", "ended one pass of the profile, not the whole of it")


def _alone_in_repeat(protocol: Protocol, step: Step) -> bool:
    """Tell whether a step is all that a block repeats."""
    blocks = (item for item in every_item(protocol.children) if isinstance(item, WrittenBlock))
    return any(block.children == (step,) and (block.repeat is not None or block.each) for block in blocks)


def _of_block(block: WrittenBlock) -> Iterator[Change]:
    for key, condition in (("stop_if", block.stop_if), ("abort_if", block.abort_if), ("if", block.if_)):
        for terms in condition.any_of if condition is not None else ():
            for term in terms:
                for before in _before(key, term):
                    text = term.quantity + (f" {term.comparison} {term.value.text}" if term.value is not None else "")
                    yield Change(term.mark, f"{key}: {text}", before)


def _before(key: str, term: WrittenTerm) -> Iterator[str]:
    """Give what a comparison meant by the first edition, where that was something else."""
    if term.quantity == "cycle" and not term.members and not term.which:
        yield "was asked of the cycle that began, not of the last completed one"
    if key == "if" and term.quantity in RESULTS:
        yield "had to be true for two cycles running, not for the last completed one alone"
    if term.quantity == "retention" and term.of != "max" and not isinstance(term.of, int):
        yield "was against the first cycle whatever its current, not against the first at the cycle's own current"
