"""The garbage collector: it looks less often where millions of values are made and none refers back to another."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

AFTER: Final = 100_000  # new objects after which it looks at them


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Let the collector look less often inside; what nothing refers to is given back at once all the same."""
    before = gc.get_threshold()
    gc.set_threshold(AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
