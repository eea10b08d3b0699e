"""A profile's table: `time / s` and `current / A` (or power, voltage, temperature), in any units of the language."""

import csv
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import Final

from labctl.errors import Misread
from labctl.finding import Finding, Mark, Severity, clip
from labctl.protocol.step_model import ProfileTable
from labctl.quantity.dimension import Kind
from labctl.quantity.parse import parse
from labctl.quantity.units import Quantity, number
from labctl.text.fields import near

_HEADS: Final = {
    **dict.fromkeys(("t", "test time", "step time", "elapsed time", "seconds"), "did you mean time?"),
    **dict.fromkeys(("i", "<i>", "j"), "did you mean current?"),
    **dict.fromkeys(("p", "load"), "did you mean power?"),
    **dict.fromkeys(("v", "u", "e", "ewe", "ecell", "potential"), "did you mean voltage?"),
    **dict.fromkeys(("temp", "ambient", "chamber"), "did you mean temperature?"),
}
FEWEST_SPANS: Final = 3  # between rows, by which times are taken for milliseconds
MOST_ROWS: Final = 200_000
MOST_BYTES: Final = 16 * 1024 * 1024
_NO_UTF_8: Final = re.compile("[\udc80-\udcff]")  # bytes as the reader of files keeps them
_BDF: Final = {
    "test_time_second": "time / s",
    "test time / s": "time / s",
    "test_time(s)": "time / s",
    "current_ampere": "current / A",
    "power_watt": "power / W",
}
"""Headers of measured data (Battery Data Format, Arbin), as the table's own."""
_HEADER: Final = re.compile(
    r"\s*(time|current|power|voltage|temperature)\s*(?:/\s*(.+?)|\[(.+?)\]|\((.+?)\))?\s*", re.IGNORECASE
)


_COLUMNS: Final = ("current", "power", "voltage", "temperature")
"""What can be driven; of several columns the first of these is, as measured data have the others beside it."""
_UNITS: Final = {"time": "s", "current": "mA", "power": "W", "voltage": "V", "temperature": "degC"}


def read_table(text: str, file: str) -> tuple[ProfileTable | None, tuple[Finding, ...]]:
    """Return the table that a CSV text states, or what is wrong with it."""
    if len(text) > MOST_BYTES:
        return None, (Finding("profile.size", f"wanted at most {MOST_BYTES >> 20} MiB, found more", Mark(file, 1, 1)),)
    reader = _TableReader(file)
    table = reader.read(text)
    wrong = any(finding.severity == "error" for finding in reader.findings)
    return (None if wrong else table), tuple(reader.findings)


def like_milliseconds(times: Sequence[float]) -> bool:
    """Tell whether times look like milliseconds: every row a multiple of 100 apart, and not of the minutes that people write."""
    spans = [later - earlier for earlier, later in itertools.pairwise(times)]
    hundreds = all(_multiple(span, 100.0) for span in spans)
    return len(spans) >= FEWEST_SPANS and hundreds and not all(_multiple(span, 60.0) for span in spans)


def _multiple(value: float, of: float) -> bool:
    return math.isclose(value, of * round(value / of), abs_tol=1e-6) and value >= of


