"""Which broker: any one by its address, or the embedded one in a process of its own.

The embedded broker serves one machine and the demonstration. It listens on loopback, holds the read end of a pipe whose
write end is ours, and exits when that closes, whatever way this process ends.
"""

import asyncio
import contextlib
import ipaddress
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labctl.errors import BrokerError, UsageError

USER = "labctl"  # of the embedded broker, where it has a password
USUAL_PORT = 1883  # of MQTT
START_WITHIN = 20.0  # s; usually about half a second
STOP_WITHIN = 3.0  # s
LOOK_EVERY = 0.25  # s
SHORT_LIFE = 5.0  # s; a broker that lived less is not started again at once


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker listens and how it wants to be spoken to.

    Attributes:
        host: Name or address.
        port: TCP port; 1883 is usual, 8883 with TLS.
        username: Or None for an anonymous connection.
        password_file: Its first line is the password; nobody but its owner may read it.
        tls: Encrypt, and check the broker's certificate against `ca_file` or the system's authorities.
        ca_file: PEM file of the authority that signed the broker's certificate; implies `tls`.
        version: Of MQTT: 3.1.1 works everywhere; 5 lets a sender of orders name a response topic.
        insecure: Allow a password to go unencrypted to another machine.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None
    version: Literal["3.1.1", "5"] = "3.1.1"
    insecure: bool = False

    @property
    def encrypted(self) -> bool:
        """Tell whether the connection is encrypted."""
        return self.tls or self.ca_file is not None

    def as_info(self) -> dict[str, str | int | bool]:
        """Return what a client on this machine needs in order to connect, as flat JSON; no password, only its file."""
        return {
            "mqtt_host": self.host,
            "mqtt_port": self.port,
            "mqtt_username": self.username or "",
            "mqtt_password_file": "" if self.password_file is None else str(self.password_file.absolute()),
            "mqtt_tls": self.tls,
            "mqtt_ca_file": "" if self.ca_file is None else str(self.ca_file.absolute()),
        }

    @classmethod
    def from_info(cls, info: Mapping[str, object]) -> "BrokerAddress":
        """Return the address that `as_info` wrote.

        Raises:
            UsageError: There is none: the daemon publishes nothing.
        """
        if not info.get("mqtt_host"):
            raise UsageError("wanted the daemon's MQTT broker, found that it has none (mqtt: in the station file)")
        password_file, ca_file = str(info.get("mqtt_password_file", "")), str(info.get("mqtt_ca_file", ""))
        return cls(
            host=str(info["mqtt_host"]),
            port=int(str(info["mqtt_port"])),
            username=str(info.get("mqtt_username", "")) or None,
            password_file=Path(password_file) if password_file else None,
            tls=bool(info.get("mqtt_tls")),
            ca_file=Path(ca_file) if ca_file else None,
        )

    def check(self) -> None:
        """Refuse what would give a password away, and files that cannot be read.

        Raises:
            UsageError: A password without a name, open to others, or unencrypted to another machine; a missing CA file.
        """
        if not 0 < self.port < 65_536:
            raise UsageError(f"broker {self.host}: wanted a port from 1 to 65535, found {self.port}")
        if self.ca_file is not None and not self.ca_file.is_file():
            raise UsageError(
                f"broker {self.host}: wanted a PEM file of its certificate authority, found nothing at {self.ca_file}"
            )
        if self.password_file is not None and self.username is None:
            raise UsageError(
                f"broker {self.host}: wanted a user name to go with the password file {self.password_file}"
            )
        if self.password_file is not None and not (self.encrypted or self.insecure or is_loopback(self.host)):
            raise UsageError(
                f"broker {self.host}: wanted TLS (tls, ca_file) before a password leaves this machine, found none"
            )
        self.password()

    def password(self) -> str | None:
        """Return the password, or None.

        Raises:
            UsageError: The file cannot be read, is empty, or is open to others.
        """
        if self.password_file is None:
            return None
        try:
            mode = self.password_file.stat().st_mode
            text = self.password_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"broker {self.host}: wanted a password in {self.password_file}, found {error}") from error
        if os.name == "posix" and mode & 0o077:
            raise UsageError(f"broker {self.host}: wanted mode 600 on {self.password_file}, found {mode & 0o777:o}")
        if not (lines := text.splitlines()) or not lines[0]:
            raise UsageError(f"broker {self.host}: wanted a password in {self.password_file}, found nothing")
        return lines[0]


def named(
    where: str, username: str = "", password_file: Path | None = None, ca_file: Path | None = None
) -> BrokerAddress:
    """Return the address that a person writes as HOST or HOST:PORT; 8883 is usual with TLS, else 1883.

    Raises:
        UsageError: It is not of that form, or what goes with it is wrong.
    """
    host, sign, port = where.rpartition(":")
    if not sign or "]" in port:
        host, port = where, "8883" if ca_file else "1883"
    if not host or not port.isdigit():
        raise UsageError(f"wanted a broker as HOST:PORT, found {where!r}")
    address = BrokerAddress(host.strip("[]"), int(port), username or None, password_file, ca_file=ca_file)
    address.check()
    return address


