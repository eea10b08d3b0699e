"""Environments: what the parameters and loop variables of a file are worth at a place."""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from typing import Final

from labctl.errors import Misread, ProtocolError
from labctl.finding import Finding, Mark, clip, with_lines
from labctl.protocol.expression import Environment, evaluate, look_up, settle, settle_text, show
from labctl.protocol.model import (
    Choice,
    Computed,
    Given,
    Parameter,
    Pick,
    Protocol,
    Range,
    Reference,
    Text,
    Use,
    Value,
    Variable,
    WrittenBlock,
)
from labctl.protocol.range_values import MOST_PASSES, ROUNDING, ranged
from labctl.quantity.dimension import TABLES, Dimension, Kind, kind_of, name_of
from labctl.quantity.parse import nearly_read, parse
from labctl.quantity.prefix_slip import a_thousandth
from labctl.quantity.units import Quantity, article
from labctl.text.fields import near
from labctl.text.nodes import BROKEN

DRAWN: Final = "seed of draws"
"""Stands among the values of names, as which it cannot be written, for the seed of draws that have none of their own."""
FAR: Final = 100.0  # times its default, from which a bare number is taken for one with another prefix
_NOT_KINDS: Final = frozenset({"amplitude", "bias", "peak", "any", "number", "count"})

# --- kinds of parameters ----------------------------------------------------------------------------------------------


def same_kind(first: Dimension, second: Dimension) -> bool:
    """Tell whether two quantities are of the same kind: mA/cm2 and C are both currents."""
    return first == second or any(
        first in table.accepted and second in table.accepted for kind, table in TABLES.items() if kind not in _NOT_KINDS
    )


def _kind_of(value: Value) -> str:
    match value:
        case Quantity(dimension=dimension):
            return name_of(dimension)
        case tuple():
            return f"list of {_kind_of(value[0])}s" if value else "list"
        case _:
            return "text"


def _fits(value: Value, default: Value) -> bool:
    """Tell whether a value may take the place of a default."""
    match value, default:
        case (Quantity(text="ocv"), str()) | (str(), Quantity(text="ocv")):
            return True  # a word like others where a text is asked
        case Quantity(), Quantity():
            return same_kind(value.dimension, default.dimension)
        case tuple(), tuple():
            return not default or all(_fits(item, default[0]) for item in value)
        case _:
            return isinstance(value, str) and isinstance(default, str)


def _checked(value: Value, parameter: Parameter, mark: Mark) -> Value:
    if parameter.default is None or _fits(value, parameter.default):
        return value
    shown = value.text if isinstance(value, Quantity) else clip(str(value))
    message = (
        f"wanted {article(_kind_of(parameter.default))} for {parameter.name}, found {shown}, {article(_kind_of(value))}"
    )
    hint = f"a parameter keeps the kind of its default, {clip(show(parameter.default))}"
    nearly = nearly_read(value) if isinstance(value, str) and isinstance(parameter.default, Quantity) else ""
    if isinstance(parameter.default, tuple) and isinstance(value, Quantity):
        hint = f"write {parameter.name}=[{value.text}]"
    hint = nearly or (f"{hint}: {meant}" if (meant := _with_unit(value, parameter.default)) else hint)
    raise ProtocolError(Finding("params.kind", message, mark, hint))


def _with_unit(value: Value, default: Value) -> str:
    """Return what a bare number may mean with the unit of the default that it is given for, "" of anything else."""
    if not isinstance(default, Quantity) or not isinstance(value, Quantity):
        return ""
    unit = re.fullmatch(r"[-+.\d]+(?:e[-+]?\d+)?(\s*[A-Za-z%].*)", default.text)
    if unit is None or re.fullmatch(r"[-+.\d]+", value.text) is None:
        return ""
    written = f"{value.text}{unit[1]}"
    meant = parse(written, "any").value_si
    return a_thousandth(written, meant, lambda one: abs(one) < FAR * abs(default.value_si)) or f"write {written}"


def bind(protocol: Protocol, given: Mapping[str, str] | None = None) -> Environment:
    """Return the values of a file's parameters, some of them given as texts (`NAME=VALUE` on the command line).

    Raises:
        ProtocolError: An unknown name, a value of another kind than the default, a required one missing.
    """
    environment, findings = bindings(protocol, given)
    if findings:
        raise ProtocolError(with_lines(findings, {protocol.file: protocol.text}))
    return environment


