"""Which pass of a loop is meant, in the words of its variables."""

from labctl.plan.number import as_filed
from labctl.plan.step import Block, ByPass, End, Line


def slowest_pass(path: tuple[Block, ...], line: Line, ends: tuple[End, ...]) -> str:
    """Return which pass of a loop over currents passes least in one time, in words; "" where it is not one of those."""
    current = as_filed(line.settings.get("current", line.settings.get("power", 0.0)))  # type: ignore[arg-type]
    timed = any(isinstance(end.condition.any_of[0][0].value, ByPass) for end in ends if end.kind == "for")
    if not isinstance(current, ByPass) or len(current.blocks) > 1 or timed:
        return ""
    at = min(range(len(current.values)), key=lambda index: abs(current.values[index]))
    loop = next((block for block in path if block.id == current.blocks[0]), None)
    shown = ", ".join(f"{name} = {texts[at]}" for name, texts in loop.variables.items()) if loop else ""
    return f" in the pass with {shown}" if shown else ""
