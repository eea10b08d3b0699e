"""Where the daemon of a data folder answers: a Unix socket or a loopback port, and the token that opens it."""

import contextlib
import hmac
import json
import os
import secrets
import socket
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import OrderRefused, StoreError, UsageError
from labctl.inputs import read_file

LONGEST_SOCKET_PATH = 100  # bytes; the kernels allow 104 (macOS) and 108 (Linux)
BACKLOG = 128
HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "labctl"})  # what a Host header may say


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How to reach a daemon: `unix` is a socket's path, or `host` and `port` on loopback."""

    unix: str = ""
    host: str = ""
    port: int = 0

    @property
    def url(self) -> str:
        """Base address for an HTTP client."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return "http://labctl" if self.unix else f"http://{host}:{self.port}"

    def __str__(self) -> str:
        """Return it for a person."""
        return self.unix or self.url


@dataclass(frozen=True, slots=True)
class EndpointFiles:
    """The files by which a daemon and its command line meet, in the daemon's data folder."""

    folder: Path

    @property
    def socket_file(self) -> Path:
        """The Unix socket, where there is one."""
        return self.folder / "control.sock"

    @property
    def token_file(self) -> Path:
        """Holds the token; mode 600."""
        return self.folder / "control.token"

    @property
    def endpoint_file(self) -> Path:
        """Says where the daemon listens; there while it does."""
        return self.folder / "control.json"

    def make_token(self) -> str:
        """Return the folder's token, made at the first call; only its owner can read it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            handle = os.open(self.token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
        return self.token()

    def token(self) -> str:
        """Return the token.

        Raises:
            UsageError: It cannot be read, is too short, or is open to others.
        """
        try:
            mode = self.token_file.stat().st_mode
            text = self.token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"wanted the daemon's token in {self.token_file}, found {error}") from error
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise UsageError(f"wanted mode 600 on {self.token_file}, found {stat.S_IMODE(mode):o}")
        if len(text) < 32:
            raise UsageError(f"wanted a token of at least 32 characters in {self.token_file}, found {len(text)}")
        return text

    def publish(self, endpoint: Endpoint) -> None:
        """Say where the daemon listens, in one step, so that nobody reads half of it."""
        address = {"unix": endpoint.unix, "host": endpoint.host, "port": endpoint.port, "pid": os.getpid()}
        fresh = self.endpoint_file.with_suffix(".new")
        fresh.write_text(json.dumps(address), encoding="utf-8")
        fresh.chmod(0o600)
        fresh.replace(self.endpoint_file)

    def withdraw(self) -> None:
        """Take the socket and the endpoint file away."""
        for file in (self.endpoint_file, self.socket_file):
            file.unlink(missing_ok=True)

    def endpoint(self) -> Endpoint:
        """Return where the daemon of this folder listens.

        Raises:
            OrderRefused: None does.
        """
        try:
            address = json.loads(self.endpoint_file.read_text(encoding="utf-8"))
            return Endpoint(str(address["unix"]), str(address["host"]), int(address["port"]))
        except FileNotFoundError:
            raise OrderRefused(f"no daemon serves {self.folder}; start one with: labctl serve") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OrderRefused(f"wanted the daemon's address in {self.endpoint_file}, found {error}") from error


def data_folder() -> Path:
    """Return where this person's daemon keeps its journal.

    That is LABCTL_DATA, else what `station.yaml` in this folder names, as `labctl serve` takes it, else the system's usual
    place for such data.
    """
    if named := os.environ.get("LABCTL_DATA"):
        return Path(named)
    return _of_station() or _usual()


def journal() -> Path:
    """Return the journal that is read where none is named: `labctl.db` here, which a dry run writes, else the daemon's.

    Raises:
        StoreError: There is neither.
    """
    here, daemon = Path("labctl.db"), data_folder()
    if here.is_file():
        return here
    if (daemon / "journal.db").is_file():
        return daemon
    others = sorted(file.name for file in Path().glob("*.db"))
    named = f"--db names another, such as --db {others[0]}" if others else "--db names another"
    raise StoreError(f"wanted a journal, found neither labctl.db here nor a daemon's in {daemon}; {named}")


def _of_station() -> Path | None:
    """Return the data folder of the station file that lies here, if one does and names one."""
    usual = Path("station.yaml")
    try:
        text = read_file(usual)
    except OSError:
        return None
    from labctl.station.load import read_station  # noqa: PLC0415 - only where there is a station file

    station, _ = read_station(text, str(usual))
    return None if station is None else station.beside(os.path.expanduser(station.store))  # noqa: PTH111 - a text of the file


def _usual() -> Path:
    home = Path.home()
    match sys.platform:
        case "win32":
            return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "labctl"
        case "darwin":
            return home / "Library" / "Application Support" / "labctl"
        case _:
            return Path(os.environ.get("XDG_DATA_HOME", home / ".local" / "share")) / "labctl"


def listen(place: EndpointFiles, wanted: str = "") -> tuple[socket.socket, Endpoint]:
    """Return a listening socket: `wanted` is `unix`, `127.0.0.1:8023` or "" for the system's usual way.

    Raises:
        UsageError: An address that other machines reach, or one that is taken.
    """
    unix_possible = hasattr(socket, "AF_UNIX") and os.name == "posix"
    fits = len(os.fsencode(place.socket_file.absolute())) <= LONGEST_SOCKET_PATH
    if wanted in {"", "unix"} and unix_possible and fits:
        return _listen_unix(place.socket_file.absolute())
    if wanted == "unix":
        missing = (
            f"{place.socket_file} is longer than {LONGEST_SOCKET_PATH} bytes" if unix_possible else "no Unix sockets"
        )
        raise UsageError(f"control: wanted a Unix socket, found that {missing}; use 127.0.0.1:0")
    return _listen_tcp(wanted or "127.0.0.1:0")


def _listen_unix(path: Path) -> tuple[socket.socket, Endpoint]:
    path.unlink(missing_ok=True)  # the data folder's lock is ours, so whatever is there is a dead daemon's
    opened = socket.socket(socket.AF_UNIX)
    try:
        before = os.umask(0o177)
        try:
            opened.bind(str(path))
        finally:
            os.umask(before)
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise UsageError(f"control: wanted to listen on {path}, found {error}") from error
    opened.setblocking(False)
    return opened, Endpoint(unix=str(path))


def _listen_tcp(wanted: str) -> tuple[socket.socket, Endpoint]:
    host, _, port = wanted.rpartition(":")
    host = host.strip("[]")
    if host not in HOSTS - {"labctl"} or not port.isdigit() or int(port) > 65_535:
        raise UsageError(
            f"control: wanted an address of this machine such as 127.0.0.1:8023, found {wanted!r}; "
            "for other machines put a proxy with its own login in front, or use MQTT"
        )
    host = "127.0.0.1" if host == "localhost" else host
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        if os.name == "posix":
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, int(port)))
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise UsageError(f"control: wanted to listen on {wanted}, found {error}") from error
    opened.setblocking(False)
    return opened, Endpoint(host=host, port=opened.getsockname()[1])


def same(given: str, token: str) -> bool:
    """Compare two tokens in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode(), token.encode())
