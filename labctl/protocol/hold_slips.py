"""The voltage that a charge or discharge holds, where it stands as another end than `to`."""

import re

from labctl.protocol.model import WrittenCondition


def held_voltage(until: WrittenCondition | None) -> str:
    """Return the hint at a hold without its voltage: an end on the voltage in `until` is what was meant by it."""
    if until is not None:
        parts = re.split(r"\s+or\s+", until.text.strip())
        for terms, part in zip(until.any_of, parts, strict=False):
            (first, *rest) = terms
            if first.quantity == "voltage" and first.value is not None and not rest:
                left = " or ".join(other for other in parts if other is not part)
                instead = f", until: {left}" if left else ""
                return f"write to: {first.value.text}{instead} in place of until: {until.text.strip()}"
    return "add to: with the voltage that is held, for example to: 4.2 V"
