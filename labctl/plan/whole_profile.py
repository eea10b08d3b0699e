"""`until` of a profile that is repeated: an end of the whole, all its passes, not of one."""

from dataclasses import replace

from labctl.plan.context import CompileContext
from labctl.plan.step import Block, Line


def whole_profile(draft: CompileContext, block: Block) -> Block:
    """Return a block that repeats a profile and nothing else with what its `until` says: it ends the block."""
    if len(block.children) != 1:
        return block
    child = block.children[0]
    if isinstance(child, Line) and child.verb == "profile":
        kept = [number for number, end in enumerate(child.ends) if end.kind != "until"]
        inner: Line | Block = replace(child, ends=tuple(child.ends[number] for number in kept))
        what = "line"
    elif isinstance(child, Block) and not child.fused and child.condition is None and _repeats_profile(child):
        kept = [number for number, end in enumerate(child.ends) if end.kind != "until"]
        inner = replace(child, ends=tuple(child.ends[number] for number in kept))
        what = "block"
    else:
        return block
    moved = [number for number in range(len(child.ends)) if number not in kept]
    if not moved:
        return block
    _place(draft, (what, child.id), (block.id, len(block.ends)), (kept, moved))
    return replace(block, children=(inner,), ends=(*block.ends, *(child.ends[number] for number in moved)))


def _repeats_profile(block: Block) -> bool:
    """Tell whether a block repeats a profile and nothing else."""
    if len(block.children) != 1:
        return False
    child = block.children[0]
    return _repeats_profile(child) if isinstance(child, Block) else child.verb == "profile"


def _place(
    draft: CompileContext, child: tuple[str, int], block: tuple[int, int], numbers: tuple[list[int], list[int]]
) -> None:
    """Let the places of ends go along: those that moved to the block, and those that are left with new numbers."""
    (what, identity), (number, first), (kept, moved) = child, block, numbers
    targets = {old: ("block", number, first + at) for at, old in enumerate(moved)}
    targets |= {old: (what, identity, at) for at, old in enumerate(kept)}
    places = draft.places
    of_this = {key: places.pop(key) for key in list(places) if key[:2] == (what, identity) and key[2] != ""}
    for (_, _, key), mark in of_this.items():
        old = key[0] if isinstance(key, tuple) else key
        if isinstance(old, str):
            places[what, identity, old] = mark  # type: ignore[index]
            continue
        kind, owner, new = targets[old]
        places[kind, owner, (new, *key[1:]) if isinstance(key, tuple) else new] = mark  # type: ignore[index]