def bindings(protocol: Protocol, given: Mapping[str, str] | None = None) -> tuple[Environment, list[Finding]]:
    """Return the values of a file's parameters as far as they are known, and what is wrong with those that are not."""
    given = dict(given or {})
    findings: list[Finding] = []
    environment: dict[str, Value] = {}
    known = {parameter.name: parameter for parameter in protocol.parameters}
    for name, text in given.items():
        mark = Mark(f"--set {name}={clip(text)}", 1, 1)
        if name not in known:
            hint = near(name, known) or ("parameters are " + ", ".join(known) if known else f"{protocol.file} has none")
            findings.append(
                Finding("params.unknown", f"wanted the name of a parameter, found {clip(name)!r}", mark, hint)
            )
            continue
        try:
            environment[name] = _checked(_given_value(text, known[name], mark), known[name], mark)
        except ProtocolError as error:
            findings += error.findings
    for parameter in protocol.parameters:
        if parameter.name in given:
            continue
        if parameter.default is None:
            findings.append(_required(parameter))
        else:
            environment[parameter.name] = parameter.default
    return environment, findings


def _required(parameter: Parameter) -> Finding:
    message = f"wanted a value for the parameter {parameter.name}, found none"
    hint = f"give it: --set {parameter.name}=VALUE, or with: {{{parameter.name}: ...}}"
    return Finding("params.required", message, parameter.mark, hint)


def _given_value(text: str, parameter: Parameter, mark: Mark) -> Value:
    """Return the value that a text states; where the default is a text, one that only begins as a number is a text too."""
    try:
        return read_value(text, mark)
    except ProtocolError:
        if isinstance(parameter.default, str):
            return text.strip()
        if isinstance(parameter.default, tuple) and "," in text and text.strip()[:1] != "[":
            items = ", ".join(item.strip() for item in text.split(","))
            message = f"wanted a list in brackets for {parameter.name}, found {clip(text)!r}"
            raise ProtocolError(Finding("params.kind", message, mark, f"--set '{parameter.name}=[{items}]'")) from None
        like = parameter.default[0] if isinstance(parameter.default, tuple) and parameter.default else parameter.default
        if isinstance(like, Quantity) and (kind := kind_of(like.dimension)) != "any":
            return read_value(text, mark, kind)  # says what is wrong with one of that kind
        raise


def read_value(text: str, mark: Mark, kind: Kind = "any") -> Value:
    """Return the value that a text on the command line states: a list in brackets, a quantity of a kind, else a text.

    Raises:
        ProtocolError: It begins as a number and is none.
    """
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        return tuple(read_value(item, mark, kind) for item in text[1:-1].split(",") if item.strip())
    try:
        return parse(text, kind, mark)
    except Misread as error:
        if text[:1].isdigit() or text[:2].strip("+-.")[:1].isdigit():
            raise ProtocolError(Finding(error.code, str(error), mark, error.hint)) from None
        return text


def bind_use(use: Use, environment: Environment) -> Environment:
    """Return the values of an inserted file's parameters, given by `with` in this file's environment.

    Raises:
        ProtocolError: As `bind`.
    """
    findings: list[Finding] = []
    inner: dict[str, Value] = {name: environment[name] for name in (DRAWN,) if name in environment}
    known = {parameter.name: parameter for parameter in use.protocol.parameters}
    for name, given in use.with_.items():
        mark = _mark(given, use.marks.get(name, use.mark))
        if name not in known:
            mark = use.marks.get(name, mark)
            hint = near(name, known) or ("its parameters are " + ", ".join(known) if known else "it has none")
            findings.append(
                Finding("params.unknown", f"wanted a parameter of {name_of_use(use)}, found {clip(name)!r}", mark, hint)
            )
            continue
        try:
            inner[name] = _checked(_settled(given, environment), known[name], mark)
        except ProtocolError as error:
            findings += error.findings
    for parameter in use.protocol.parameters:
        if parameter.name in use.with_:
            continue
        if parameter.default is None:
            message = f"wanted a value for {parameter.name} of {name_of_use(use)}, found none"
            findings.append(Finding("params.required", message, use.mark, f"add with: {{{parameter.name}: ...}}"))
        else:
            inner[parameter.name] = parameter.default
    if findings:
        raise ProtocolError(findings)
    return inner


def name_of_use(use: Use) -> str:
    """Return the name by which a file is used, as it was written."""
    return use.file if isinstance(use.file, str) else use.file.text


def seed_of(pick: Pick, environment: Environment) -> int:
    """Return the seed of a draw: its own, else one that follows from the plan's and from where the draw stands."""
    if pick.seed is not None:
        return round(settle(pick.seed, environment).value_si)
    drawn = environment.get(DRAWN)
    if not isinstance(drawn, Quantity):
        return 0
    place = f"{round(drawn.value_si)}:{pick.mark.line}:{pick.mark.column}"
    return int.from_bytes(hashlib.sha256(place.encode()).digest()[:8], "big") % SEEDS


SEEDS: Final = 1_000_000

