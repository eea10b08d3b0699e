"""In which direction a cycle goes first, by the order of its steps."""

import itertools
from collections.abc import Iterable, Iterator

from labctl.plan.amount import SIGNS
from labctl.plan.step import Block, Line


def takes_first(verbs: Iterable[str], efficiency: str | None) -> bool:
    """Tell whether steps take charge out before they put any in, and take none out afterwards: so, whatever passes in them.

    A cell that is assembled discharged has next to nothing to give in its first cycle, and its charges say that it begins by
    putting in. Where a cycle takes out again after it has put in, the first step may be a pulse before the cycle proper: then
    the order says nothing, and the charges tell.

    Args:
        verbs: Of the steps of a cycle, in order; those without a direction do not count.
        efficiency: Of `CellFigures`: it says which direction takes out.
    """
    taken = 1.0 if efficiency == "charge/discharge" else -1.0
    order = [sign for sign, _ in itertools.groupby(SIGNS[verb] for verb in verbs if verb in SIGNS)]
    return efficiency is not None and order == [taken, -taken]


def verbs_in(children: Iterable[Block | Line]) -> Iterator[str]:
    """Give the verbs of lines at all depths, in the order of the text."""
    for child in children:
        if isinstance(child, Line):
            yield child.verb
        else:
            yield from verbs_in(child.children)
