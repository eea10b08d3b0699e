"""Protocols of aurora-unicycler as JSON.

Facts: `aurora_unicycler` 0.4.6, its `CyclingProtocol`: `record`, `safety` and `method`, a flat list of steps; a `loop` goes back to
a `tag` and its `cycle_count` is the total of passes. Currents are in mA, positive charges; a CC step ends by a time or a voltage, a
CV step by a time or a magnitude of current; a number of zero counts as not given.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from labctl.exchange.methods.loss import LossList, MethodLoss
from labctl.exchange.methods.outline import (
    Method,
    MethodEnd,
    MethodItem,
    MethodLoop,
    MethodRecord,
    MethodStep,
    steps_in,
)
from labctl.exchange.vendor_test import VendorFileError

NAME = "unicycler"
VERSION = "0.4.6"
EVERY = 10.0  # s between two rows where nothing is said

# --- written ---


def write(method: Method) -> tuple[str, tuple[MethodLoss, ...]]:
    """Return a protocol as JSON, and what it cannot say."""
    writer = _UnicyclerWriter()
    steps = list(writer.items(method.items))
    rules = {step.record for step in steps_in(method.items)}
    if len(rules) > 1:
        writer.losses.add("record", "", f"{len(rules)} record rules")
    record = {
        "time_s": _finest(rule.every for rule in rules) or EVERY,
        "voltage_V": _finest(rule.voltage for rule in rules),
        "current_mA": _scaled(_finest(rule.current for rule in rules), 1e3),
    }
    safety = {
        "min_voltage_V": method.voltage[0],
        "max_voltage_V": method.voltage[1],
        "min_current_mA": _scaled(method.current[0], 1e3),
        "max_current_mA": _scaled(method.current[1], 1e3),
    }
    whole = {
        "unicycler": {"version": VERSION},
        "sample": {"name": method.name, "capacity_mAh": _scaled(method.capacity, 1 / 3.6)},
        "record": _given(record),
        "safety": _given(safety),
        "method": steps,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n", writer.losses.all


class _UnicyclerWriter:
    """Writes items as a flat list."""

    def __init__(self) -> None:
        self.losses = LossList(NAME)
        self._tags = 0

    def items(self, items: tuple[MethodItem, ...]) -> Iterator[dict[str, object]]:
        for item in items:
            if isinstance(item, MethodStep):
                step = self._step(item)
                if step is not None:
                    yield step
                continue
            where = next((step.where for step in steps_in(item.items)), "")
            if item.cycle:
                self.losses.add("cycle", where, "cycle")
            self._tags += 1
            tag = f"loop {self._tags}"
            inner = list(self.items(item.items))
            if not inner:
                self.losses.add("empty", where, "a loop")
            elif item.passes == 1:
                yield from inner
            else:
                yield {"step": "tag", "tag": tag}
                yield from inner
                yield {"step": "loop", "loop_to": tag, "cycle_count": item.passes}

    def _step(self, step: MethodStep) -> dict[str, object] | None:
        match step.kind:
            case "rest":
                written = self._rest(step)
            case "current":
                written = self._current(step)
            case "voltage":
                written = self._voltage(step)
            case "sweep":
                written = self._sweep(step)
            case "spectrum":
                written = self._spectrum(step)
            case _:
                written = None
                self._out(step.kind, step)
        return written

    def _out(self, feature: str, step: MethodStep) -> None:
        self.losses.add(feature, step.where, step.kind)

    def _rest(self, step: MethodStep) -> dict[str, object] | None:
        ends = self._ends(step, ("time",))
        if "time" not in ends:
            self._out("endless", step)
            return None
        return {"step": "open_circuit_voltage", "until_time_s": ends["time"]}

    def _current(self, step: MethodStep) -> dict[str, object] | None:
        ends = self._ends(step, ("time", "voltage", "charge"))
        if (charge := ends.pop("charge", None)) is not None:
            self.losses.add("charge", step.where, f"{charge / 3.6:g} mAh")
            ends["time"] = min(charge / abs(step.value), ends.get("time", math.inf))
        if not any(ends.values()):
            self._out("endless", step)
            return None
        if ends.get("voltage") == 0.0:
            self.losses.add("end", step.where, "voltage 0 V, which counts as not given,")
            del ends["voltage"]
        key, value = ("rate_C", step.value) if step.relative else ("current_mA", step.value * 1e3)
        ended = {"until_time_s": ends.get("time"), "until_voltage_V": ends.get("voltage")}
        return {"step": "constant_current", key: _number(value), **_given(ended)}

    def _voltage(self, step: MethodStep) -> dict[str, object] | None:
        if step.versus:
            self._out("open circuit", step)
            return None
        if step.most is not None:
            self.losses.add("most", step.where, f"at most {step.most:g} A")
        ends = self._ends(step, ("time", "current"))
        if not any(ends.values()):
            self._out("endless", step)
            return None
        end = step.end("current")
        relative = end is not None and end.relative
        current = {
            "until_rate_C" if relative else "until_current_mA": _scaled(ends.get("current"), 1 if relative else 1e3)
        }
        written = {"step": "constant_voltage", "voltage_V": _number(step.value)}
        return {**written, **_given({"until_time_s": ends.get("time"), **current})}

    def _sweep(self, step: MethodStep) -> dict[str, object] | None:
        if step.versus:
            self._out("open circuit", step)
            return None
        self._ends(step, ())
        return {
            "step": "voltage_scan", "start_voltage_V": _number(step.start), "end_voltage_V": _number(step.value),
            "scan_rate_mV_per_s": _number(step.rate * 1e3),
        }  # fmt: skip

    def _spectrum(self, step: MethodStep) -> dict[str, object] | None:
        if step.value:
            self._out("bias", step)
        amplitude = {"amplitude_mA": step.amplitude * 1e3} if step.galvanostatic else {"amplitude_V": step.amplitude}
        return {
            "step": "impedance_spectroscopy", **_given(amplitude), "start_frequency_Hz": _number(step.start),
            "end_frequency_Hz": _number(step.stop), "points_per_decade": step.per_decade,
        }  # fmt: skip

    def _ends(self, step: MethodStep, known: tuple[str, ...]) -> dict[str, float]:
        """Return the first end of each quantity that a step there can have, and tell of the others."""
        ends: dict[str, float] = {}
        for end in step.ends:
            right = {"voltage": end.above == (step.value > 0), "current": not end.above}.get(end.quantity, end.above)
            chosen = step.end(end.quantity)
            if end.quantity not in known or not right or chosen is not end:
                feature = "wrong side" if end.quantity == "voltage" and not right else "end"
                self.losses.add(feature, step.where, f"{end.quantity} {end.value:g}")
            else:
                ends[end.quantity] = end.value
        return ends


def _finest(values: Iterator[float | None]) -> float | None:
    return min((each for each in values if each is not None), default=None)


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else _number(value * factor)


def _number(value: float) -> float:
    return float(f"{value:.12g}")


def _given(values: Mapping[str, float | None]) -> dict[str, object]:
    return {name: _number(value) for name, value in values.items() if value is not None}


# --- read ---


def read(text: str, name: str) -> tuple[Method, tuple[MethodLoss, ...]]:
    """Return the method of a protocol in JSON, and what of it is left out.

    Raises:
        VendorFileError: It is none; the message names the step.
    """
    try:
        whole = json.loads(text)
    except ValueError as error:
        raise VendorFileError(f"{name}: wanted JSON, found {error}") from error
    if not isinstance(whole, dict) or not isinstance(whole.get("method"), list):
        raise VendorFileError(f"{name}: wanted a protocol with a method, found {text[:60]!r}")
    reader = _UnicyclerReader(name, whole)
    items = reader.items()
    safety, sample = _of(whole, "safety"), _of(whole, "sample")
    capacity = sample.get("capacity_mAh")
    method = Method(
        str(sample.get("name") or name),
        items,
        (safety.get("min_voltage_V"), safety.get("max_voltage_V")),
        (_scaled(safety.get("min_current_mA"), 1e-3), _scaled(safety.get("max_current_mA"), 1e-3)),
        _scaled(capacity, 3.6),
    )
    return method, reader.losses.all


def _of(whole: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = whole.get(key)
    return inner if isinstance(inner, dict) else {}


class _UnicyclerReader:
    """Reads a flat list with its tags and loops as a tree."""

    def __init__(self, name: str, whole: Mapping[str, Any]) -> None:
        self.name, self.steps = name, whole["method"]
        record = _of(whole, "record")
        self.record = MethodRecord(
            record.get("time_s"), record.get("voltage_V"), _scaled(record.get("current_mA"), 1e-3)
        )
        self.losses = LossList(NAME)
        safety = _of(whole, "safety")
        for key in ("max_capacity_mAh", "delay_s"):
            if safety.get(key) is not None:
                self.losses.add("model", f"{name}: safety", key)

    def items(self) -> tuple[MethodItem, ...]:
        """Return the steps with their loops.

        Raises:
            VendorFileError: A step is not known, or a loop goes nowhere.
        """
        done: list[tuple[int, MethodItem]] = []  # each with the index of its first step
        tags: dict[str, int] = {}
        for at, raw in enumerate(self.steps):
            where = f"{self.name}: step {at + 1}"
            if not isinstance(raw, dict):
                raise VendorFileError(f"{where}: wanted a step in braces, found {raw!r}")
            match raw.get("step"):
                case "tag":
                    tags[str(raw.get("tag"))] = at
                case "loop":
                    begin = self._begin(raw, tags, where)
                    inner = tuple(item for first, item in done if first >= begin)
                    if not inner:
                        raise VendorFileError(f"{where}: wanted steps to go back to, found none")
                    done = [pair for pair in done if pair[0] < begin]
                    done.append((begin, MethodLoop(int(raw["cycle_count"]), inner)))
                case _:
                    done.append((at, self._step(raw, where)))
        if not done:
            raise VendorFileError(f"{self.name}: wanted steps, found none")
        return tuple(item for _, item in done)

    @staticmethod
    def _begin(raw: Mapping[str, Any], tags: Mapping[str, int], where: str) -> int:
        back = raw.get("loop_to", 1)
        if not isinstance(raw.get("cycle_count"), int) or raw["cycle_count"] < 1:
            raise VendorFileError(f"{where}: wanted a count of cycles, found {raw.get('cycle_count')!r}")
        if isinstance(back, int):
            return back - 1
        if back not in tags:
            raise VendorFileError(f"{where}: wanted a tag before it, found {back!r}")
        return tags[back]

    def _step(self, raw: Mapping[str, Any], where: str) -> MethodStep:
        try:
            return self._known(raw, where)
        except (TypeError, ValueError, KeyError) as error:
            raise VendorFileError(f"{where}: wanted {raw.get('step')} with its numbers, found {error}") from error

    def _known(self, raw: Mapping[str, Any], where: str) -> MethodStep:
        time = [MethodEnd("time", above=True, value=float(raw["until_time_s"]))] if raw.get("until_time_s") else []
        match raw.get("step"):
            case "open_circuit_voltage":
                return MethodStep("rest", 0.0, tuple(time), self.record, where=where)
            case "constant_current":
                relative = bool(raw.get("rate_C"))
                value = _rate(raw["rate_C"]) if relative else float(raw["current_mA"]) * 1e-3
                if raw.get("until_voltage_V"):
                    time.append(MethodEnd("voltage", above=value > 0, value=float(raw["until_voltage_V"])))
                return MethodStep("current", value, tuple(time), self.record, relative=relative, where=where)
            case "constant_voltage":
                if raw.get("until_rate_C"):
                    time.append(MethodEnd("current", above=False, value=abs(_rate(raw["until_rate_C"])), relative=True))
                elif raw.get("until_current_mA"):
                    time.append(MethodEnd("current", above=False, value=abs(float(raw["until_current_mA"])) * 1e-3))
                return MethodStep("voltage", float(raw["voltage_V"]), tuple(time), self.record, where=where)
            case "voltage_scan":
                return MethodStep(
                    "sweep", float(raw["end_voltage_V"]), (), self.record, start=float(raw["start_voltage_V"]),
                    rate=float(raw["scan_rate_mV_per_s"]) * 1e-3, where=where,
                )  # fmt: skip
            case "impedance_spectroscopy":
                return self._spectrum(raw, where)
        raise VendorFileError(f"{where}: wanted a step that is known, found {raw.get('step')!r}")

    def _spectrum(self, raw: Mapping[str, Any], where: str) -> MethodStep:
        for key, usual in (("measures_per_point", 1), ("drift_correction", False)):
            if raw.get(key, usual) not in {usual, None}:
                self.losses.add("model", where, f"{key}: {raw[key]}")
        galvanostatic = raw.get("amplitude_mA") is not None
        amplitude = float(raw["amplitude_mA"]) * 1e-3 if galvanostatic else float(raw["amplitude_V"])
        return MethodStep(
            "spectrum", 0.0, (), self.record, start=float(raw["start_frequency_Hz"]), stop=float(raw["end_frequency_Hz"]),
            per_decade=int(raw.get("points_per_decade", 10)), amplitude=amplitude, galvanostatic=galvanostatic,
            versus=frozenset() if galvanostatic else frozenset({"value"}), where=where,
        )  # fmt: skip


def _rate(value: object) -> float:
    """Return multiples of 1C: a number, `1/5`, `C/3`, or `D/2` for a discharge."""
    if isinstance(value, int | float):
        return float(value)
    text = str(value).replace(" ", "")
    above, _, below = text.partition("/")
    sign = -1.0 if "D" in above else 1.0
    number = above.replace("C", "").replace("D", "")
    return sign * float(number or 1.0) / float(below or 1.0)
