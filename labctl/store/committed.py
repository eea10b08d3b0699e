"""What the journal's writer tells those who listen: that entries are durable, or that they cannot be written."""

from collections.abc import Sequence
from dataclasses import dataclass

from labctl.errors import LabctlError
from labctl.store.entry import Item


@dataclass(frozen=True, slots=True)
class Committed:
    """A commit has been acknowledged: its number and its entries."""

    commit_id: int
    entries: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    """The journal cannot be written; entries wait. `error` is None once it can again.

    An `InternalError` means that the writer has ended and nothing more will be stored.
    """

    error: LabctlError | None


def first_of(items: Sequence[Item], most: int, *, at_checkpoints: bool) -> tuple[Item, ...]:
    """Return the items that a commit takes, from the first on: `most` rows or one item, and what belongs with them.

    Args:
        items: In order.
        most: Rows.
        at_checkpoints: Nothing is cut off from the checkpoint after it.
    """
    count = rows = 0
    while count < len(items) and (rows + items[count].rows <= most or not count):
        rows += items[count].rows
        count += 1
    while at_checkpoints and count < len(items) and not items[count - 1].closes:
        count += 1
    return tuple(items[:count])
