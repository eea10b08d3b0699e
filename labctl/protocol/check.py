"""The rules of the language that need the whole file, and those that need a cell."""

from labctl.document import Finding
from labctl.protocol.cell import Cell
from labctl.protocol.expression import Environment
from labctl.protocol.model import Protocol


def check(protocol: Protocol) -> list[Finding]:
    """Return what is wrong with a protocol as far as no cell is needed to say it."""
    del protocol
    return []


def check_with_cell(protocol: Protocol, cell: Cell, environment: Environment) -> list[Finding]:
    """Return what is wrong with a protocol on a cell, with these values of its parameters."""
    del protocol, cell, environment
    return []
