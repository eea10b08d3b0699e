"""Settings files of EC-Lab (`.mps`), written and read: one technique, Modulo Bat, with a sequence for every step.

How the text is laid out is in `eclab_columns`. Nothing was ever opened in EC-Lab by us.
"""

import re
from collections.abc import Iterator, Mapping

from labctl.errors import UsageError
from labctl.exchange.methods.eclab_columns import HEADS, KNOWN, LIMITS, columns, range_of, table, told, window_of
from labctl.exchange.methods.loss import LossList, MethodLoss
from labctl.exchange.methods.outline import (
    EndQuantity,
    Method,
    MethodEnd,
    MethodItem,
    MethodLoop,
    MethodRecord,
    MethodStep,
    steps_in,
)
from labctl.exchange.vendor_test import VendorFileError

NAME = "eclab"
MOST = 9999  # sequences
LIMITED: dict[EndQuantity, tuple[str, str]] = {
    "time": ("Time", "time"), "voltage": ("Ewe", "voltage"), "current": ("|I|", "current"),
}  # fmt: skip
WORDS: dict[str, EndQuantity] = {
    "Time": "time", "Ewe": "voltage", "Ecell": "voltage", "|I|": "current", "I": "current",
}  # fmt: skip

# --- written ---


def write(method: Method) -> tuple[str, tuple[MethodLoss, ...]]:
    """Return a settings file, and what it cannot say.

    Raises:
        UsageError: It has more sequences than a technique holds.
    """
    writer = _SequenceWriter()
    writer.add(method.items, nested=False)
    voltages = [value for value in method.voltage if value is not None]
    low, high = window_of([*voltages, *writer.voltages])
    window = {"E range min (V)": f"{low:.3f}", "E range max (V)": f"{high:.3f}"}
    lines = [
        HEADS[0], "", "Number of linked techniques : 1", f"Ewe ctrl range : min = {low:.2f} V, max = {high:.2f} V",
        *_safety(method, writer.losses), f"Comments : {method.name}", *_capacity(method),
        "Cycle Definition : Charge/Discharge alternance", "", "Technique : 1", "Modulo Bat",
        *table([{**each, **window} for each in writer.sequences]), "",
    ]  # fmt: skip
    return "\r\n".join(lines), writer.losses.all


def _safety(method: Method, losses: LossList) -> Iterator[str]:
    yield "Safety Limits :"
    for side, value in zip(("min", "max"), method.voltage, strict=True):
        if value is not None:
            yield f"\tEwe {side} = {value:.5f} V"
    low, high = (abs(value or 0.0) for value in method.current)
    if low != high:
        losses.add("limits", "", f"current {method.current[0]} to {method.current[1]} A")
    if max(low, high):
        yield f"\t|I| = {1e3 * max(low, high):.5f} mA"
    yield "\tfor t > 100.0 ms"
    yield "\tDo not start on E overload"


def _capacity(method: Method) -> Iterator[str]:
    if method.capacity:
        yield f"Battery capacity : {method.capacity / 3.6:.3f} mA.h"


