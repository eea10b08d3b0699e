"""What sign a value may have at its place, and what to write instead of one that has another."""

from typing import Final

from labctl.errors import Misread
from labctl.protocol.model import Sign
from labctl.quantity.dimension import Kind
from labctl.quantity.units import Quantity, article

MINUS: Final = "-\u2212\u2013 "  # of keyboards and of print


def check_sign(quantity: Quantity, sign: Sign, kind: Kind) -> None:
    """Refuse a value that its place does not take.

    Raises:
        Misread: It is negative, or zero where nothing would happen.
    """
    if kind == "temperature" and quantity.value_si <= 0:
        hint = "the difference of two temperatures is a step, no temperature" if not quantity.offset else ""
        raise Misread("value.negative", f"wanted a temperature above absolute zero, found {quantity.text}", hint)
    if sign == "any" or quantity.value_si > 0 or (sign == "not negative" and quantity.value_si == 0):
        return
    if quantity.value_si < 0:
        hint = (
            "the verb gives the direction, values are magnitudes: " if kind in {"current", "power", "capacity"} else ""
        )
        hint = "from and to give the direction: " if kind == "scan rate" else hint
        hint = f"{hint}write {quantity.text.lstrip(MINUS)}"
        if kind == "count" and quantity.value_si == -1:
            hint = "for as often as it takes, write a large count and stop_if"
        raise Misread("value.negative", f"wanted {article(kind)} that is not negative, found {quantity.text}", hint)
    hint = {
        "count": "leave it out: the block, the key, or the number in a list; what is done with a fresh cell stands before the loop",
        "current": "write rest for no current",
        "power": "write rest for no current",
        "number": "a factor is above 1 upwards and below 1 downwards",
        "amplitude": "5 mV to 20 mV are usual",
        "frequency": "write the lowest frequency that is measured, such as 0.1 Hz",
        "scan rate": "0.1 mV/s to 10 mV/s are usual",
    }.get(kind, "")
    raise Misread("value.zero", f"wanted {article(kind)} above zero, found {quantity.text}", hint)
