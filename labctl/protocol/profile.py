"""A profile's table: `time / s` and `current / A` (or `power / W`), any units of the language."""

import csv
import math
import re
from collections.abc import Iterator
from typing import Final

from labctl.document import Finding, Mark, clip
from labctl.errors import Misread
from labctl.protocol.model import Table
from labctl.reading import near
from labctl.units import Quantity, number, parse

_HEADS: Final = {
    **dict.fromkeys(("t", "test time", "step time", "elapsed time", "seconds"), "did you mean time?"),
    **dict.fromkeys(("i", "<i>", "j"), "did you mean current?"),
    **dict.fromkeys(("p", "load"), "did you mean power?"),
}
MOST_ROWS: Final = 200_000
MOST_BYTES: Final = 16 * 1024 * 1024
_HEADER: Final = re.compile(r"\s*(time|current|power)\s*(?:/\s*(.+?)|\[(.+?)\]|\((.+?)\))?\s*", re.IGNORECASE)


def read_table(text: str, file: str) -> tuple[Table | None, tuple[Finding, ...]]:
    """Return the table that a CSV text states, or what is wrong with it."""
    if len(text) > MOST_BYTES:
        return None, (Finding("profile.size", f"wanted at most {MOST_BYTES >> 20} MiB, found more", Mark(file, 1, 1)),)
    reader = _TableReader(file)
    table = reader.read(text)
    return (None if reader.findings else table), tuple(reader.findings)


class _TableReader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.findings: list[Finding] = []

    def report(self, code: str, message: str, line: int, hint: str = "", text: str = "") -> None:
        self.findings.append(Finding(code, message, Mark(self.file, line, 1), hint, text))

    def read(self, text: str) -> Table | None:
        rows = self._rows(text)
        head = next(rows, None)
        columns = self._header(*head) if head else None
        if columns is None:
            if head is None:
                self.report("profile.header", "wanted the header `time / s` and `current / A`, found an empty file", 1)
            return None
        times, values = self._columns(rows, columns)
        quantity, unit = columns["value"][1], columns["value"][2]
        return Table(times, values, "power" if quantity == "power" else "current", unit, text)

    def _rows(self, text: str) -> Iterator[tuple[int, list[str]]]:
        lines = text.removeprefix("\ufeff").splitlines()
        first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
        separator = max(",;\t", key=first.count)
        for at, line in enumerate(lines, 1):
            if line.strip() and not line.startswith("#"):
                yield at, next(csv.reader([line], delimiter=separator))

    def _header(self, line: int, cells: list[str]) -> dict[str, tuple[int, str, Quantity]] | None:
        hint = "the header is `time / s` and `current / A` (or `power / W`), separated by a comma"
        found: dict[str, tuple[int, str, Quantity]] = {}
        for at, cell in enumerate(cells):
            match = _HEADER.fullmatch(cell)
            if match is None:
                continue
            name, unit = match[1].lower(), match[2] or match[3] or match[4]
            quantity = self._unit(name, unit, line)
            if quantity is None:
                return None
            place = "time" if name == "time" else "value"
            if place in found:
                message = f"wanted one column of {name if place == 'time' else 'current or power'}, found two"
                self.report("profile.header", message, line, "leave one of them out", ",".join(cells))
                return None
            found[place] = (at, name, quantity)
        if len(found) == 2:
            return found
        names = ("time", "current", "power")
        heads = [re.split(r"[/\[(]", cell)[0].strip() for cell in cells]
        close = next((said for head in heads if (said := _HEADS.get(head.lower()) or near(head, names))), "")
        message = f"wanted the columns time and current or power, found {clip(', '.join(cells))!r}"
        self.report("profile.header", message, line, f"{hint}; {close}" if close else hint, ",".join(cells))
        return None

    def _unit(self, name: str, unit: str | None, line: int) -> Quantity | None:
        kind = "duration" if name == "time" else name
        if unit is None:
            hint = f"write {name} / {'s' if name == 'time' else 'mA'}"
            self.report("profile.unit", f"wanted a unit for {name}, found none", line, hint)
            return None
        try:
            return parse(f"1 {unit.strip()}", kind)  # type: ignore[arg-type]
        except Misread as error:
            self.report(error.code, f"{error} in the header", line, error.hint)
            return None

    def _columns(
        self, rows: Iterator[tuple[int, list[str]]], columns: dict[str, tuple[int, str, Quantity]]
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        (time_at, _, time_unit), (value_at, _, _) = columns["time"], columns["value"]
        times: list[float] = []
        values: list[float] = []
        line = 1
        for line, cells in rows:
            pair = [number(cells[at]) if at < len(cells) else None for at in (time_at, value_at)]
            if pair[0] is None or pair[1] is None:
                self.report(
                    "profile.row",
                    f"wanted two numbers, found {clip(','.join(cells))!r}",
                    line,
                    "decimal points, no units in the rows",
                )
            elif times and pair[0] * time_unit.value_si <= times[-1]:
                self.report(
                    "profile.time", "wanted times that rise, found one that does not", line, "", ",".join(cells)
                )
            else:
                times.append(pair[0] * time_unit.value_si)
                values.append(pair[1])
            if len(self.findings) >= 20 or len(times) > MOST_ROWS:
                break
        if len(times) > MOST_ROWS:
            self.report("profile.size", f"wanted at most {MOST_ROWS} rows, found more", line)
        elif len(times) < 2 and not self.findings:
            self.report(
                "profile.row", f"wanted at least two rows, found {len(times)}", line, "the last row only ends the step"
            )
        if times and not math.isclose(times[0], 0.0) and not self.findings:
            times = [time - times[0] for time in times]
        return tuple(times), tuple(values)
