"""References and expressions: `$name`, `$(1.2 * areal / j)`. Units go along; nothing is ever evaluated by Python."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from labctl.errors import Misread, ProtocolError
from labctl.finding import Finding, Mark, clip
from labctl.protocol.cell import factors
from labctl.protocol.model import (
    Computed,
    Expression,
    Given,
    Number,
    Operation,
    Reference,
    Sign,
    Template,
    Text,
    Value,
    WrittenText,
)
from labctl.protocol.reference_slips import alone_hint
from labctl.protocol.sign import check_sign
from labctl.quantity.dimension import DURATION, KELVIN, NONE, TABLES, Kind, accepts, dimension_of, name_of
from labctl.quantity.kind_slips import made_into
from labctl.quantity.parse import parse
from labctl.quantity.units import Quantity, article, like, measure_unit

Environment: TypeAlias = Mapping[str, Value]
"""Parameters and loop variables in force at a place."""

Places: TypeAlias = Callable[[int], Mark]
"""Where a character of a text stands in its file."""

MOST_LENGTH: Final = 500
MOST_DEPTH: Final = 32
MOST_REFERENCES: Final = 100
NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_TOKEN: Final = re.compile(rf"\s*(?:(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+)|({NAME})|(\S))")
_REFERENCE: Final = re.compile(rf"\$(?:({NAME})|\()")

# --- text to expression -----------------------------------------------------------------------------------------------


def parse_reference(text: str, places: Places, begin: int = 0) -> tuple[Expression, int]:
    """Return the expression that `$` begins at an offset of a text, and the offset after it.

    Raises:
        Misread: It is neither `$name` nor `$(expression)`.
    """
    match = _REFERENCE.match(text, begin)
    if match is None:
        hint = "write $name for a parameter or loop variable, $(2 * name) for arithmetic"
        if text[begin + 1 : begin + 2] == "\uff08":
            hint = f"\uff08 and \uff09 are wide brackets: write {text[begin:].replace(chr(0xFF08), '(').replace(chr(0xFF09), ')')}"
        raise Misread("reference.form", f"wanted a name or ( after $, found {clip(text[begin:])!r}", hint, begin)
    if match[1]:
        return Reference(match[1], places(begin)), match.end()
    end = closing(text, match.end())
    return _ExpressionParser(text[match.end() : end], match.end(), places).whole(), end + 1


def closing(text: str, begin: int) -> int:
    """Return the offset of the bracket that closes one opened before `begin`.

    Raises:
        Misread: There is none.
    """
    depth = 1
    for at in range(begin, len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if not depth:
            return at
    raise Misread(
        "reference.bracket", "wanted ) at the end of $( ), found none", "close the bracket", max(0, begin - 2)
    )


class _ExpressionParser:
    """Recursive descent over names, bare numbers, + - * /, abs and brackets."""

    def __init__(self, text: str, begin: int, places: Places) -> None:
        if len(text) > MOST_LENGTH:
            raise Misread("reference.long", f"wanted at most {MOST_LENGTH} characters in $( ), found {len(text)}")
        self.places = places
        self.begin = begin
        self.tokens = [(match, begin + match.start(match.lastindex or 0)) for match in _TOKEN.finditer(text)]
        self.end = begin + len(text)
        self.at = 0
        self.depth = 0

    def whole(self) -> Expression:
        expression = self.sum()
        if self.at < len(self.tokens):
            self.fail("an operator")
        return expression

    def peek(self) -> str:
        return self.tokens[self.at][0][0].strip() if self.at < len(self.tokens) else ""

    def place(self) -> int:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else self.end

    def fail(self, wanted: str) -> None:
        symbol, hint = self.peek(), ""
        if symbol == "$":
            hint = "inside $( ) names stand without $"
        elif self.at and self.tokens[self.at - 1][0][1] and self.at < len(self.tokens) and self.tokens[self.at][0][2]:
            factor, name = self.tokens[self.at - 1][0][1], self.tokens[self.at][0][2]
            hint = "only bare numbers stand inside $( ): make a quantity with a unit a parameter"
            hint = hint if measure_unit(name) else f"write {factor} * {name}"
        elif symbol == "^":
            hint = "there are no powers: multiply"
        message = f"wanted {wanted} in $( ), found {symbol!r}" if symbol else f"wanted {wanted} in $( ), found its end"
        raise Misread("reference.syntax", message, hint, self.place())

    def sum(self) -> Expression:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise Misread(
                "reference.long", f"wanted at most {MOST_DEPTH} brackets inside each other in $( ), found more"
            )
        expression = self.chain("+-", lambda: self.chain("*/", self.factor))
        self.depth -= 1
        return expression

    def chain(self, operators: str, operand: Callable[[], Expression]) -> Expression:
        expression = operand()
        while self.peek() and self.peek() in operators:
            operator, mark = self.peek(), self.places(self.place())
            self.at += 1
            expression = Operation(operator, (expression, operand()), mark)  # type: ignore[arg-type]
        return expression

    def factor(self) -> Expression:
        match, place = self.tokens[self.at] if self.at < len(self.tokens) else (None, self.end)
        if match is not None and match[1]:
            self.at += 1
            return Number(float(match[1]))
        if match is not None and match[2]:
            self.at += 1
            return self.call(match[2], place) if self.peek() == "(" else Reference(match[2], self.places(place))
        if self.peek() == "-":
            self.at += 1
            self.depth += 1
            if self.depth > MOST_DEPTH:
                self.fail("a number or a name")
            return Operation("neg", (self.factor(),), self.places(place))
        return self.bracket()

    def call(self, name: str, place: int) -> Expression:
        if name != "abs":
            raise Misread(
                "reference.function",
                f"wanted abs or an operator in $( ), found {name}( )",
                "there is no other function",
                place,
            )
        return Operation("abs", (self.bracket(),), self.places(place))

    def bracket(self) -> Expression:
        if self.peek() != "(":
            self.fail("a number or a name")
        self.at += 1
        expression = self.sum()
        if self.peek() != ")":
            self.fail(")")
        self.at += 1
        return expression


def parse_given(text: str, kind: Kind, places: Places, sign: Sign = "any") -> Given:
    """Return the quantity, or the computation of one, that a text states.

    Raises:
        Misread: It states neither, or a quantity of another kind or sign.
    """
    if "$" not in text:
        quantity = parse(text, kind, places(0))
        check_sign(quantity, sign, kind)
        return quantity
    lead = len(text) - len(text.lstrip())
    expression, end = parse_reference(text, places, text.index("$"))
    if text.index("$") != lead or text[end:].strip():
        hint = alone_hint(text.strip())
        raise Misread(
            "reference.alone", f"wanted {article(kind)}, found a reference with more around it: {clip(text)!r}", hint
        )
    return Computed(kind, expression, text.strip(), places(0), sign)


def parse_template(text: str, places: Places, mark: Mark) -> Text:
    """Return a text, as a Template where `$name` or `$(expression)` stands in it; `$$` is a plain dollar sign.

    Raises:
        Misread: An expression in it is not one.
    """
    parts: list[str | Expression] = []
    plain, at = "", 0
    if text.count("$") > MOST_REFERENCES:
        raise Misread(
            "reference.long", f"wanted at most {MOST_REFERENCES} references in a text, found {text.count('$')}"
        )
    while at < len(text):
        if text.startswith("$$", at):
            plain, at = plain + "$", at + 2
        elif _REFERENCE.match(text, at):
            expression, at = parse_reference(text, places, at)
            parts += [plain, expression]
            plain = ""
        else:
            end = text.find("$", at + 1)
            plain, at = plain + text[at:end] if end > 0 else plain + text[at:], end if end > 0 else len(text)
    return Template((*parts, plain), text, mark) if parts else plain


# --- expression to value ----------------------------------------------------------------------------------------------


def names(expression: Expression) -> list[Reference]:
    """Return the references of an expression in order."""
    match expression:
        case Reference():
            return [expression]
        case Operation():
            return [name for operand in expression.operands for name in names(operand)]
    return []


def evaluate(expression: Expression, environment: Environment) -> Quantity:
    """Return the value of an expression.

    Raises:
        ProtocolError: A name without a value, a text or list in arithmetic, unlike units added, division by zero.
    """
    match expression:
        case Number(value):
            return Quantity(value, NONE, f"{value:g}")
        case Reference(name, mark):
            return _quantity(look_up(expression, environment), name, mark)
        case Operation(operator, operands, mark):
            values = [evaluate(operand, environment) for operand in operands]
            return _operate(operator, values, mark)


def look_up(reference: Reference, environment: Environment) -> Value:
    """Return the value of a name.

    Raises:
        ProtocolError: It has none.
    """
    if reference.name not in environment:
        raise _error("reference.unknown", f"wanted the value of ${reference.name}, found none", reference.mark)
    return environment[reference.name]


def _quantity(value: Value, name: str, mark: Mark) -> Quantity:
    if isinstance(value, Quantity):
        return value
    shown = "a list" if isinstance(value, tuple) else f"the text {clip(value)!r}"
    raise _error("reference.kind", f"wanted a quantity in ${name}, found {shown}", mark)


def _error(code: str, message: str, mark: Mark, hint: str = "") -> ProtocolError:
    return ProtocolError(Finding(code, message, mark, hint))


def _operate(operator: str, values: list[Quantity], mark: Mark) -> Quantity:
    left, right = values[0], values[-1]
    match operator:
        case "neg" | "abs":
            value = -left.value_si if operator == "neg" else abs(left.value_si)
            return _result(value, left, left.versus)
        case "+" | "-":
            return _add(left, right, 1.0 if operator == "+" else -1.0, mark)
        case _:
            return _multiply(left, right, operator, mark)


def _result(value: float, pattern: Quantity, versus: str = "", offset: float = 0.0) -> Quantity:
    return Quantity(value, pattern.dimension, like(value, pattern), None, versus, offset)


def _add(left: Quantity, right: Quantity, sign: float, mark: Mark) -> Quantity:
    if left.dimension != right.dimension:
        operands = " and ".join(f"{item.text} ({name_of(item.dimension)})" for item in (left, right))
        message = f"wanted two quantities alike, found {operands}"
        raise _error("reference.units", message, mark, "only like units are added; a bare number has none")
    if left.dimension == KELVIN and sign < 0 and right.offset:  # the difference of two temperatures is a step
        step = left.value_si - (right.value_si if left.offset else right.in_kind("temperature step"))
        return Quantity(step, KELVIN, f"{step:.6g} K")
    value = left.value_si + sign * right.in_kind("temperature step")
    versus = "" if sign < 0 and left.versus == right.versus else left.versus or right.versus
    return _result(value, left, versus, left.offset)


def _multiply(left: Quantity, right: Quantity, operator: str, mark: Mark) -> Quantity:
    if left.offset or right.offset or "ocv" in {left.versus, right.versus}:
        spelled = left.text if left.offset or left.versus else right.text
        raise _error(
            "reference.units",
            f"wanted a quantity with a true zero, found {spelled}",
            mark,
            "a temperature in degC or a voltage vs ocv cannot be multiplied",
        )
    if operator == "/" and right.value_si == 0:
        raise _error("reference.zero", f"wanted a divisor other than zero, found {right.text}", mark)
    if operator == "*":
        value, dimension = left.value_si * right.value_si, left.dimension * right.dimension
    else:
        value, dimension = left.value_si / right.value_si, left.dimension / right.dimension
    if not math.isfinite(value):
        raise _error("reference.zero", f"wanted a finite value, found {left.text} {operator} {right.text}", mark)
    pattern = next((item for item in (left, right) if item.dimension == dimension), None)
    if pattern is None and dimension == DURATION:
        pattern = Quantity(1.0, DURATION, "1 s")
    text = like(value, pattern) if pattern else f"{value:.6g} ({name_of(dimension)}, SI)"
    return Quantity(value, dimension, text)


def settle(given: Given, environment: Environment) -> Quantity:
    """Return a given value as a Quantity, checked against the kind and sign wanted at its place.

    Raises:
        ProtocolError: As `evaluate`; or the value is of another kind, or negative where a verb gives the direction.
    """
    if isinstance(given, Quantity):
        return given
    try:
        quantity = _settled(given, environment)
        check_sign(quantity, given.sign, given.kind)
    except Misread as error:
        mark = _where_set(given, environment, error) or given.mark
        hint = error.hint
        if error.code == "value.negative" and not isinstance(given.expression, Reference):
            hint = re.sub(r"(?:^|: )write .*", "", hint)  # arithmetic gave it, nobody wrote it
        raise _error(error.code, f"{error} (in {given.text})", mark, hint) from None
    return Quantity(quantity.value_si, quantity.dimension, quantity.text, given.mark, quantity.versus, quantity.offset)


def _where_set(given: Computed, environment: Environment, error: Misread) -> Mark | None:
    """Return where a parameter or loop variable got a value that is wrong by itself, so that many uses give one error."""
    value = environment.get(given.expression.name) if isinstance(given.expression, Reference) else None
    if isinstance(value, WrittenText):
        return value.mark if error.hint.startswith("write ") else None
    itself = error.code in {"unit.bare", "value.negative"} or error.hint.startswith("write ")
    return value.mark if isinstance(value, Quantity) and itself else None


def _settled(given: Computed, environment: Environment) -> Quantity:
    value = look_up(given.expression, environment) if isinstance(given.expression, Reference) else None
    if isinstance(value, str):
        return parse(value, given.kind, given.mark)
    quantity = evaluate(given.expression, environment)
    direct = isinstance(given.expression, Reference)
    fits = accepts(given.kind, quantity.dimension) if direct else _reachable(quantity, given.kind)
    whole = given.kind != "count" or quantity.value_si == round(quantity.value_si)
    if not fits or not whole or (quantity.versus == "ocv" and given.kind not in {"potential", "bias", "any"}):
        if direct and TABLES[given.kind].units and not quantity.versus:
            parse(quantity.text, given.kind)  # says which unit it may lack
        found = f"{quantity.text}, {article(name_of(quantity.dimension))}"
        raise Misread(
            "unit.kind", f"wanted {article(given.kind)}, found {found}", made_into(quantity.dimension, given.kind)
        )
    return quantity


def _reachable(quantity: Quantity, kind: Kind) -> bool:
    """Tell whether a cell could make this a quantity of the kind."""
    return accepts(kind, quantity.dimension) or factors(quantity.dimension, dimension_of(kind)) is not None


def settle_text(text: Text, environment: Environment) -> str:
    """Return a text with its references filled in, quantities as they were written.

    Raises:
        ProtocolError: As `evaluate`.
    """
    if isinstance(text, str):
        return text
    return "".join(part if isinstance(part, str) else show(_value(part, environment)) for part in text.parts)


def _value(expression: Expression, environment: Environment) -> Value:
    return look_up(expression, environment) if isinstance(expression, Reference) else evaluate(expression, environment)


def show(value: Value) -> str:
    """Return a value as it would be written."""
    if isinstance(value, tuple):
        return "[" + ", ".join(show(item) for item in value) + "]"
    return value.text if isinstance(value, Quantity) else value