def made_password(folder: Path) -> Path:
    """Return the file of the embedded broker's password in a data folder, made at the first call; its owner alone reads it."""
    file = folder / "mqtt.password"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as opened:
            opened.write(secrets.token_urlsafe(24) + "\n")
    return file


def embedded_broker(host: str, port: int | None, folder: Path, *, orders: bool) -> "EmbeddedBroker":
    """Return the embedded broker of a station, not started: with a password in the data folder as soon as it takes orders."""
    return EmbeddedBroker(host, port, password_file=made_password(folder) if orders else None)


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address stays on this machine."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def free(host: str, port: int) -> bool:
    """Tell whether nobody listens on a port of this machine."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


class EmbeddedBroker:
    """The broker that comes with labctl, in a process of its own, started again when it dies.

    Args:
        host: Where it listens, "" for loopback. Anybody who reaches it may read everything, so another than loopback must be meant.
        port: 0 for a free one, None for the usual one or a free one where that is taken; which then stays the same for
            the life of this object.
        password_file: Its first line is the password of the user `labctl`, the only one who is let in; None lets everybody in.
        exposed: Allow a `host` that other machines reach.

    Raises:
        UsageError: A `host` that is not loopback, without `exposed`.
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int | None = 0, *, password_file: Path | None = None, exposed: bool = False
    ) -> None:
        host = host or "127.0.0.1"
        if not (exposed or is_loopback(host)):
            raise UsageError(
                f"embedded broker: wanted a loopback address, found {host}; it has no passwords: "
                "use Mosquitto for other machines (docs/how-to/mosquitto.md)"
            )
        self._host = host
        self._password_file = password_file
        self._elsewhere = port is None
        self._port = port or 0
        if port is None and free(host, USUAL_PORT):
            self._port = USUAL_PORT
        self._process: subprocess.Popen[bytes] | None = None
        self._begun = False

    def begin(self) -> None:
        """Start its process without waiting for it, so that it comes up while others do; `start` waits."""
        if self._process is None:
            self._process, self._begun = self._spawned(), True

    @property
    def address(self) -> BrokerAddress:
        """Where it listens; only once it is started."""
        user = None if self._password_file is None else USER
        return BrokerAddress(host=self._host, port=self._port, username=user, password_file=self._password_file)

    @property
    def pid(self) -> int | None:
        """Process id, or None while it is not running."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    async def start(self) -> BrokerAddress:
        """Start it and wait until it listens.

        Raises:
            BrokerError: It did not come up in time, or the port is taken.
        """
        starting = asyncio.ensure_future(asyncio.to_thread(self._launch))
        try:
            async with asyncio.timeout(START_WITHIN):
                self._port = await asyncio.shield(starting)
        except TimeoutError:
            self._end()
            await asyncio.wait({starting})
            starting.exception()
            raise BrokerError(
                f"embedded broker: wanted it to listen within {START_WITHIN:g} s, found silence"
            ) from None
        except asyncio.CancelledError:
            self._end()
            await asyncio.wait({starting})
            raise
        return self.address

    def abandon(self) -> None:
        """End a process that was begun and never waited for."""
        if self._begun:
            self._begun = False
            self._end()

    async def keep(self, died: Callable[[int], None] = lambda _code: None) -> None:
        """Start it again whenever it dies, until cancelled; `died` is told its exit code each time."""
        loop = asyncio.get_running_loop()
        while self._process is not None:
            began = loop.time()
            while (code := self._process.poll()) is None:  # noqa: ASYNC110 - a child watcher would need the main thread
                await asyncio.sleep(LOOK_EVERY)
            died(code)
            await asyncio.sleep(max(0.0, min(1.0, SHORT_LIFE - (loop.time() - began))))
            with contextlib.suppress(BrokerError):
                await self.start()

    async def close(self) -> None:
        """Close the pipe, which ends it; harder if that does not help."""
        process, self._process = self._process, None
        if process is not None:
            await asyncio.to_thread(_end, process)

    def _launch(self) -> int:
        try:
            return self._listening()
        except BrokerError:
            if not self._elsewhere or self._port == 0:
                raise
        self._port = 0  # somebody was quicker to take the usual one
        return self._listening()

    def _listening(self) -> int:
        if not self._begun or self._process is None:
            self._end()
            self._process = self._spawned()
        process, self._begun = self._process, False
        line = process.stdout.readline().decode(errors="replace").strip() if process.stdout else ""
        if not line.isdigit():
            _end(process)
            raise BrokerError(
                f"embedded broker: wanted to listen on {self._host}:{self._port}, found {line or 'no answer'}"
            )
        self._elsewhere = False
        return int(line)

    def _spawned(self) -> "subprocess.Popen[bytes]":
        words = [sys.executable, "-m", "labctl.publish.embedded", self._host, str(self._port)]
        words += [] if self._password_file is None else [str(self._password_file.absolute())]
        flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Windows: Ctrl-C is for the daemon alone
        return subprocess.Popen(  # noqa: S603 - our own words
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, creationflags=flags
        )

    def _end(self) -> None:
        if self._process is not None:
            _end(self._process)
            self._process = None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the pipe, wait, kill if need be, and leave nothing open."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
