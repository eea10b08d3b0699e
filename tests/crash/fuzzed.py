"""The counts of the fuzzers: damaged inputs for parsers that meet bytes from outside, and what memory they leave held."""

import gc
import random
import time
from collections.abc import Sequence
from pathlib import Path

from tests.crash.counted import counting, progress
from tests.crash.promises import told
from tests.property.wire.fuzz import Parsers, fuzz

EACH = 100_000  # inputs of a seed for each parser
GROWS = 32.0  # MB by which a process may grow over a seed's inputs after the first tenth


def count(name: str, parsers: Parsers, odd: Sequence[bytes], inputs: int, seed: int | None, *, keep: bool) -> int:
    """Give so many damaged inputs to each parser, count, and return the exit code.

    Args:
        name: Of the rig's file in `tests/crash/counted/`.
        parsers: By name, with good inputs for each.
        odd: What is put into good inputs.
        inputs: For each parser, in seeds of `EACH`.
        seed: The first; None for the next one, or for any where nothing is kept.
        keep: Add to the file and the page.
    """
    with counting(name, keep) as tally:
        first = seed if seed is not None or keep else random.SystemRandom().randrange(2**31)
        given = 0
        for number in tally.seeds(first):
            if given >= inputs:
                break
            begin, wanted, done, held = time.monotonic(), min(EACH, inputs - given), 0, 0

            def watched(so_far: int, before: int = given, wanted: int = wanted) -> None:
                nonlocal done, held
                done = so_far
                if not held and so_far >= wanted // 10:
                    held = resident()
                progress(f"{name}: {before + so_far} of {inputs} inputs for each of {len(parsers)} parsers")

            found = fuzz(wanted, number, watched, parsers, odd, lambda: tally.ended)
            done = done if tally.ended else wanted
            grown = max(0, resident() - held) / 1e6 if held else 0.0
            wrong = [f"{which}: {data!r}: {error!r}" for which, data, error in found[:20]]
            if grown > GROWS:
                wrong.append(
                    f"{grown:.0f} MB more memory are held after {wanted} inputs than after the first tenth of them"
                )
            sums = {"inputs": done * len(parsers), "strange": len(found)}
            tally.add(number, sums, {"grown": round(grown, 1)}, wrong, time.monotonic() - begin)
            given += done
        print(told(name, tally.now))
        return 1 if tally.now.findings else 0


def resident() -> int:
    """Return the bytes that this process holds, 0 where the system does not say."""
    gc.collect()
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096
    except OSError:
        return 0
