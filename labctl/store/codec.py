"""Inputs and events as JSON text, and back to the same bits: floats are written in their shortest exact form."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import cast

import numpy as np
import orjson

from labctl.driver import Points
from labctl.engine.input import (
    Began,
    Event,
    Gap,
    Input,
    InstrumentFault,
    Order,
    Result,
    SafeHold,
    SpectrumPart,
    StepEnded,
    SwitchedOff,
)
from labctl.errors import InternalError, StoreDamaged
from labctl.sample import Batch

_KINDS: Mapping[str, type] = {
    kind.__name__: kind
    for kind in (Began, StepEnded, SpectrumPart, Gap, Order, Result, InstrumentFault, SafeHold, SwitchedOff)
}
_POINT_COLUMNS = ("time", "frequency", "real", "imaginary", "voltage", "current")


def to_json(value: object) -> str:
    """Return flat JSON text; NaN and infinities become null.

    Raises:
        InternalError: The value holds what JSON has no word for.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError) as error:
        raise InternalError(f"a value to be stored is no JSON: {error}, in {value!r}") from error


def input_to_json(item: Input) -> tuple[str, str]:
    """Return the kind of an input that is no batch, and its fields as JSON."""
    if isinstance(item, Batch) or not is_dataclass(item):
        raise InternalError(f"rows are stored as samples, not as an input: {type(item).__name__}")
    if isinstance(item, SpectrumPart):
        points = {name: getattr(item.points, name).tolist() for name in _POINT_COLUMNS}
        return "SpectrumPart", to_json({"attempt": item.attempt, "points": {**points, "step": item.points.step}})
    named = {each.name: getattr(item, each.name) for each in fields(item)}
    later = {each.name: each.default for each in fields(item) if each.metadata.get("later")}
    return type(item).__name__, to_json({k: v for k, v in named.items() if k not in later or v != later[k]})


def input_from_json(kind: str, data: str) -> Input:
    """Return the input that was stored.

    Raises:
        StoreDamaged: No such input is known.
    """
    try:
        values = orjson.loads(data)
        if kind == "SpectrumPart":
            return SpectrumPart(attempt=values["attempt"], points=_points(values["points"]))
        return cast(Input, _KINDS[kind](**values))
    except (KeyError, TypeError, ValueError) as error:
        raise StoreDamaged(f"a stored input is not readable: {kind} {data[:200]}") from error


def _points(values: Mapping[str, object]) -> Points:
    columns = {name: np.array(values[name], dtype=np.float64) for name in _POINT_COLUMNS}
    return Points(step=cast(int, values["step"]), **columns)


def event_from_json(kind: str, record_index: int, time: float, data: str) -> Event:
    """Return the event that was stored.

    Raises:
        StoreDamaged: Its data are not JSON.
    """
    try:
        return Event(kind=kind, record_index=record_index, time=time, data=orjson.loads(data))
    except ValueError as error:
        raise StoreDamaged(f"a stored event is not readable: {kind} {data[:200]}") from error
