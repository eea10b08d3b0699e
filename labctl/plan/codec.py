"""A plan as canonical JSON, and its hash: what is stored with a run, and what tells one plan from another.

A value of a class of `labctl.plan.step` or `labctl.driver` becomes an object with the class's name under `$` and its
fields; a sequence becomes an array. Only empty fields (None, "", no items) are absent: numbers and flags are always
written, so that a default which changes later cannot change a stored plan. A field that came later than the first plans
were stored is absent where it has its default too, so that those plans keep their hash. Keys are sorted; a float is the
shortest text that reads back to the same bits.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Final

import orjson

from labctl.driver import Bounds, RecordRule
from labctl.errors import InternalError
from labctl.plan.step import (
    Block,
    ByPass,
    Carried,
    CellFigures,
    Condition,
    End,
    Interruption,
    Line,
    Plan,
    Relative,
    Term,
    TextByPass,
    VersusOcv,
)

VERSION: Final = 1
TAG: Final = "$"

CLASSES: Final[Mapping[str, type]] = {
    kind.__name__: kind
    for kind in (
        Block, Bounds, ByPass, Carried, CellFigures, Condition, End, Interruption, Line, Plan, RecordRule, Relative, Term,
        TextByPass, VersusOcv,
    )
}  # fmt: skip

_ORDER: Final = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS


_ALWAYS: Final = object()
"""Equal to no value of a plan: stands for the value with which a field is left out, where there is none."""


def _empty(value: object) -> bool:
    return value is None or (isinstance(value, str | tuple | list | Mapping) and not value)


def _left_out_as(field: Field[object]) -> object:
    """Return the value with which a field is left out of the text: an empty default, or the default of a later field."""
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return default if default is not MISSING and (_empty(default) or field.metadata.get("later")) else _ALWAYS


_FIELDS: Final = {name: {field.name: _left_out_as(field) for field in fields(kind)} for name, kind in CLASSES.items()}


def plan_to_json(plan: Plan) -> bytes:
    """Return the canonical JSON of a plan, UTF-8.

    Raises:
        InternalError: The plan holds something that is not a plan's.
    """
    return orjson.dumps(_tree(plan), option=_ORDER)


def plan_from_json(text: bytes | str) -> Plan:
    """Read a plan back; equal to the one that was written.

    Raises:
        InternalError: The text is not a plan, or one of a version that this labctl does not know.
    """
    try:
        tree = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InternalError(f"wanted a plan as JSON, found something else: {error}") from error
    version = tree.get("version") if isinstance(tree, dict) else None
    if version != VERSION:
        raise InternalError(f"wanted a plan of version {VERSION}, found version {version}")
    plan = _value(tree)
    if not isinstance(plan, Plan):
        raise InternalError(f"wanted a plan, found {type(plan).__name__}")
    return plan


def digest(plan: Plan) -> str:
    """Return the SHA-256 of the canonical JSON, as 64 hexadecimal digits."""
    return hashlib.sha256(plan_to_json(plan)).hexdigest()


def _tree(value: object) -> object:
    """Return plain dicts, lists and scalars for a value of a plan."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case tuple() | list():
            return [_tree(item) for item in value]
        case Mapping():
            return {str(key): _tree(item) for key, item in value.items()}
    name = type(value).__name__
    if name not in CLASSES:
        raise InternalError(f"wanted a value of a plan, found {name}")
    tree: dict[str, object] = {TAG: name}
    for field, left_out in _FIELDS[name].items():
        item = getattr(value, field)
        absent = left_out is not _ALWAYS and (_empty(item) if _empty(left_out) else item == left_out)
        if not absent:
            tree[field] = _tree(item)
    return tree


def _value(tree: object) -> object:
    """Return the value of a plan for plain dicts, lists and scalars."""
    match tree:
        case list():
            return tuple(_value(item) for item in tree)
        case dict():
            content = {key: _value(item) for key, item in tree.items() if key != TAG}
            name = tree.get(TAG)
            return content if name is None else _made(str(name), content)
    return tree


def _made(name: str, content: dict[str, object]) -> object:
    """Build one object; what is absent is empty, whatever the class's default."""
    kind = CLASSES.get(name)
    if kind is None:
        raise InternalError(f"wanted a part of a plan, found {name}")
    strange = content.keys() - _FIELDS[name].keys()
    if strange:
        raise InternalError(f"wanted the fields of {name}, found {', '.join(sorted(strange))}")
    try:
        return kind(**content)
    except TypeError as error:
        raise InternalError(f"wanted a whole {name}, found fields missing: {error}") from error
