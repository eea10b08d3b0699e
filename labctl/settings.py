"""The station file: which instruments there are, which channels they make, and where data go."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from labctl.document import Finding, Mark
from labctl.driver import Bounds
from labctl.errors import StationError

Setting: TypeAlias = str | int | float | bool | tuple["Setting", ...] | dict[str, "Setting"]
Clock: TypeAlias = Literal["real", "fast"] | float
"""`real`, `fast`, or how many times faster than real."""
Commands: TypeAlias = Literal["off", "stop-only", "all"]

ROLES: Final = ("cell", "stage", "chamber", "thermometer", "trigger")


@dataclass(frozen=True, slots=True)
class InstrumentSettings:
    """One connection: its driver, and the keyword arguments of the driver's class."""

    name: str
    driver: str
    options: Mapping[str, Setting] = field(default_factory=dict)
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a channel: an instrument by its name, and which of its channels; "" where it has only one."""

    instrument: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """One channel: its parts by role (`cell` always), and limits of its own in V, A, K, C."""

    name: str
    parts: Mapping[str, Part]
    limits: Bounds = field(default_factory=Bounds)
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Mqtt:
    """Where messages go and which orders come in.

    Attributes:
        broker: `embedded`, `none`, or `address`: the host below.
        prefix: Of every topic; "" is labctl/1/NODE.
        node: Name of this daemon in the topics; "" is the station's name.
        commands: Which orders are taken from MQTT.
        host: Name or address of the broker.
        port: None is 1883, or 8883 with TLS; of the embedded broker, None is 1883, or a free one where that is taken.
        user: None is an anonymous connection.
        password_file: Its first line is the password.
        tls: Encrypt.
        ca: PEM file of the authority that signed the broker's certificate.
    """

    broker: Literal["embedded", "none", "address"] = "embedded"
    prefix: str = ""
    node: str = ""
    commands: Commands = "off"
    host: str = ""
    port: int | None = None
    user: str | None = None
    password_file: str | None = None
    tls: bool = False
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class Http:
    """Orders and the dashboard on this machine: a Unix socket, or a host and port with a token file in the store."""

    socket: str | None = None
    host: str = "127.0.0.1"
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Station:
    """A station file.

    Attributes:
        name: Of the station.
        store: Folder of the journal.
        instruments: By name.
        channels: By name, in the order of the file.
        mqtt: Broker and topics.
        postgres: URL of a PostgreSQL that gets everything too, or None.
        http: Where orders come in.
        clock: How fast time goes.
        file: Name of the file.
    """

    name: str = "labctl"
    store: str = "data"
    instruments: Mapping[str, InstrumentSettings] = field(default_factory=dict)
    channels: Mapping[str, ChannelSettings] = field(default_factory=dict)
    mqtt: Mqtt = field(default_factory=Mqtt)
    postgres: str | None = None
    http: Http = field(default_factory=Http)
    clock: Clock = "real"
    file: str = ""

    def beside(self, path: str) -> Path:
        """Return a path of the file, relative ones taken from the file's own folder."""
        return Path(self.file).parent / path


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
    from labctl.stationfile import read  # noqa: PLC0415 - the reader makes the values defined here

    return read(text, name, drivers)


def roles_of(channel: ChannelSettings) -> tuple[str, ...]:
    """Return the roles that a channel has parts for, the cell first."""
    return ("cell", *(role for role in channel.parts if role != "cell"))
