"""A station file from text to settings, with every error of it."""

import re
from collections.abc import Collection, Mapping
from typing import Final, Literal, cast

from labctl.document import BROKEN, Entries, Finding, Items, Mark, Node, Scalar, clip, compose, with_lines
from labctl.driver import Bounds
from labctl.reading import Reading, near
from labctl.settings import (
    ROLES,
    ChannelSettings,
    Clock,
    Commands,
    Http,
    InstrumentSettings,
    Mqtt,
    Part,
    Setting,
    Station,
)
from labctl.units import Kind, article, dimension_of

MOST_CHANNELS: Final = 10_000

STATION_KEYS: Final = {
    "labctl_station": "version of the station file: 1",
    "name": "name of the station, in topics and reports",
    "store": "folder of the journal",
    "instruments": "connections by name: driver and its settings",
    "channels": "channels by name: parts by role, and limits",
    "mqtt": "broker, topics, and which orders are taken",
    "postgres": "URL of a PostgreSQL that gets everything too",
    "http": "where orders come in on this machine",
    "clock": "real, fast, or how many times faster",
}
MQTT_KEYS: Final = {
    "broker": "embedded, none, a host, or {host, port, user, password_file, tls, ca}",
    "prefix": "of every topic; labctl/1/NODE if not said",
    "node": "name of this daemon in the topics",
    "commands": "orders taken from MQTT: off, stop-only or all",
    "host": "name or address of the broker",
    "port": "TCP port; 1883, or 8883 with TLS",
    "user": "user name",
    "password_file": "file whose first line is the password",
    "tls": "encrypt: true or false",
    "ca": "PEM file of the authority that signed the broker's certificate",
}
HTTP_KEYS: Final = {"socket": "Unix socket", "host": "address to listen on; 127.0.0.1", "port": "TCP port"}
_STATION_WORDS: Final = {
    "broker": "did you mean mqtt?",
    "database": "store: is the journal's folder, postgres: a server that gets everything too",
    "db": "store: is the journal's folder, postgres: a server that gets everything too",
    "data": "did you mean store?",
    "devices": "did you mean instruments?",
    "drivers": "did you mean instruments?",
    "components": "did you mean instruments?",
    "pipelines": "did you mean channels?",
    "labctl": "this is a key of protocols: a station file begins with labctl_station: 1",
}


def read(text: str | bytes, name: str, drivers: Collection[str] | None) -> tuple[Station | None, tuple[Finding, ...]]:
    """Return what a station file came to, with every finding."""
    document = compose(text, name)
    reading = _StationReading(document)
    station = reading.station(drivers)
    return station, with_lines(reading.findings, {name: document.text})


