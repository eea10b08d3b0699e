"""The station file: which instruments there are, which channels they make, and where data go."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from labctl.driver import Bounds
from labctl.finding import Mark

Setting: TypeAlias = str | int | float | bool | tuple["Setting", ...] | dict[str, "Setting"]
Clock: TypeAlias = Literal["real", "fast"] | float
"""`real`, `fast`, or how many times faster than real."""
Commands: TypeAlias = Literal["off", "stop-only", "all", "signed"]

ROLES: Final = ("cell", "stage", "chamber")


@dataclass(frozen=True, slots=True)
class InstrumentSettings:
    """One connection: its driver, and the keyword arguments of the driver's class.

    Attributes:
        name: In the station file.
        driver: Its name.
        options: By name.
        mark: Where it stands.
        places: Where each option stands, and each entry of one, by the names that lead there.
    """

    name: str
    driver: str
    options: Mapping[str, Setting] = field(default_factory=dict)
    mark: Mark | None = None
    places: Mapping[tuple[str, ...], Mark] = field(default_factory=dict, compare=False)


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
        home_assistant: Tell Home Assistant of every channel, by its discovery over MQTT.
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
    home_assistant: bool = False


@dataclass(frozen=True, slots=True)
class Http:
    """Orders and the dashboard on this machine: a Unix socket, or a host and port with a token file in the store."""

    socket: str | None = None
    host: str = "127.0.0.1"
    port: int | None = None


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """A proxy on this machine that knows people by itself, and is believed over one Unix socket and with one secret.

    Attributes:
        socket: Path of the Unix socket, mode 660.
        user: Header that names the person; they must be known to the station.
        secret_file: Its first line is what the proxy sends as `X-Labctl-Proxy`; mode 600.
    """

    socket: str
    user: str = "X-Remote-User"
    secret_file: str = ""


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where the pages are served.

    Attributes:
        listen: `host:port`; port 0 is a free one.
        names: Host names by which browsers ask, needed beyond this machine.
        certificate: PEM file of the certificate and its chain; None is plain HTTP, on this machine alone.
        key: PEM file of its key, mode 600.
        proxy: Who stands in front and signs people in; then nothing is listened on but its socket.
    """

    listen: str = "127.0.0.1:8023"
    names: tuple[str, ...] = ()
    certificate: str | None = None
    key: str | None = None
    proxy: ProxySettings | None = None


RouteKind: TypeAlias = Literal["mail", "webhook", "ntfy", "apprise"]


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """One way by which alarms reach people.

    Attributes:
        name: In the station file.
        kind: What carries it.
        to: Addresses of mail, one URL, or the file that holds one for Apprise.
        server: `host:port` of the mail's server.
        sender: From whom mail is.
        user: Of the mail's server, None for none.
        secret_file: Its first line is the password of mail, the token of ntfy, or what a webhook is signed with.
        security: Of mail: `starttls`, `tls`, or `none`.
        only_pages: What can wait does not go this way.
        last: It is asked only for what nobody acknowledged.
    """

    name: str
    kind: RouteKind
    to: tuple[str, ...]
    server: str = ""
    sender: str = ""
    user: str | None = None
    secret_file: str | None = None
    security: str = "starttls"
    only_pages: bool = False
    last: bool = False


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """Who is told what.

    Attributes:
        routes: By name.
        quiet: Begin and end of the quiet hours, s after local midnight, None for none.
        link: Address of the pages, for messages; "" for none.
        heartbeat: URL that is asked every minute as long as work is seen; "" for none.
        digest: When the daily mail goes, s after local midnight, None for never.
    """

    routes: Mapping[str, RouteSettings] = field(default_factory=dict)
    quiet: tuple[float, float] | None = None
    link: str = ""
    heartbeat: str = ""
    digest: float | None = None


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
        web: Where the pages are served beside the daemon, None for nowhere.
        notify: Who is told of alarms, None for nobody.
        file: Name of the file.
        clock_mark: Where the clock stands in it.
    """

    name: str = "labctl"
    store: str = "data"
    instruments: Mapping[str, InstrumentSettings] = field(default_factory=dict)
    channels: Mapping[str, ChannelSettings] = field(default_factory=dict)
    mqtt: Mqtt = field(default_factory=Mqtt)
    postgres: str | None = None
    http: Http = field(default_factory=Http)
    clock: Clock = "real"
    web: WebSettings | None = None
    notify: NotifySettings | None = None
    file: str = ""
    clock_mark: Mark | None = field(default=None, compare=False)

    def beside(self, path: str) -> Path:
        """Return a path of the file, relative ones taken from the file's own folder."""
        return Path(self.file).parent / path


def roles_of(channel: ChannelSettings) -> tuple[str, ...]:
    """Return the roles that a channel has parts for, the cell first."""
    return ("cell", *(role for role in channel.parts if role != "cell"))
