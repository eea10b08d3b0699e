"""The state of a run after its last row: the one that was written last, with the row that stands in its stead."""

from dataclasses import asdict, replace

import orjson

from labctl.errors import StoreDamaged
from labctl.sample import Floats
from labctl.store.entry import Checkpoint
from labctl.store.matrix import last_of


def with_last_row(stored: Checkpoint, row: Floats) -> Checkpoint:
    """Return a checkpoint as it would have been written after a later row that changed nothing but the sums.

    Args:
        stored: As it was written.
        row: Of `store.matrix`, the run's last.

    Raises:
        StoreDamaged: The state does not read back.
    """
    last = last_of(row)
    try:
        state = orjson.loads(stored.state)
        state["last"] = asdict(last)
    except (orjson.JSONDecodeError, TypeError) as error:
        raise StoreDamaged(f"the checkpoint of run {stored.run_id} does not read back: {error}") from error
    behind = last.record - stored.record_index
    return replace(stored, record_index=last.record, state=orjson.dumps(state), behind=behind)
