"""In what share of the passes around it a block is done, where the number of completed cycles decides that."""

from collections.abc import Iterable

from labctl.plan.step import Block, Line, Term


def share_of_passes(block: Block, path: tuple[Block, ...]) -> float:
    """Return in what share of the passes around it a block is done, where the number of completed cycles decides that.

    Args:
        block: With `if: every 10 cycles` or `cycle in [5, 10]`; 1 of any other condition.
        path: The blocks around it, the innermost last.
    """
    condition = block.condition
    if condition is None or any(len(terms) != 1 for terms in condition.any_of):
        return 1.0
    terms = [terms[0] for terms in condition.any_of]
    if any(term.quantity != "every" and not (term.quantity == "cycle" and term.members) for term in terms):
        return 1.0
    at = max((number for number, one in enumerate(path) if one.passes > 1), default=0)
    repeated, inner = path[at], (*path[at + 1 :], block)
    in_a_pass = 1 if repeated.cycle is not None else cycles_in(repeated.children)
    before = 0
    for around, child in zip(path[at:], inner, strict=True):
        before += cycles_in(around.children[: around.children.index(child)])
    counts = [in_a_pass * number + before for number in range(repeated.passes)]
    return sum(any(_is_due(term, count) for term in terms) for count in counts) / max(repeated.passes, 1)


def cycles_in(children: Iterable[Block | Line]) -> int:
    """Return how many cycles, checks not counted, are done in lines and blocks that nothing is asked of."""
    done = 0
    for child in children:
        if isinstance(child, Block) and child.condition is None:
            one = 0 if child.cycle == "check" else 1 if child.cycle is not None else cycles_in(child.children)
            done += child.passes * one
    return done


def _is_due(term: Term, count: int) -> bool:
    if term.members:
        return count in term.members
    return count > 0 and count % max(round(float(term.value)), 1) == 0  # type: ignore[arg-type]