class _SequenceWriter:
    """Writes items as sequences."""

    def __init__(self) -> None:
        self.losses = LossList(NAME)
        self.sequences: list[dict[str, str]] = []
        self.voltages: list[float] = []
        self._current = 0.0  # of the step before, whose range a hold goes on with

    def add(self, items: tuple[MethodItem, ...], *, nested: bool) -> None:
        """Write items; a loop inside another is written out, since loops hold no loops."""
        for item in items:
            if isinstance(item, MethodStep):
                self._add_step(item)
                continue
            where = next((step.where for step in steps_in(item.items)), "")
            if item.cycle:
                self.losses.add("cycle", where, "cycle")
            if nested and item.passes > 1:
                self.losses.add("nested", where, f"{item.passes} passes")
            begin = len(self.sequences)
            for _ in range(item.passes if nested else 1):
                self.add(item.items, nested=True)
            if len(self.sequences) == begin:
                self.losses.add("empty", where, "a loop")
            elif not nested and item.passes > 1:
                self._append({"ctrl_type": "Loop", "ctrl_seq": str(begin), "ctrl_repeat": str(item.passes - 1)})

    def _append(self, values: Mapping[str, str]) -> None:
        at = len(self.sequences)
        if at >= MOST:
            raise UsageError(f"wanted at most {MOST} sequences of EC-Lab, found more")
        follows = {f"lim{number}_seq": str(at + 1) for number in range(1, LIMITS + 1)}
        self.sequences.append({"Ns": str(at), **follows, **values})

    def _add_step(self, step: MethodStep) -> None:
        match step.kind:
            case "rest":
                values = {"ctrl_type": "Rest"}
            case "current":
                self._current = step.value
                values = {"ctrl_type": "CC", **self._control(1, step, step.value, "current", "<None>"),
                          "I Range": range_of(step.value)}  # fmt: skip
            case "voltage" if not step.versus:
                values = {"ctrl_type": "CV", **self._control(1, step, step.value, "voltage", "Ref"),
                          "I Range": range_of(self._current or 1e9)}  # fmt: skip
                if step.most is not None:
                    self.losses.add("most", step.where, f"at most {step.most:g} A")
            case "sweep" if not step.versus:
                values = {"ctrl_type": "VS", **self._control(1, step, step.rate, "rate", ""),
                          **self._control(2, step, step.start, "voltage", "Ref"),
                          **self._control(3, step, step.value, "voltage", "Ref")}  # fmt: skip
            case "spectrum":
                values = self._spectrum(step)
            case _:
                self.losses.add(
                    "open circuit" if step.kind in {"voltage", "sweep"} else step.kind, step.where, step.kind
                )
                return
        ends = self._ends(step)
        if not ends and step.kind not in {"sweep", "spectrum"}:
            self.losses.add("endless", step.where, step.kind)
            return
        self._append({**values, **ends, **self._record(step)})

    def _control(self, number: int, step: MethodStep, value: float, kind: str, versus: str) -> dict[str, str]:
        if kind == "voltage":
            self.voltages.append(value)
        text, unit = self._told(value, kind, step)
        return {f"ctrl{number}_val": text, f"ctrl{number}_val_unit": unit, f"ctrl{number}_val_vs": versus}

    def _told(self, value: float, kind: str, step: MethodStep) -> tuple[str, str]:
        text, unit, whole = told(value, kind)
        if not whole:
            self.losses.add("decimals", step.where, f"{value:.12g} as {text} {unit}")
        return text, unit

    def _spectrum(self, step: MethodStep) -> dict[str, str]:
        if (step.value and not step.galvanostatic) or (not step.versus and not step.galvanostatic):
            self.losses.add("bias", step.where, f"{step.value:g} V")
        if step.galvanostatic and step.value:
            self.losses.add("bias", step.where, f"{step.value:g} A")
        kind = "current" if step.galvanostatic else "voltage"
        amplitude, unit = self._told(step.amplitude, kind, step)
        return {
            "ctrl_type": "GEIS" if step.galvanostatic else "PEIS", "ctrl1_val": amplitude, "ctrl1_val_unit": unit,
            **self._control(2, step, step.start, "frequency", ""), **self._control(3, step, step.stop, "frequency", ""),
            "ctrl_Nd": str(step.per_decade), "I Range": range_of(2 * step.amplitude) if step.galvanostatic else "Auto",
        }  # fmt: skip

    def _ends(self, step: MethodStep) -> dict[str, str]:
        """Return the limits of a sequence: any of them goes on to the next."""
        values: dict[str, str] = {}
        count = 0
        for end in self._by_time(step):
            if end.quantity not in LIMITED or step.kind in {"sweep", "spectrum"}:
                self.losses.add("end", step.where, f"{end.quantity} {end.value:g}")
                continue
            if count == LIMITS:
                self.losses.add("second end", step.where, f"{end.quantity} {end.value:g}")
                continue
            count += 1
            word, kind = LIMITED[end.quantity]
            text, unit = self._told(end.value, kind, step)
            said = {"type": word, "comp": ">" if end.above else "<", "value": text, "value_unit": unit}
            values |= {f"lim{count}_{part}": value for part, value in said.items()}
        return {**values, "lim_nb": str(count)} if count else {}

    def _by_time(self, step: MethodStep) -> list[MethodEnd]:
        """Return the ends of a step, time first, with a charge as the time in which its current passes it."""
        ends = [end for end in step.ends if end.quantity != "charge"]
        charge = step.end("charge")
        if charge is not None and step.kind == "current":
            self.losses.add("charge", step.where, f"{charge.value / 3.6:g} mAh")
            ends.append(MethodEnd("time", above=True, value=charge.value / abs(step.value)))
        elif charge is not None:
            self.losses.add("end", step.where, f"{charge.value / 3.6:g} mAh")
        times = [end.value for end in ends if end.quantity == "time" and end.above]
        first = [MethodEnd("time", above=True, value=min(times))] if times else []
        return [*first, *(end for end in ends if end.quantity != "time")]

    def _record(self, step: MethodStep) -> dict[str, str]:
        if step.kind == "spectrum":
            return {}
        rule, values, count = step.record, dict[str, str](), 0
        for word, kind, value in (
            ("Time", "time", rule.every),
            ("Ewe", "voltage", rule.voltage),
            ("I", "current", rule.current),
        ):
            if value is not None:
                count += 1
                text, unit = self._told(value, kind, step)
                said = {"type": word, "value": text, "value_unit": unit}
                values |= {f"rec{count}_{part}": inner for part, inner in said.items()}
        return {**values, "rec_nb": str(count)}