class _TableReader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.findings: list[Finding] = []
        self.lines: list[str] = []
        self.head: list[str] = []  # the cells of the header
        self.measured = False  # the data of a run: two rows may have one time, as at the end of a step

    def report(
        self, code: str, message: str, line: int, hint: str = "", text: str = "", severity: Severity = "error"
    ) -> None:
        self.findings.append(Finding(code, message, Mark(self.file, line, 1), hint, text, severity=severity))

    def read(self, text: str) -> ProfileTable | None:
        if no_text := _NO_UTF_8.search(text):
            line = text.count("\n", 0, no_text.start()) + 1
            byte = ord(no_text[0]) - 0xDC00
            message = f"wanted UTF-8, found the byte 0x{byte:02X}"
            self.report("profile.encoding", message, line, "save the file with the encoding UTF-8")
            return None
        self.lines = text.removeprefix("\ufeff").splitlines()
        rows = self._rows()
        head = next(rows, None)
        self.head = head[1] if head else []
        columns = self._header(*head) if head else None
        if columns is None:
            if head is None:
                self.report("profile.header", "wanted the header `time / s` and `current / A`, found an empty file", 1)
            return None
        times, values = self._columns(rows, columns)
        quantity, unit = columns["value"][1], columns["value"][2]
        if quantity in {"voltage", "temperature"}:
            zero = parse(f"0 {unit.text.partition(' ')[2]}", _kind_of(quantity)).value_si
            values = tuple(zero + (unit.value_si - zero) * value for value in values)
        if columns["time"][2].value_si == 1.0 and not self.measured and like_milliseconds(times):
            step = times[1] - times[0]
            message = f"wanted times in s, found rows {step:g} s apart, as in a table of ms"
            hint = "write time / ms if they are; else leave it as it is"
            self.report("profile.ms", message, head[0], hint, ",".join(head[1]), "warning")  # type: ignore[index]
        return ProfileTable(times, values, quantity, unit, text)  # type: ignore[arg-type]

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        first = next((line for line in self.lines if line.strip() and not line.startswith("#")), "")
        separator = max(",;\t", key=first.count)
        for at, line in enumerate(self.lines, 1):
            if line.strip() and not line.startswith("#"):
                try:
                    yield at, next(csv.reader([line], delimiter=separator))
                except csv.Error:  # a field without an end
                    yield at, [line]

    def _header(self, line: int, cells: list[str]) -> dict[str, tuple[int, str, Quantity]] | None:
        own = [_BDF.get(cell.strip().lower(), cell) for cell in cells]
        self.measured = own != cells
        named = [(at, match[1].lower(), match[2] or match[3] or match[4]) for at, cell in enumerate(own)
                 if (match := _HEADER.fullmatch(cell))]  # fmt: skip
        times = [column for column in named if column[1] == "time"]
        values = sorted((column for column in named if column[1] != "time"), key=lambda each: _COLUMNS.index(each[1]))
        if not times or not values:
            self._no_header(line, cells)
            return None
        twice = "time" if len(times) > 1 else self._twice([name for _, name, _ in values])
        if twice:
            message = f"wanted one column of {twice}, found two"
            self.report("profile.header", message, line, "leave one of them out", ",".join(cells))
            return None
        columns = {"time": times[0], "value": values[0]}
        units = {place: self._unit(name, unit, line) for place, (_, name, unit) in columns.items()}
        known = {place: unit for place, unit in units.items() if unit is not None}
        if len(known) < len(columns):
            return None
        return {place: (at, name, known[place]) for place, (at, name, _) in columns.items()}

    def _twice(self, names: list[str]) -> str:
        """Return what is there twice of what can be driven, "" where one is driven and the others were measured with it."""
        if self.measured or len(names) == 1:
            return ""
        if names[0] == names[1]:
            return names[0]
        driven = [name for name in names if name in {"current", "power"}]
        return "" if len(driven) == 1 else " or ".join(driven or names)

    def _no_header(self, line: int, cells: list[str]) -> None:
        hint = "the header is `time / s` and `current / A` (or power, voltage, temperature), separated by a comma"
        right = [_renamed(cell) for cell in cells]
        named = [match[1].lower() for cell in right if (match := _HEADER.fullmatch(cell))]
        if right != cells and "time" in named and named.count("time") < len(named):
            hint = f"write {clip(','.join(cell.strip() for cell in right), 100)}"
        message = (
            f"wanted the columns time and current (or power, voltage, temperature), found {clip(', '.join(cells))!r}"
        )
        self.report("profile.header", message, line, hint, ",".join(cells))

    def _unit(self, name: str, unit: str | None, line: int) -> Quantity | None:
        kind = _kind_of(name)
        if unit is None:
            hint = f"write the unit that the table is in behind a slash, such as {name} / {_UNITS[name]}"
            self.report("profile.unit", f"wanted a unit for {name}, found none", line, hint)
            return None
        try:
            return parse(f"1 {unit.strip()}", kind)
        except Misread as error:
            self.report(error.code, f"{error} in the header", line, error.hint)
            return None

    def _bad_row(self, line: int, wide: int) -> None:
        """Report a row that is not a number a column, as it stands in the file, with what its decimal commas should be."""
        text = self.lines[line - 1].strip()
        points = re.sub(r"(?<=\d),(?=\d)", ".", text)
        hint = f"write {clip(points)}" if ";" in text and points != text else "decimal points, no units in the rows"
        if ";" not in text and text.count(",") >= wide:
            hint = "a comma separates columns: write decimal points, or separate the columns by ;"
        wanted = "two numbers" if wide <= 2 else "numbers in the columns of time and of what is driven"
        self.report("profile.row", f"wanted {wanted}, found {clip(text)!r}", line, hint, text)

    def _columns(
        self, rows: Iterator[tuple[int, list[str]]], columns: dict[str, tuple[int, str, Quantity]]
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        (time_at, _, time_unit), (value_at, _, _) = columns["time"], columns["value"]
        wide = len(self.head)
        times: list[float] = []
        values: list[float] = []
        line = 1
        for line, cells in rows:
            pair = [number(cells[at]) if at < len(cells) else None for at in (time_at, value_at)]
            if pair[0] is None or pair[1] is None or (len(cells) > wide and any(map(str.strip, cells[wide:]))):
                self._bad_row(line, wide)
            elif self.measured and times and pair[0] * time_unit.value_si == times[-1]:
                values[-1] = pair[1]  # what follows holds from there on
            elif times and pair[0] * time_unit.value_si <= times[-1]:
                message = f"wanted times that rise, found {pair[0]:g} after {times[-1] / time_unit.value_si:g}"
                self.report("profile.time", message, line, "put the rows in the order of their times", ",".join(cells))
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


def _renamed(cell: str) -> str:
    """Return a cell of a header with the name that the language has for its column, itself where it has it or none is near."""
    head = re.split(r"[/\[(]", cell)[0].strip()
    words = ("time", *_COLUMNS)
    if head.lower() in words:
        return cell
    meant = re.fullmatch(r"did you mean (\w+)\?", _HEADS.get(head.lower()) or near(head, words))
    return cell.replace(head, meant[1], 1) if meant and head else cell


def _kind_of(column: str) -> Kind:
    """Return the kind of quantity of a column."""
    kinds: dict[str, Kind] = {"time": "duration", "current": "current", "power": "power", "voltage": "voltage"}
    return kinds.get(column, "temperature")
