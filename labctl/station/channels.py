"""The channels of a station file: their names, their parts by role, and limits of their own."""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final

from labctl.driver import Bounds
from labctl.finding import Mark, clip
from labctl.quantity.dimension import Kind, dimension_of
from labctl.quantity.units import article
from labctl.station.settings import (
    ROLES,
    ChannelSettings,
    InstrumentSettings,
    Part,
)
from labctl.text.fields import Reading, near
from labctl.text.nodes import BROKEN, Entries, Items, Node, Scalar

MOST_CHANNELS: Final = 10_000


class ChannelFields(Reading):
    """Reads what a station file says of its channels."""

    def channels(self, node: Node | None, instruments: Mapping[str, InstrumentSettings]) -> dict[str, ChannelSettings]:
        """Return the channels of a station file by name, each with its parts and limits."""
        entries = self.entries(node, "channels by name", "for example channels: {A1: {cell: {instrument: kei1}}}")
        by_name: dict[str, ChannelSettings] = {}
        for key, value in entries.entries if entries else ():
            named = value.text if isinstance(value, Scalar) and value.text in instruments else ""
            hint = (
                f"write {{cell: {{instrument: {named}}}}}" if named else "for example {cell: {instrument: kei1, at: 1}}"
            )
            inner = self.entries(value, f"the parts of {clip(key.text)} by role", hint)
            if key.text == BROKEN or inner is None or self._bare_part(key, inner):
                continue
            words = {
                "instrument": "write cell: {instrument: ...}",
                **dict.fromkeys(("oven", "incubator", "climate_chamber"), "did you mean chamber?"),
                "limit": "did you mean limits?",
                **dict.fromkeys(
                    ("thermometer", "temperature"),
                    "a chamber's role is chamber; else leave it out: no thermometer beside the cell's instrument is read",
                ),
                "trigger": "leave it out: a mark is an event in the journal, no trigger output is driven",
            }
            nodes = self.keys(inner, (*ROLES, "limits"), "a channel", words)
            misspelled = any(
                near(name.text, ROLES) == "did you mean cell?" for name, _ in inner.entries if name.text not in ROLES
            )
            if "cell" not in nodes and not misspelled:
                self.report(
                    "key.missing",
                    f"wanted cell in the channel {clip(key.text)}, found none",
                    inner.mark,
                    "for example cell: {instrument: kei1, at: 1}",
                )
            parts: dict[str, Part] = {
                role: self._part(nodes[role], role, instruments) for role in ROLES if role in nodes
            }
            limits = self._limits(nodes.get("limits"))
            for name, number in self._names(key):
                if name in by_name:
                    self.report("name.taken", f"wanted a new name, found {name!r} again", key.mark)
                own = {
                    role: Part(part.instrument, part.at.replace("{n}", number) or number)
                    if number and role == "cell"
                    else part
                    for role, part in parts.items()
                }
                by_name[name] = ChannelSettings(name, own, limits, key.mark)
        self._shared_cells(by_name)
        self._rows(by_name, {name: channel.mark for name, channel in by_name.items() if channel.mark})
        return by_name

    def _bare_part(self, key: Scalar, inner: Entries) -> bool:
        """Report a part without its role, `N2: {instrument: nw1, at: c2}`, and return whether it is one."""
        by_key = {name.text: value for name, value in inner.entries}
        if "instrument" not in by_key or not set(by_key) <= {"instrument", "at"}:
            return False
        said = ", ".join(f"{name}: {value.text}" for name, value in by_key.items() if isinstance(value, Scalar))
        message = f"wanted cell in the channel {clip(key.text)}, found an instrument without its role"
        self.report("key.missing", message, inner.mark, f"write {clip(key.text)}: {{cell: {{{clip(said, 60)}}}}}")
        return True

    def _rows(self, names: Collection[str], marks: Mapping[str, Mark]) -> None:
        """Warn of a name such as S1-4 where no other begins alike: most likely a row of channels."""
        alike = {
            name: match for name in names if (match := re.fullmatch(r"([A-Za-z]+)(\d{1,6})-(?:\1)?(\d{1,6})", name))
        }
        count = Counter(match[1] for match in alike.values())
        for name, match in alike.items():
            if count[match[1]] == 1 and int(match[2]) < int(match[3]):
                message = f"wanted one channel or a row of them, found {name}, which is one channel of that name"
                hint = f"a row of channels is {match[1]}[{match[2]}-{match[3]}]"
                self.report("name.form", message, marks[name], hint, "warning")

    def _names(self, key: Scalar) -> list[tuple[str, str]]:
        """Return (name, number) of the channels that a key stands for: `A1`, or `S[1-8]` for S1 to S8."""
        match = re.fullmatch(r"([A-Za-z0-9][\w-]*?)\[(\d{1,6})-(\d{1,6})\]", key.text)
        if match is None:
            if re.fullmatch(r"[A-Za-z0-9][\w-]{0,63}", key.text) is None:
                message = f"wanted a channel's name of letters, digits, - and _, found {clip(key.text)!r}"
                self.report("name.form", message, key.mark, "a row of channels is S[1-8]")
                return []
            return [(key.text, "")]
        first, last, width = int(match[2]), int(match[3]), len(match[2])
        if not 0 <= last - first < MOST_CHANNELS:
            self.report(
                "name.form",
                f"wanted a row of up to {MOST_CHANNELS} channels, found {clip(key.text)!r}",
                key.mark,
                "for example S[1-8]",
            )
            return []
        return [(f"{match[1]}{number:0{width}d}", str(number)) for number in range(first, last + 1)]

    def _part(self, node: Node, role: str, instruments: Mapping[str, InstrumentSettings]) -> Part:
        entries = self.entries(
            node, f"{role} as {{instrument, at}}", f"for example {role}: {{instrument: kei1, at: 1}}"
        )
        if entries is None:
            return Part("")
        nodes = self.keys(
            entries, ("instrument", "at"), role, {"channel": "did you mean at?", "name": "did you mean instrument?"}
        )
        name = self.text(nodes.get("instrument"), "the name of an instrument")
        if "instrument" not in nodes:
            self.report("key.missing", f"wanted instrument in {role}, found none", entries.mark)
        elif name and name not in instruments and not (self.names_lost and not instruments):
            hint = near(name, instruments) or (
                "instruments are " + ", ".join(instruments) if instruments else "none is defined"
            )
            self.report(
                "instrument.unknown",
                f"wanted an instrument of this file, found {clip(name)!r}",
                nodes["instrument"].mark,
                hint,
            )
        return Part(name, self.text(nodes.get("at"), "a channel of the instrument"))

    def _shared_cells(self, channels: Mapping[str, ChannelSettings]) -> None:
        """Refuse two channels on one output."""
        seen: dict[tuple[str, str], str] = {}
        for channel in channels.values():
            part = channel.parts.get("cell")
            if part is None or not part.instrument or channel.mark is None:
                continue
            other = seen.setdefault((part.instrument, part.at), channel.name)
            if other != channel.name:
                output = f"{part.instrument} at {part.at or 'its only one'}, which {other} has"
                message = f"wanted an output of its own for {channel.name}, found {output}"
                self.report("channel.shared", message, channel.mark, "give each channel its own at:")

    def _limits(self, node: Node | None) -> Bounds:
        entries = self.entries(
            node, "limits in braces", "for example limits: {voltage: [-5 V, 5 V], current: [-10 mA, 10 mA]}"
        )
        nodes = self.keys(entries, ("voltage", "current", "temperature", "capacity"), "limits") if entries else {}
        kinds: tuple[Kind, ...] = ("voltage", "current", "temperature")
        pairs = {kind: self._bound(nodes.get(kind), kind) for kind in kinds}
        charge = self._absolute(nodes.get("capacity"), "capacity")
        return Bounds(pairs["voltage"], pairs["current"], pairs["temperature"], charge)

    def _bound(self, node: Node | None, kind: Kind) -> tuple[float, float] | None:
        pair = self.pair(
            node,
            f"the {kind} limits",
            {"voltage": "[-5 V, 5 V]", "current": "[-10 mA, 10 mA]"}.get(kind, "[10 degC, 60 degC]"),
        )
        if pair is None or node is None:
            return None
        low, high = (self._absolute(item, kind) for item in pair)
        if low is None or high is None:
            return None
        if low > high:
            texts = (
                [item.text for item in reversed(node.items) if isinstance(item, Scalar)]
                if isinstance(node, Items)
                else []
            )
            hint = f"write [{', '.join(texts)}]" if texts else ""
            self.report("limit.order", f"wanted the lower {kind} limit first, found the higher", node.mark, hint)
            return None
        return low, high

    def _absolute(self, node: Node | None, kind: Kind) -> float | None:
        """Return a limit in SI; a channel knows no cell, so C, mA/cm2 and % are refused."""
        quantity = self.quantity(node, kind)
        if quantity is not None and quantity.dimension != dimension_of(kind):
            message = f"wanted {article(kind)} of the channel, found {quantity.text}, which needs a cell"
            self.report(
                "unit.kind",
                message,
                quantity.mark or Mark(self.document.file, 1, 1),
                "a channel's limits are absolute: mA, mAh",
            )
            return None
        return None if quantity is None else quantity.value_si
