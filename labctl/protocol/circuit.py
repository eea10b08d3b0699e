"""Equivalent circuits as text: `R0-p(R1,CPE1)-p(R2,CPE2)-W1`; a hyphen is series, `p( , )` is parallel."""

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from labctl.errors import Misread
from labctl.lookalike import nearest

ELEMENTS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "R": (("R", "ohm"),),
    "C": (("C", "F"),),
    "L": (("L", "H"),),
    "CPE": (("Q", "ohm-1 s^a"), ("a", "")),
    "W": (("A", "ohm s-1/2"),),
    "Ws": (("R", "ohm"), ("t", "s")),
    "Wo": (("R", "ohm"), ("t", "s")),
    "G": (("R", "ohm"), ("t", "s")),
}
"""Every element: its parameters in order, each with its unit.

`R` resistor, `C` capacitor, `L` inductor; `CPE` constant phase element 1/(Q (jw)^a); `W` semi-infinite diffusion A (1 - j)/sqrt(w);
`Ws` diffusion to a permeable end, R tanh(sqrt(jwt))/sqrt(jwt); `Wo` to a blocking end, R coth(sqrt(jwt))/sqrt(jwt);
`G` Gerischer R/sqrt(1 + jwt).
"""
WORDS: Final = {"Q": "CPE", "Wd": "Ws", "Zw": "W", "FSW": "Ws", "FLW": "Wo", "O": "Wo", "T": "Wo"}
MOST_ELEMENTS: Final = 20
RESISTANCE: Final = "R1"  # whose activation energy is told where none is named
_TOKEN: Final = re.compile(r"\s*(p\(|[A-Za-z]+\d*|[(),\-|+]|\S)")


@dataclass(frozen=True, slots=True)
class Element:
    """One element.

    Attributes:
        kind: A key of `ELEMENTS`.
        name: As written, `CPE1`.
        first: Index of its first parameter among those of the circuit.
    """

    kind: str
    name: str
    first: int


@dataclass(frozen=True, slots=True)
class Series:
    """Parts one behind the other: impedances add."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Parallel:
    """Parts side by side: admittances add."""

    parts: tuple["Node", ...]


Node: TypeAlias = Element | Series | Parallel


@dataclass(frozen=True, slots=True)
class Circuit:
    """A circuit.

    Attributes:
        text: As written.
        root: Its tree.
        elements: In the order of the text.
        names: Of the parameters, in order: `R0`, `CPE1.Q`, `CPE1.a`.
        units: Of the parameters, in order.
    """

    text: str
    root: Node
    elements: tuple[Element, ...]
    names: tuple[str, ...]
    units: tuple[str, ...]


def parse_circuit(text: str) -> Circuit:
    """Return the circuit that a text states.

    Raises:
        Misread: It states none; with the offset of the first thing that is wrong and a hint.
    """
    parser = _CircuitParser(text)
    root = parser.series()
    if parser.peek():
        raise parser.wrong("a hyphen or the end")
    return Circuit(text.strip(), root, tuple(parser.elements), tuple(parser.names), tuple(parser.units))


class _CircuitParser:
    """Recursive descent; a circuit of more elements than a spectrum has digits is refused."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [(match[1], match.start(1)) for match in _TOKEN.finditer(text)]
        self.at = 0
        self.elements: list[Element] = []
        self.names: list[str] = []
        self.units: list[str] = []

    def peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def wrong(self, wanted: str, hint: str = "for example R0-p(R1,CPE1)-W1") -> Misread:
        place = self.tokens[self.at][1] if self.at < len(self.tokens) else len(self.text)
        what = repr(self.peek()) if self.peek() else "its end"
        if self.peek() in {"|", "+"}:
            hint = "parts side by side are p(R1,CPE1), parts one behind the other R0-R1"
        return Misread("circuit.syntax", f"wanted {wanted} in the circuit, found {what}", hint, place)

    def series(self) -> Node:
        parts = [self.part()]
        while self.peek() == "-":
            self.at += 1
            parts.append(self.part())
        return parts[0] if len(parts) == 1 else Series(tuple(parts))

    def part(self) -> Node:
        text = self.peek()
        if text == "p(":
            return self.parallel()
        if text == "(":
            raise self.wrong("p( or an element", "brackets stand only behind p: p(R1,CPE1)")
        match = re.fullmatch(r"([A-Za-z]+)(\d*)", text)
        if match is None:
            raise self.wrong("an element")
        return self.element(match[1], text)

    def parallel(self) -> Parallel:
        self.at += 1
        parts = [self.series()]
        while self.peek() == ",":
            self.at += 1
            parts.append(self.series())
        if self.peek() != ")":
            raise self.wrong(", or )")
        self.at += 1
        if len(parts) < 2:
            raise Misread(
                "circuit.syntax", "wanted two parts or more inside p( ), found one", "for example p(R1,CPE1)", 0
            )
        return Parallel(tuple(parts))

    def element(self, kind: str, name: str) -> Element:
        if kind not in ELEMENTS:
            near = WORDS.get(kind) or nearest(kind, ELEMENTS, 0.5)
            hint = f"did you mean {near}?" if near else "elements are " + ", ".join(ELEMENTS)
            raise Misread("circuit.element", f"wanted an element, found {name!r}", hint, self.tokens[self.at][1])
        if any(element.name == name for element in self.elements):
            hint = "number them: R1, R2"
            raise Misread(
                "circuit.element", f"wanted each name once, found {name} again", hint, self.tokens[self.at][1]
            )
        if len(self.elements) == MOST_ELEMENTS:
            raise Misread(
                "circuit.element", f"wanted at most {MOST_ELEMENTS} elements, found more", "", self.tokens[self.at][1]
            )
        part = Element(kind, name, len(self.names))
        parameters = ELEMENTS[kind]
        self.names += [name if len(parameters) == 1 else f"{name}.{letter}" for letter, _ in parameters]
        self.units += [unit for _, unit in parameters]
        self.elements.append(part)
        self.at += 1
        return part