# --- read ---


def is_settings(text: str) -> bool:
    """Tell whether a text is a settings file."""
    return text.lstrip("\ufeff").startswith(HEADS)


def read(text: str, name: str) -> tuple[Method, tuple[MethodLoss, ...]]:
    """Return the method of a settings file, and what of it is left out.

    Raises:
        VendorFileError: It is none, or of another technique; the message names the sequence.
    """
    lines = text.splitlines()
    found = [line.strip() for line in lines]
    technique = found[found.index("Technique : 1") + 1] if "Technique : 1" in found[:-1] else "none"
    if technique != "Modulo Bat":
        raise VendorFileError(f"{name}: wanted the technique Modulo Bat, found {technique[:40]}")
    begin = found.index("Technique : 1")
    end = found.index("Technique : 2") if "Technique : 2" in found else len(lines)
    reader = _SettingsReader(name)
    if end < len(lines):
        reader.losses.add("model", name, "the techniques after the first")
    items = reader.items(columns(lines[begin + 2 : end]))
    head = "\n".join(lines[:begin])
    low, high = (_number(head, rf"E(?:we|cell) {side} = ({_NUMBER}) V") for side in ("min", "max"))
    most = _number(head, rf"\|I\| = ({_NUMBER}) mA", 1e-3)
    capacity = _number(head, rf"Battery capacity : ({_NUMBER}) mA\.h", 3.6) or _number(
        head, rf"Battery capacity : ({_NUMBER}) A\.h", 3600.0
    )
    title = re.search(r"^Comments : (.*\S)", head, re.MULTILINE)
    current = (None, None) if most is None else (-most, most)
    return Method(title[1] if title else name, items, (low, high), current, capacity), reader.losses.all


_NUMBER = r"-?\d+(?:\.\d+)?"


def _number(head: str, pattern: str, factor: float = 1.0) -> float | None:
    found = re.search(pattern, head)
    return None if found is None else round(float(found[1]) * factor, 12)


