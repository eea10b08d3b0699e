"""Draws without a seed: whatever is drawn when a run starts, a plan is refused or accepted the same.

Each start draws anew, so a value that is not drawn when a file is checked may be drawn when it is started. A plan is therefore
compiled with every value of such lists in turn as well, and what is wrong with any of them is wrong with the plan.
"""

import math
from collections.abc import Mapping
from typing import Final

from labctl.errors import ProtocolError
from labctl.plan.contents import all_items, files_of
from labctl.protocol import model
from labctl.protocol.expression import settle
from labctl.protocol.value import Value

MOST: Final = 32  # plans that are compiled for their draws


def rounds(protocol: model.Protocol, values: Mapping[str, Value]) -> int:
    """Return how many plans have every value of every list that is drawn from without a seed, 0 where nothing is."""
    return min(
        max((_rounds(pick, values) for file in files_of(protocol) for pick in _picks(file)), default=0),
        MOST,
    )


def _picks(file: model.Protocol) -> list[model.Pick]:
    blocks = (item for item in all_items(file.children) if isinstance(item, model.WrittenBlock))
    variables = (variable.values for block in blocks for variable in block.each)
    return [each for each in variables if isinstance(each, model.Pick) and each.seed is None]


def _rounds(pick: model.Pick, values: Mapping[str, Value]) -> int:
    items = values.get(pick.items.name) if isinstance(pick.items, model.Reference) else pick.items
    try:
        times = settle(pick.times, values).value_si
    except ProtocolError:  # of a loop around it or of a file that is used: not known here
        return MOST
    return math.ceil(len(items) / times) if isinstance(items, tuple) and times >= 1.0 else MOST
