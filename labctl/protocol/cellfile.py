"""A cell file from text to a `Cell`, with every error of it."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace

from labctl.driver import OPEN, Bounds
from labctl.errors import CellError, Misread
from labctl.finding import Finding, Mark, clip, with_lines
from labctl.protocol.cell import FIELD_EXAMPLES, Cell, factors
from labctl.protocol.cell_fit import misfits
from labctl.protocol.cell_words import CELL_KEY_WORDS, NOMINAL_WORDS, as_charge, labelled, over_window
from labctl.protocol.fields import PAIRS, SIDE_WORDS
from labctl.protocol.keys import CELL, LIMITS, NOMINAL, REFERENCE, SIDES, STATE, Key
from labctl.protocol.kind_words import kind_words
from labctl.protocol.limit_words import limit_words
from labctl.protocol.misplaced_keys import to_the_margin
from labctl.protocol.own_pair import as_limits, own_pair, pair_of_keys
from labctl.protocol.sign import check_sign
from labctl.quantity.dimension import Kind, dimension_of
from labctl.quantity.units import Quantity, display, doubled, number, reads, reference_label
from labctl.text.compose import compose
from labctl.text.fields import Reading, near
from labctl.text.nodes import BROKEN, Entries, Node, Scalar


def load_cell(text: str | bytes, name: str) -> Cell:
    """Return the cell that a file describes.

    Raises:
        CellError: With every finding of the file.
    """
    cell, findings = read_cell(text, name)
    if cell is None or any(finding.severity == "error" for finding in findings):
        raise CellError(findings)
    return cell


def read_cell(text: str | bytes, name: str) -> tuple[Cell | None, tuple[Finding, ...]]:
    """Return what a cell file came to, with every finding; for checkers and editors."""
    document = compose(text, name)
    fields = _CellFields(document)
    cell = fields.cell()
    more = misfits(cell, reread) if cell is not None and not fields.findings else ()
    return cell, with_lines([*fields.findings, *more], {name: document.text})


def reread(text: str) -> Cell | None:
    """Return the cell of a text that another unit made of a cell file, None where it has errors."""
    fields = _CellFields(compose(text, ""))
    cell = fields.cell()
    return None if fields.findings else cell


class _CellFields(Reading):
    stated: frozenset[str] | set[str] = frozenset()  # keys that the file has, whether they could be read or not

    def cell(self) -> Cell | None:
        root = self.document.root
        entries = self.entries(root, "the keys of a cell file", "begin with labctl_cell: 1") if root else None
        if entries is None:
            return None
        if any(key.text == "labctl" for key, _ in entries.entries):
            self.report(
                "file.kind",
                "wanted a cell file, found a protocol",
                entries.mark,
                "the protocol stands first, the cell behind --cell; a cell file begins with labctl_cell: 1",
            )
            return None
        if any(key.text == "labctl_station" for key, _ in entries.entries):
            message = "wanted a cell file, found a station file"
            self.report(
                "file.kind", message, entries.mark, "a cell file begins with labctl_cell: 1; a station is --station"
            )
            return None
        entries, slips = to_the_margin(entries, CELL, "the cell file")
        for slip in slips:
            self.report("yaml.indent", *slip)
        nodes = self.keys(self._across(entries), CELL, "a cell file", CELL_KEY_WORDS)
        self._version(nodes.get("labctl_cell"), entries)
        misspelled = {
            CELL_KEY_WORDS.get(key.text) or near(key.text, CELL) for key, _ in entries.entries if key.text not in CELL
        }
        nodes = self._meant(entries) | nodes
        self.stated = {*nodes, *(("area",) if "diameter" in nodes else ())}
        for name, key in CELL.items():
            asked = f"did you mean {name}?" in misspelled  # of the key that stands for it
            if key.required and name not in nodes and name != "labctl_cell" and not asked:
                self.report(
                    "key.missing",
                    f"wanted {name} in a cell file, found none",
                    entries.mark,
                    f"for example {name}: {key.example}",
                )
        marks = {key.text: key.mark for key, _ in entries.entries}
        marks |= {"area": marks["diameter"]} if "diameter" in marks else {}
        cell = self._nominal(self._simple(nodes, marks), nodes.get("nominal"), nodes.get("limits"))
        return self._limits(self._state(cell, nodes.get("state")), nodes.get("limits"))

    @staticmethod
    def _meant(entries: Entries) -> dict[str, Node]:
        """Return the values of keys that were misspelled by the key that each stands for: they are read on as that."""
        meant: dict[str, Node] = {}
        for key, value in entries.entries:
            hint = "" if key.text in CELL else CELL_KEY_WORDS.get(key.text) or near(key.text, CELL)
            match = re.fullmatch(r"(?:did you mean|write) (\w+)(?:\?|: [^{]*)", hint)
            if match is not None:
                meant[match[1]] = value
        return meant

    def _across(self, entries: Entries) -> Entries:
        """Return the keys of a cell file, a radius reported and put as the diameter that it makes."""
        pairs = list(entries.entries)
        for at, (key, value) in enumerate(pairs):
            if not isinstance(value, Scalar) or not (twice := doubled(value.text, "length")):
                continue
            if key.text.lower() in {"radius", "r", "electrode_radius", "disk_radius", "disc_radius"}:
                hint = f"write diameter: {twice}, which is twice the radius"
                self.report("key.unknown", f"wanted a key of a cell file, found {key.text!r}", key.mark, hint)
                pairs[at] = (replace(key, text="diameter"), replace(value, text=twice))
        return replace(entries, entries=tuple(pairs))

    def _version(self, node: Node | None, entries: Entries) -> None:
        if node is None:
            self.report(
                "file.version",
                "wanted labctl_cell: 1, found no version of the cell file",
                entries.mark,
                "begin with labctl_cell: 1",
            )
        elif isinstance(node, Scalar) and node.text not in {"1", BROKEN}:
            self.report(
                "file.version",
                f"wanted version 1 of the cell file, found {clip(node.text)!r}",
                node.mark,
                "write labctl_cell: 1",
            )

    def _simple(self, nodes: Mapping[str, Node], marks: Mapping[str, Mark]) -> Cell:
        kind = self.choice(nodes.get("kind"), CELL["kind"].choices, kind_words(nodes.get("kind")))
        cell = Cell(
            name=self.text(nodes.get("name")),
            kind=kind or "full",  # type: ignore[arg-type]
            area=self._area(nodes),
            film_thickness=self._si(nodes.get("film_thickness"), CELL["film_thickness"]),
            electrolyte_thickness=self._si(nodes.get("electrolyte_thickness"), CELL["electrolyte_thickness"]),
            reference=self._reference(nodes.get("reference")),
            references=self._references(nodes.get("reference")),
            model=self.text(nodes.get("model")),
            about=self._about(nodes.get("about")),
            file=self.document.file,
            text=self.document.text,
            marks=marks,
        )
        mass = self._read(nodes.get("active_mass"), CELL["active_mass"])
        return replace(
            cell, active_mass=self._resolved(cell, mass, "mass"), rests_on={"active_mass": _relative_to(mass, "mass")}
        )

    def _area(self, nodes: Mapping[str, Node]) -> float | None:
        """Return the area, said itself or by the diameter of a disk, m2."""
        area, across = (self._si(nodes.get(name), CELL[name]) for name in ("area", "diameter"))
        if across is None:
            return area
        disk = math.pi / 4.0 * across**2
        if "area" in nodes:
            message = f"wanted area or diameter, found both; the disk has {display(disk, 'area')}"
            self.report("cell.area", message, nodes["diameter"].mark, "leave one of them out")
        return disk

    def _read(self, node: Node | None, key: Key) -> Quantity | None:
        quantity = self.quantity(node, key.kind)
        if quantity is not None and isinstance(node, Scalar):
            try:
                check_sign(quantity, key.sign, key.kind)
            except Misread as error:
                self.misread(error, node)
                return None
        return quantity

    def _si(self, node: Node | None, key: Key) -> float | None:
        quantity = self._read(node, key)
        return None if quantity is None else quantity.value_si

    def _resolved(self, cell: Cell, quantity: Quantity | None, kind: Kind) -> float | None:
        """Return a quantity in SI by what the cell has said so far, or report the field that is missing."""
        if quantity is None:
            return None
        value, missing = cell.absolute(quantity, kind)
        if value is None and self.stated.intersection(missing):
            return None  # what is wrong with it is told where it stands
        if value is None:
            fields = " and ".join(missing)
            examples = ", ".join(FIELD_EXAMPLES[name] for name in missing)
            message = f"wanted the cell's {' and '.join(missing)} for {quantity.text}, found none"
            self.report(
                "cell.missing",
                message,
                quantity.mark or Mark(cell.file, 1, 1),
                f"add the cell's own {fields}, such as {examples}",
            )
        return value

    def _references(self, node: Node | None) -> dict[str, float]:
        """Return the voltage of the cell's reference against others."""
        if not isinstance(node, Entries):
            return {}
        others = self.entries(_value_of(node, "vs"), "other references", f"for example vs: {REFERENCE['vs'].example}")
        found: dict[str, float] = {}
        for key, value in others.entries if others else ():
            quantity = None if key.text == BROKEN else self.quantity(value, "voltage")
            if quantity is not None:
                found[reference_label(key.text) or key.text] = quantity.value_si
        return found

    def _reference(self, node: Node | None) -> str:
        if isinstance(node, Entries):
            self.keys(node, REFERENCE, "reference", {})
            node = _value_of(node, "name")
        text = self.text(node)
        label = reference_label(re.sub(r"^(?:V\s+)?vs\.?\s+", "", text)) if text else ""
        if text and (not label or label == "ocv") and node is not None:
            self.report(
                "word.unknown",
                f"wanted the label of a reference such as Li, found {clip(text)!r}",
                node.mark,
                labelled(text),
            )
        return label

    def _about(self, node: Node | None) -> dict[str, str]:
        if isinstance(node, Scalar):
            return {"note": self.text(node)}
        entries = self.entries(node, "notes as names and texts", f"for example about: {CELL['about'].example}")
        return {key.text: self.text(value) for key, value in entries.entries if key.text != BROKEN} if entries else {}

    def _nominal(self, cell: Cell, node: Node | None, limits: Node | None) -> Cell:
        example = f"for example nominal: {CELL['nominal'].example}"
        if isinstance(node, Scalar) and node.text:
            unit = " with its unit behind the number" if number(node.text) is not None else ""
            example = f"write nominal: {{capacity: {clip(node.text)}}}{unit}"
        entries = self.entries(node, "the nominal capacity in braces", example)
        if entries is None:
            return cell
        values = self.keys(
            entries,
            NOMINAL,
            "nominal",
            NOMINAL_WORDS,
        )
        given = [name for name in ("capacity", "1C") if name in values]
        if len(given) != 1:
            self.report(
                "cell.nominal",
                f"wanted capacity or 1C in nominal, found {' and '.join(given) or 'none'}",
                entries.mark,
                "leave one of them out" if given else "for example {capacity: 19.5 uAh/cm2} or {1C: 170 mA/g}",
            )
            return cell
        if charge_of := as_charge(values[given[0]]):
            self.report("unit.kind", "wanted a capacity, found an energy", values[given[0]].mark, charge_of)
            return cell
        if charge_of := over_window(values[given[0]], limits):
            self.report("unit.kind", "wanted a capacity, found a capacitance", values[given[0]].mark, charge_of)
            return cell
        quantity = self._read(values[given[0]], NOMINAL[given[0]])
        rests_on = {**cell.rests_on, "nominal": _relative_to(quantity, "current" if given[0] == "1C" else "capacity")}
        if given[0] == "1C":
            rate = self._resolved(cell, quantity, "current")
            charge = None if rate is None else rate * 3600.0
        elif quantity is not None and quantity.dimension.nominal:
            self._of_itself(quantity)
            charge = None
        else:
            charge = self._resolved(cell, quantity, "capacity")
        return replace(cell, nominal=charge, basis=self.text(values.get("basis")), rests_on=rests_on)

    def _state(self, cell: Cell, node: Node | None) -> Cell:
        share = isinstance(node, Scalar) and reads(node.text, "fraction")
        example = f"write state: {{soc: {node.text}}}" if share else f"for example state: {CELL['state'].example}"  # type: ignore[union-attr]
        entries = self.entries(node, "the state in braces", example)
        if entries is None:
            return cell
        values = self.keys(entries, STATE, "state", {"SOC": "did you mean soc?", "ocv": "did you mean voltage?"})
        if not values or {"soc", "voltage"} <= set(values):
            words = "wanted soc or voltage in state, found " + (" and ".join(values) or "none")
            self.report("cell.state", words, entries.mark, "for example {soc: 30 %} or {voltage: 3.7 V, cycles: 200}")
            return cell
        soc, voltage = self._si(values.get("soc"), STATE["soc"]), self._si(values.get("voltage"), STATE["voltage"])
        if soc is not None and not 0.0 <= soc <= 1.0:
            words = f"wanted a state of charge from 0 % to 100 %, found {100.0 * soc:g} %"
            self.report("cell.state", words, values["soc"].mark, "for example {soc: 30 %}")
        return replace(cell, soc=soc, rest_voltage=voltage, cycles=self._si(values.get("cycles"), STATE["cycles"]))

    def _of_itself(self, quantity: Quantity) -> None:
        self.report(
            "cell.nominal",
            f"wanted a capacity, found {quantity.text} of it",
            quantity.mark or Mark(self.document.file, 1, 1),
            "for example 19.5 uAh/cm2",
        )

    # --- limits ---

    def _limits(self, cell: Cell, node: Node | None) -> Cell:
        entries = self.entries(
            node, "limits in braces", as_limits(node) or f"for example limits: {CELL['limits'].example}"
        )
        if entries is None:
            return cell
        values = self.keys(entries, LIMITS, "limits", limit_words(entries))
        pairs = {name: self._pair(cell, values.get(name), name) for name in PAIRS}
        charge = self._resolved(cell, self._read(values.get("capacity"), LIMITS["capacity"]), "capacity")
        return replace(cell, limits=Bounds(**pairs, charge=charge))

    def _pair(self, cell: Cell, node: Node | None, name: str) -> tuple[float, float] | None:
        key = LIMITS[name]
        if isinstance(node, Entries) and (brackets := pair_of_keys(node)):
            self.wanted(f"the {name} limits as [low, high]", node, brackets)
            return None
        if isinstance(node, Entries):
            return self._one_sided(cell, node, name)
        pair = self.pair(node, f"the {name} limits", key.example, own_pair(node, key.kind))
        if pair is None or node is None:
            return None
        low, high = (self._resolved(cell, self._absolute(self._read(item, key)), key.kind) for item in pair)
        if low is None or high is None:
            return None
        if low > high:
            texts = [item.text for item in (pair[1], pair[0]) if isinstance(item, Scalar)]
            message = f"wanted the lower {name} limit first, found the higher"
            self.report("limit.order", message, node.mark, f"write [{clip(', '.join(texts))}]")
            return None
        return low, high

    def _one_sided(self, cell: Cell, node: Entries, name: str) -> tuple[float, float] | None:
        """Return `{max: 4.3 V}` as a pair whose other side is open."""
        values, key = self.keys(node, SIDES, f"the {name} limits", SIDE_WORDS), LIMITS[name]
        low, high = (
            open_
            if (item := values.get(side)) is None
            else self._resolved(cell, self._absolute(self._read(item, key)), key.kind)
            for side, open_ in (("min", -OPEN), ("max", OPEN))
        )
        return None if low is None or high is None else (low, high)

    def _absolute(self, quantity: Quantity | None) -> Quantity | None:
        if quantity is None or quantity.versus != "ocv":
            return quantity
        self.report(
            "limit.ocv",
            f"wanted a fixed limit, found {quantity.text}",
            quantity.mark or Mark(self.document.file, 1, 1),
            "a limit is a voltage such as 4.2 V",
        )
        return None


def _relative_to(quantity: Quantity | None, kind: Kind) -> tuple[str, ...]:
    """Return the fields of the cell that make a quantity absolute."""
    needed = None if quantity is None else factors(quantity.dimension, dimension_of(kind))
    return tuple(name for name, _ in needed or ())


def _value_of(node: Entries, name: str) -> Node | None:
    return next((value for key, value in node.entries if key.text == name), None)