Loose = Given | Text | tuple[Given | Text, ...] | Reference


def _mark(given: Loose, otherwise: Mark) -> Mark:
    if isinstance(given, tuple) and given:
        given = given[0]
    mark = None if isinstance(given, str | tuple) else given.mark
    return mark or otherwise


def _settled(given: Loose, environment: Environment) -> Value:
    """Return the value of what stands in a `with` or in the list of an `each`."""
    match given:
        case tuple():
            return tuple(_settled(item, environment) for item in given)
        case Reference():
            return look_up(given, environment)
        case Computed(kind="any", expression=Reference() as reference):
            return look_up(reference, environment)  # a list or a text goes along as it is
        case Computed(kind="any"):
            return evaluate(given.expression, environment)
        case Computed() | Quantity():
            return settle(given, environment)
        case _:
            return settle_text(given, environment)


# --- loops ------------------------------------------------------------------------------------------------------------


def passes(block: WrittenBlock, environment: Environment) -> tuple[Environment, ...]:
    """Return the environment of each pass of a block with `each`; several variables go in step.

    Raises:
        ProtocolError: A range that never arrives, lists of unlike length, too many passes.
    """
    columns = {variable.name: values(variable, environment) for variable in block.each}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        lengths_text = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        message = f"wanted lists of one length in an each, found {lengths_text}"
        raise ProtocolError(
            Finding("each.length", message, block.each[0].mark, "they go in step; nest two blocks for all pairs")
        )
    count = next(iter(lengths.values()), 0)
    return tuple({**environment, **{name: column[at] for name, column in columns.items()}} for at in range(count))


def values(variable: Variable, environment: Environment) -> tuple[Value, ...]:
    """Return the values of a loop variable.

    Raises:
        ProtocolError: As `passes`.
    """
    match variable.values:
        case Range():
            return tuple(ranged(variable.values, environment))
        case Pick():
            return tuple(_picked(variable.values, environment))
        case Reference() as reference:
            return _list_in(reference, environment)
        case tuple() as items:
            return tuple(_settled(item, environment) for item in items)


def _list_in(reference: Reference, environment: Environment) -> tuple[Value, ...]:
    value = look_up(reference, environment)
    if not isinstance(value, tuple):
        message = f"wanted a list in ${reference.name}, found {clip(value if isinstance(value, str) else value.text)}"
        raise ProtocolError(
            Finding("each.list", message, reference.mark, "write [0.1C, 1C] or {from: ..., to: ..., by: ...}")
        )
    return value


def _picked(pick: Pick, environment: Environment) -> Iterator[Value]:
    """Draw values from a list: the k-th by the SHA-256 of seed and k, so that the same file draws the same for ever."""
    items = pick.items
    known = (
        _list_in(items, environment)
        if isinstance(items, Reference)
        else tuple(_settled(one, environment) for one in items)
    )
    times = round(settle(pick.times, environment).value_si)
    seed = seed_of(pick, environment)
    if not known or times > MOST_PASSES:
        shown = "an empty list" if not known else f"{times} draws"
        raise ProtocolError(
            Finding("range.long", f"wanted a list and at most {MOST_PASSES} draws, found {shown}", pick.mark)
        )
    first = 0.0 if pick.seed is not None else getattr(environment.get(DRAWN), "value_si", 0.0)
    for number in range(times):
        if first < 0.0:  # all of the list in turn, over some plans, to see whether any of it is refused
            yield known[((-round(first) - 1) * times + number) % len(known)]
            continue
        drawn = hashlib.sha256(f"{seed}:{number}".encode()).digest()
        yield known[int.from_bytes(drawn[:8], "big") % len(known)]


def chosen(choice: Choice, environment: Environment) -> bool:
    """Tell whether a choice is for its block: its name has that value, as a text or as a quantity.

    Raises:
        ProtocolError: The name has no value.
    """
    value = look_up(choice.name, environment)
    if isinstance(value, Quantity) and value.text != choice.value:
        try:
            wanted = parse(choice.value, "any", choice.mark)
        except Misread:
            return False
        return wanted.dimension == value.dimension and math.isclose(wanted.value_si, value.value_si, rel_tol=ROUNDING)
    return show(value).strip() == choice.value


def repeats(block: WrittenBlock, environment: Environment) -> int:
    """Return how often a block is done in all: its `repeat`, the passes of its `each`, else once.

    Raises:
        ProtocolError: As `passes`.
    """
    if block.repeat is not None:
        return round(settle(block.repeat, environment).value_si)
    return len(passes(block, environment)) if block.each else 1


def is_broken(reference: Reference) -> bool:
    """Tell whether a reference stands for something that was reported already."""
    return reference.name == BROKEN
