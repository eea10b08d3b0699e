"""A station file from text to settings, with every error of it."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final, Literal, cast

from labctl.errors import StationError
from labctl.finding import Finding, Mark, clip, with_lines
from labctl.station.faces import FaceFields
from labctl.station.settings import (
    Clock,
    Commands,
    Http,
    InstrumentSettings,
    Mqtt,
    Setting,
    Station,
)
from labctl.text.compose import compose
from labctl.text.fields import near
from labctl.text.nodes import BROKEN, Entries, Items, Node, Scalar

STATION_KEYS: Final = {
    "labctl_station": "version of the station file: 1",
    "name": "name of the station, in topics and reports",
    "store": "folder of the journal",
    "instruments": "connections by name: driver and its settings",
    "channels": "channels by name: parts by role, and limits",
    "mqtt": "broker, topics, and which orders are taken",
    "postgres": "URL of a PostgreSQL that gets everything too",
    "http": "where orders come in on this machine",
    "web": "where the pages are served",
    "notify": "who is told of alarms",
    "clock": "real, fast, or how many times faster",
}
MQTT_KEYS: Final = {
    "broker": "embedded, none, a host, or {host, port, user, password_file, tls, ca}",
    "prefix": "of every topic; labctl/1/NODE if not said",
    "node": "name of this daemon in the topics",
    "commands": "orders taken from MQTT: off, stop-only, all or signed",
    "host": "name or address of the broker",
    "port": "TCP port; 1883, or 8883 with TLS",
    "user": "user name",
    "password_file": "file whose first line is the password",
    "tls": "encrypt: true or false",
    "ca": "PEM file of the authority that signed the broker's certificate",
    "home_assistant": "true: tell Home Assistant of every channel",
}
HTTP_KEYS: Final = {"socket": "Unix socket", "host": "address to listen on; 127.0.0.1", "port": "TCP port"}
PORTS: Final = 65536
_CLOCK_WORDS: Final = {
    **dict.fromkeys(("realtime", "wall", "wallclock", "normal", "live", "1:1"), "write real"),
    **dict.fromkeys(("fastest", "max", "asap", "instant", "unlimited"), "write fast"),
}
_WITHOUT_CONTROL: Final = dict.fromkeys(
    ("land", "lanhe", "landt", "ct2001a"),
    "LAND has no public interface to drive its testers, so no protocol runs on one; labctl import --follow FOLDER takes what "
    "LandMon records there",
)
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


_URL_WORDS: Final = dict.fromkeys(
    ("host", "user", "port", "database", "dbname", "password"),
    "it belongs into the one address: postgres: postgresql://USER@HOST/DATABASE",
)


class _StationFields(FaceFields):
    """Reads the keys of a station file."""

    def station(self, drivers: Collection[str] | None) -> Station | None:
        root = self.document.root
        entries = self.entries(root, "the keys of a station file", "begin with labctl_station: 1") if root else None
        if entries is None:
            return None
        nodes = self.keys(entries, STATION_KEYS, "a station file", _STATION_WORDS)
        self._version(nodes.get("labctl_station"), entries)
        instruments = self._instruments(nodes.get("instruments"), drivers)
        asked = {near(key.text, STATION_KEYS) for key, _ in entries.entries if key.text not in STATION_KEYS}
        for name in ("instruments", "channels"):
            if name not in nodes and f"did you mean {name}?" not in asked:
                first = next(iter(instruments), "sim")
                example = {
                    "channels": f"{{S1: {{cell: {{instrument: {first}}}}}}}",
                    "instruments": "{sim: {driver: simulated}}",
                }
                hint = f"for example {name}: {example[name]}"
                self.report("key.missing", f"wanted {name} in a station file, found none", entries.mark, hint)
        return Station(
            name=self._word(nodes.get("name"), "a name of letters, digits, - and _") or "labctl",
            store=self.text(nodes.get("store")) or "data",
            instruments=instruments,
            channels=self.channels(nodes.get("channels"), instruments),
            mqtt=self._mqtt(nodes.get("mqtt")),
            postgres=self._postgres(nodes.get("postgres")),
            http=self._http(nodes.get("http")),
            clock=self._clock(nodes.get("clock")),
            web=self.web(nodes.get("web")),
            notify=self.notify(nodes.get("notify")),
            file=self.document.file,
            clock_mark=nodes["clock"].mark if "clock" in nodes else None,
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
        entries = self.entries(node, "instruments by name", _named(node) or example)
        if isinstance(node, Items) and entries is None:
            self.names_lost = True
        by_name: dict[str, InstrumentSettings] = {}
        for key, value in entries.entries if entries else ():
            inner = self.entries(
                value, f"the settings of {clip(key.text)} in braces", "for example {driver: simulated}"
            )
            if key.text == BROKEN or inner is None:
                continue
            options = {name.text: self._setting(item) for name, item in inner.entries if name.text != BROKEN}
            driver = options.pop("driver", "")
            self._driver(key, inner, driver, drivers)
            by_name[key.text] = InstrumentSettings(key.text, str(driver), options, key.mark, dict(_places(inner)))
        return by_name

    def _driver(self, key: Scalar, inner: Entries, driver: Setting, drivers: Collection[str] | None) -> None:
        installed = ", ".join(sorted(drivers or ())) or "none"
        close = next((key for key, _ in inner.entries if near(key.text, ("driver",))), None) if not driver else None
        if close is not None:
            message = f"wanted driver in the instrument {clip(key.text)}, found {clip(close.text)!r}"
            self.report("key.unknown", message, close.mark, "did you mean driver?")
        elif not driver:
            self.report(
                "key.missing",
                f"wanted driver in the instrument {clip(key.text)}, found none",
                inner.mark,
                f"installed are {installed}",
            )
        elif drivers is not None and str(driver) not in drivers:
            mark = next(value.mark for name, value in inner.entries if name.text == "driver")
            hint = _WITHOUT_CONTROL.get(str(driver).lower(), "") or near(str(driver), drivers)
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
            ("off", "stop-only", "all", "signed"),
            {
                **dict.fromkeys(("false", "no"), "write off"),
                **dict.fromkeys(("true", "yes", "on"), "write all, or stop-only"),
                "stop": "write stop-only",
            },
        )
        kind = "address" if host else "none" if broker in {"none", "off"} else "embedded"
        host, port = self._address(host, nodes) if host else ("", None)
        return Mqtt(
            broker=cast("Literal['embedded', 'none', 'address']", kind),
            prefix=self.text(nodes.get("prefix")).strip("/"),
            node=self._word(nodes.get("node"), "a name of letters, digits, - and _"),
            commands=cast("Commands", commands or "off"),
            host=host,
            port=self._port(nodes.get("port"), "port: 8883") if port is None else port,
            user=self.text(nodes.get("user")) or None,
            password_file=self.text(nodes.get("password_file")) or None,
            tls="tls" in nodes and self.flag(nodes["tls"]),
            ca=self.text(nodes.get("ca")) or None,
            home_assistant="home_assistant" in nodes and self.flag(nodes["home_assistant"]),
        )

    def _address(self, text: str, nodes: Mapping[str, Node]) -> tuple[str, int | None]:
        """Return the host and port of `broker.lab:8883`, or report."""
        node = nodes["host"] if "host" in nodes else nodes["broker"]
        match = re.fullmatch(r"(?:\w+://)?([\w.-]+)(?::(\d{1,6}))?/?", text)
        port = int(match[2]) if match and match[2] else None
        if match is None or "://" in text or (port or 0) >= PORTS:
            hint = f"write {match[1]}" if match and port is None else "for example host: broker.lab, port: 8883"
            hint = f"write {match[1]}:{port}" if match and port and port < PORTS else hint
            self.report("form", f"wanted a host, or host:port, found {clip(text)!r}", node.mark, hint)
            return "", None
        if port is not None and "port" in nodes:
            message = f"wanted the port of the broker once, found {clip(text)!r} beside port:"
            self.report("form", message, node.mark, f"write host: {match[1]}")
        return match[1], port

    def _port(self, node: Node | None, example: str) -> int | None:
        scalar = self.scalar(node, "a TCP port")
        if scalar is None:
            return None
        if scalar.text.isdigit() and 0 <= int(scalar.text[:6]) < PORTS:
            return int(scalar.text)
        self.report(
            "form",
            f"wanted a TCP port from 0 to 65535, found {clip(scalar.text)!r}",
            scalar.mark,
            f"for example {example}",
        )
        return None

    def _postgres(self, node: Node | None) -> str | None:
        if isinstance(node, Entries):
            node = self.keys(node, ("url",), "postgres", _URL_WORDS).get("url")
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
        own = f"write http: {{port: {node.text}}}" if isinstance(node, Scalar) and node.text.isdigit() else ""
        example = own or "for example http: {port: 8765} or http: {socket: labctl.sock}"
        entries = self.entries(node, "where orders come in, in braces", example)
        if entries is None:
            return Http()
        nodes = self.keys(entries, HTTP_KEYS, "http")
        return Http(
            self.text(nodes.get("socket")) or None,
            self.text(nodes.get("host")) or "127.0.0.1",
            self._port(nodes.get("port"), "port: 8765"),
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
            _CLOCK_WORDS.get(re.sub(r"[ _-]", "", word.lower()))
            or near(word, ("real", "fast"))
            or "for example clock: 60",
        )
        return "real"


def _places(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Mark]]:
    """Yield where each key in braces stands, those within its value too."""
    for key, value in node.entries if isinstance(node, Entries) else ():
        yield (*path, key.text), key.mark
        yield from _places(value, (*path, key.text))


def load_station(text: str | bytes, name: str, drivers: Collection[str] | None = None) -> Station:
    """Return the station that a file describes.

    Args:
        text: The file.
        name: Its path.
        drivers: Names of the installed drivers; None does not look at them.

    Raises:
        StationError: With every finding of the file.
    """
    station, findings = read_station(text, name, drivers)
    if station is None or any(finding.severity == "error" for finding in findings):
        raise StationError(findings)
    return station


def read_station(
    text: str | bytes, name: str, drivers: Collection[str] | None = None
) -> tuple[Station | None, tuple[Finding, ...]]:
    """Return what a station file came to, with every finding; for checkers and editors."""
    document = compose(text, name)
    reading = _StationFields(document)
    station = reading.station(drivers)
    return station, with_lines(reading.findings, {name: document.text})


def _named(node: Node | None) -> str:
    """Return how a list of instruments, each with its name below it, is written; "" of anything else."""
    shown: list[str] = []
    for item in node.items if isinstance(node, Items) else ():
        given = (
            {key.text: value.text for key, value in item.entries if isinstance(value, Scalar)}
            if isinstance(item, Entries)
            else {}
        )
        if "name" not in given:
            return ""
        inner = ", ".join(f"{key}: {text}" for key, text in given.items() if key != "name")
        shown.append(f"{given['name']}: {{{inner}}}")
    return f"each by its name, not in a list: write {clip(', '.join(shown), 100)}" if shown else ""
