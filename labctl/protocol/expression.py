"""References and expressions: `$name`, `$(1.2 * areal / j)`. Units go along; nothing is ever evaluated by Python."""

from collections.abc import Mapping
from typing import TypeAlias

from labctl.protocol.model import Expression, Given, Text, Value
from labctl.units import Quantity

Environment: TypeAlias = Mapping[str, Value]
"""Parameters and loop variables in force at a place."""


def evaluate(expression: Expression, environment: Environment) -> Quantity:
    """Return the value of an expression.

    Raises:
        ProtocolError: A name without a value, a text or list in arithmetic, unlike units added, division by zero.
    """
    raise NotImplementedError


def settle(given: Given, environment: Environment) -> Quantity:
    """Return a given value as a Quantity, checked against the kind wanted at its place.

    Raises:
        ProtocolError: As `evaluate`; or the value is of another kind, or negative where a verb gives the direction.
    """
    raise NotImplementedError


def settle_text(text: Text, environment: Environment) -> str:
    """Return a text with its references filled in, quantities as they were written."""
    raise NotImplementedError