class _StationReading(Reading):
    def station(self, drivers: Collection[str] | None) -> Station | None:
        root = self.document.root
        entries = self.entries(root, "the keys of a station file", "begin with labctl_station: 1") if root else None
        if entries is None:
            return None
        nodes = self.keys(entries, STATION_KEYS, "a station file", _STATION_WORDS)
        self._version(nodes.get("labctl_station"), entries)
        instruments = self._instruments(nodes.get("instruments"), drivers)
        for name in ("instruments", "channels"):
            if name not in nodes:
                self.report("key.missing", f"wanted {name} in a station file, found none", entries.mark)
        return Station(
            name=self._word(nodes.get("name"), "a name of letters, digits, - and _") or "labctl",
            store=self.text(nodes.get("store")) or "data",
            instruments=instruments,
            channels=self._channels(nodes.get("channels"), instruments),
            mqtt=self._mqtt(nodes.get("mqtt")),
            postgres=self._postgres(nodes.get("postgres")),
            http=self._http(nodes.get("http")),
            clock=self._clock(nodes.get("clock")),
            file=self.document.file,
        )

    def _version(self, node: Node | None, entries: Entries) -> None:
        if node is None:
            message = "wanted labctl_station: 1, found no version of the station file"
            self.report("file.version", message, entries.mark, "begin with labctl_station: 1")
        elif isinstance(node, Scalar) and node.text not in {"1", BROKEN}:
            message = f"wanted version 1 of the station file, found {clip(node.text)!r}"
            self.report("file.version", message, node.mark, "write labctl_station: 1")

    def _word(self, node: Node | None, wanted: str) -> str:
        text = self.text(node, wanted)
        if text and node is not None and re.fullmatch(r"[A-Za-z0-9][\w.-]{0,63}", text) is None:
            self.report("name.form", f"wanted {wanted}, found {clip(text)!r}", node.mark)
            return ""
        return text

    # --- instruments ---

    def _instruments(self, node: Node | None, drivers: Collection[str] | None) -> dict[str, InstrumentSettings]:
        example = "for example instruments: {kei1: {driver: keithley2450, resource: ...}}"
        entries = self.entries(node, "instruments by name", example)
        found: dict[str, InstrumentSettings] = {}
        for key, value in entries.entries if entries else ():
            inner = self.entries(
                value, f"the settings of {clip(key.text)} in braces", "for example {driver: simulated}"
            )
            if key.text == BROKEN or inner is None:
                continue
            options = {name.text: self._setting(item) for name, item in inner.entries if name.text != BROKEN}
            driver = options.pop("driver", "")
            self._driver(key, inner, driver, drivers)
            found[key.text] = InstrumentSettings(key.text, str(driver), options, key.mark)
        return found

    def _driver(self, key: Scalar, inner: Entries, driver: Setting, drivers: Collection[str] | None) -> None:
        installed = ", ".join(sorted(drivers or ())) or "none"
        if not driver:
            self.report(
                "key.missing",
                f"wanted driver in the instrument {clip(key.text)}, found none",
                inner.mark,
                f"installed are {installed}",
            )
        elif drivers is not None and str(driver) not in drivers:
            mark = next(value.mark for name, value in inner.entries if name.text == "driver")
            hint = near(str(driver), drivers)
            hint = f"{hint}; installed are {installed}" if hint else f"installed are {installed}"
            self.report(
                "driver.unknown",
                f"wanted an installed driver for {clip(key.text)}, found {clip(str(driver))!r}",
                mark,
                hint,
            )

    def _setting(self, node: Node) -> Setting:
        """Return a driver's setting: whole and decimal numbers, true and false; all else, and what is quoted, is text."""
        match node:
            case Items():
                return tuple(self._setting(item) for item in node.items)
            case Entries():
                return {key.text: self._setting(item) for key, item in node.entries}
        if node.style or node.text in {"", BROKEN}:
            return node.text if node.text != BROKEN else ""
        if node.text in {"true", "false"}:
            return node.text == "true"
        if re.fullmatch(r"-?(0|[1-9]\d{0,17})", node.text):
            return int(node.text)
        if re.fullmatch(r"-?\d+\.\d*([eE][-+]?\d+)?|-?\d+[eE][-+]?\d+", node.text):
            return float(node.text)
        return node.text

    # --- channels ---

    def _channels(self, node: Node | None, instruments: Mapping[str, InstrumentSettings]) -> dict[str, ChannelSettings]:
        entries = self.entries(node, "channels by name", "for example channels: {A1: {cell: {instrument: kei1}}}")
        found: dict[str, ChannelSettings] = {}
        for key, value in entries.entries if entries else ():
            inner = self.entries(
                value, f"the parts of {clip(key.text)} by role", "for example {cell: {instrument: kei1, at: 1}}"
            )
            if key.text == BROKEN or inner is None:
                continue
            words = {
                "instrument": "write cell: {instrument: ...}",
                "limit": "did you mean limits?",
                "temperature": "did you mean thermometer?",
            }
            nodes = self.keys(inner, (*ROLES, "limits"), "a channel", words)
            if "cell" not in nodes:
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
                if name in found:
                    self.report("name.taken", f"wanted a new name, found {name!r} again", key.mark)
                own = {
                    role: Part(part.instrument, part.at.replace("{n}", number) or number)
                    if number and role == "cell"
                    else part
                    for role, part in parts.items()
                }
                found[name] = ChannelSettings(name, own, limits, key.mark)
        self._shared_cells(found)
        return found

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
        elif name and name not in instruments:
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
                found = f"{part.instrument} at {part.at or 'its only one'}, which {other} has"
                message = f"wanted an output of its own for {channel.name}, found {found}"
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
            self.report("limit.order", f"wanted the lower {kind} limit first, found the higher", node.mark)
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

    # --- where data go ---

    def _mqtt(self, node: Node | None) -> Mqtt:
        if isinstance(node, Scalar):
            return self._broker({"broker": node})
        entries = self.entries(node, "the broker in braces", "for example mqtt: {broker: embedded}")
        if entries is None:
            return Mqtt()
        words = {
            "password": "write password_file: a file whose first line is it",
            "username": "did you mean user?",
            "url": "write host: and port:",
        }
        nodes = self.keys(entries, MQTT_KEYS, "mqtt", words)
        broker = nodes.get("broker")
        if isinstance(broker, Entries):
            inner = self.keys(broker, ("host", "port", "user", "password_file", "tls", "ca"), "broker", words)
            nodes = {**{name: item for name, item in nodes.items() if name != "broker"}, **inner}
        return self._broker(nodes)

    def _broker(self, nodes: Mapping[str, Node]) -> Mqtt:
        broker = self.text(nodes.get("broker"), "embedded, none or a host")
        host = self.text(nodes.get("host"), "a host") or (broker if broker not in {"embedded", "none", "off"} else "")
        commands = self.choice(
            nodes.get("commands"),
            ("off", "stop-only", "all"),
            {"false": "write off", "true": "write all", "stop": "write stop-only"},
        )
        kind = "address" if host else "none" if broker in {"none", "off"} else "embedded"
        host, _, port = host.partition(":")
        return Mqtt(
            broker=cast("Literal['embedded', 'none', 'address']", kind),
            prefix=self.text(nodes.get("prefix")).strip("/"),
            node=self._word(nodes.get("node"), "a name of letters, digits, - and _"),
            commands=cast("Commands", commands or "off"),
            host=host,
            port=int(port) if port.isdigit() else self._port(nodes.get("port")),
            user=self.text(nodes.get("user")) or None,
            password_file=self.text(nodes.get("password_file")) or None,
            tls="tls" in nodes and self.flag(nodes["tls"]),
            ca=self.text(nodes.get("ca")) or None,
        )

    def _port(self, node: Node | None) -> int | None:
        scalar = self.scalar(node, "a TCP port")
        if scalar is None:
            return None
        if scalar.text.isdigit() and 0 <= int(scalar.text[:6]) < 65536:
            return int(scalar.text)
        self.report("form", f"wanted a TCP port from 0 to 65535, found {clip(scalar.text)!r}", scalar.mark)
        return None

    def _postgres(self, node: Node | None) -> str | None:
        if isinstance(node, Entries):
            node = self.keys(node, ("url",), "postgres").get("url")
        url = self.text(node, "a URL")
        if url and node is not None and not re.match(r"postgres(ql)?(\+psycopg)?://", url):
            self.report(
                "form",
                f"wanted a URL of PostgreSQL, found {clip(url)!r}",
                node.mark,
                "for example postgresql://labctl@db.lab/labctl",
            )
        return url or None

    def _http(self, node: Node | None) -> Http:
        entries = self.entries(
            node, "where orders come in, in braces", "for example http: {port: 8765} or http: {socket: labctl.sock}"
        )
        if entries is None:
            return Http()
        nodes = self.keys(entries, HTTP_KEYS, "http")
        return Http(
            self.text(nodes.get("socket")) or None,
            self.text(nodes.get("host")) or "127.0.0.1",
            self._port(nodes.get("port")),
        )

    def _clock(self, node: Node | None) -> Clock:
        scalar = self.scalar(node, "real, fast or a number", "for example clock: real, or clock: 60")
        if scalar is None:
            return "real"
        word = scalar.text.removeprefix("scaled").strip().removeprefix("x").removesuffix("x").strip()
        if word in {"real", "fast"}:
            return cast("Clock", word)
        if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", word) and float(word) > 0:
            return float(word)
        self.report(
            "word.unknown",
            f"wanted real, fast or how many times faster, found {clip(scalar.text)!r}",
            scalar.mark,
            "for example clock: 60",
        )
        return "real"
