"""A text to the quantity that it states where a kind is wanted, or to what is wrong with it."""

from labctl.errors import Misread
from labctl.finding import Mark
from labctl.quantity.dimension import (
    Kind,
)
from labctl.quantity.units import MOST_DIGITS, Quantity, article, plain_spelling, read_quantity


def parse(text: str, kind: Kind, mark: Mark | None = None) -> Quantity:
    """Return the quantity that a text states where `kind` is wanted.

    Raises:
        Misread: It states none, or one of another kind; with a code, a sentence and a hint.
    """
    if len(text) > 4 * MOST_DIGITS:
        raise Misread("unit.number", f"wanted {article(kind)}, found a text of {len(text)} characters")
    reading = read_quantity(plain_spelling(text), kind)
    if reading is None:
        from labctl.quantity.unit_hints import explain  # noqa: PLC0415 - hints are needed only when something is wrong

        raise explain(text, plain_spelling(text), kind)
    value, dimension, versus, offset = reading
    return Quantity(value, dimension, text.strip(), mark, versus, offset)


def nearly_read(text: str, kind: Kind = "any") -> str:
    """Return the hint at what a text is likely to mean that is nearly a quantity, `C/5x`; "" of one that is, or is far from it."""
    try:
        parse(text, kind)
    except Misread as error:
        return error.hint if error.hint.startswith(("write ", "did you mean")) else ""
    return ""