class _SettingsReader:
    """Reads sequences with their loops as a tree."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.losses = LossList(NAME)

    def items(self, sequences: list[dict[str, str]]) -> tuple[MethodItem, ...]:
        """Return the steps with their loops.

        Raises:
            VendorFileError: A sequence is not known, or a loop goes nowhere.
        """
        done: list[tuple[int, MethodItem]] = []  # each with the number of its first sequence
        for at, values in enumerate(sequences):
            where = f"{self.name}: sequence {at}"
            try:
                if values.get("ctrl_type") != "Loop":
                    done.append((at, self._step(values, where, at)))
                    continue
                back, repeats = int(values["ctrl_seq"]), int(values["ctrl_repeat"])
            except (ValueError, KeyError) as error:
                raise VendorFileError(f"{where}: wanted its numbers and units, found {error}") from error
            inner = tuple(item for first, item in done if first >= back)
            if not inner or repeats < 0:
                raise VendorFileError(f"{where}: wanted sequences to go back to, found {back}")
            done = [pair for pair in done if pair[0] < back]
            done.append((back, MethodLoop(repeats + 1, inner)))
        if not done:
            raise VendorFileError(f"{self.name}: wanted sequences, found none")
        return tuple(item for _, item in done)

    def _step(self, values: Mapping[str, str], where: str, at: int) -> MethodStep:
        kind = values.get("ctrl_type", "")
        ends, record = tuple(self._ends(values, where, at)), _rules(values)
        match kind:
            case "Rest":
                return MethodStep("rest", 0.0, ends, record, where=where)
            case "CC" if values.get("Apply I/C") == "C / N":
                sign = -1.0 if values.get("charge/discharge") == "Discharge" else 1.0
                return MethodStep("current", sign / float(values["N"]), ends, record, relative=True, where=where)
            case "CC":
                return MethodStep("current", self._current(values, where), ends, record, where=where)
            case "CV":
                return MethodStep("voltage", _value(values, "ctrl1_val"), ends, record, where=where)
            case "VS":
                rate, start, stop = (_value(values, f"ctrl{number}_val") for number in (1, 2, 3))
                return MethodStep("sweep", stop, ends, record, start=start, rate=rate, where=where)
            case "PEIS" | "GEIS":
                amplitude, start, stop = (_value(values, f"ctrl{number}_val") for number in (1, 2, 3))
                versus = frozenset({"value"}) if kind == "PEIS" else frozenset[str]()
                return MethodStep(
                    "spectrum", start=start, stop=stop, amplitude=amplitude, per_decade=int(values["ctrl_Nd"]),
                    galvanostatic=kind == "GEIS", versus=versus, where=where,
                )  # fmt: skip
        raise VendorFileError(f"{where}: wanted Rest, CC, CV, VS, PEIS, GEIS or Loop, found {kind[:20]!r}")

    def _current(self, values: Mapping[str, str], where: str) -> float:
        """Return a signed current: files have a negative one, or a positive one beside the word Discharge."""
        current = _value(values, "ctrl1_val")
        if current > 0 and values.get("charge/discharge") == "Discharge":
            self.losses.add("sign", where, f"{current:g} A, Discharge")
            return -current
        return current

    def _ends(self, values: Mapping[str, str], where: str, at: int) -> Iterator[MethodEnd]:
        for number in range(1, int(values.get("lim_nb") or 0) + 1):
            word = values[f"lim{number}_type"]
            goes = (values.get(f"lim{number}_action"), values.get(f"lim{number}_seq"))
            if word not in WORDS or goes != ("Next sequence", str(at + 1)):
                self.losses.add("model", where, f"limit {word} {values.get(f'lim{number}_value')}, {goes[0]} {goes[1]}")
                continue
            value = _value(values, f"lim{number}_value")
            quantity = WORDS[word]
            yield MethodEnd(
                quantity, values[f"lim{number}_comp"] == ">", abs(value) if quantity == "current" else value
            )


def _value(values: Mapping[str, str], name: str) -> float:
    unit = values[f"{name}_unit"]
    if unit not in KNOWN:
        raise ValueError(f"the unit {unit!r} of {name}")
    return float(f"{float(values[name]) * KNOWN[unit]:.12g}")


def _rules(values: Mapping[str, str]) -> MethodRecord:
    said = {
        values[f"rec{number}_type"]: _value(values, f"rec{number}_value")
        for number in range(1, int(values.get("rec_nb") or 0) + 1)
    }
    return MethodRecord(said.get("Time"), said.get("Ewe", said.get("Ecell")), said.get("I", said.get("|I|")))
