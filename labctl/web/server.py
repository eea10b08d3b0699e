"""The web process: where it listens, what it refuses to do beyond this machine, how it ends."""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import uvicorn

from labctl.control.door import Door, guarded_by
from labctl.errors import UsageError
from labctl.notify.certificate import examined
from labctl.station.settings import ProxySettings, WebSettings
from labctl.store.people import LONGEST, People
from labctl.web.app import Site
from labctl.web.gate import Address, ProxyIdentity
from labctl.web.hub import Hub

STOP_WITHIN: Final = 2  # s that answers on their way have when the process ends
IDLE: Final = 15  # s after which a connection without a request is closed
FILES: Final = 16_384  # open connections and files that are asked for; what a flood holds must leave room for a stop
SHORTEST_SECRET: Final = 20  # characters
RENEWED: Final = 2.0  # s between two looks at the certificate's files


def opened(settings: WebSettings, people: People) -> tuple[socket.socket, Address]:
    """Return a listening socket and its address.

    Raises:
        UsageError: It may not listen there, each time with what is missing, or the address is taken.
    """
    if settings.proxy is not None:
        return opened_for_proxy(settings, settings.proxy)
    address = address_of(settings)
    host, port = address.host, address.port
    if not is_here(host):
        refuse_unless_safe(address, people)
    if settings.certificate is not None:
        refuse_unless_private(settings)
        examined(Path(settings.certificate), Path(str(settings.key)), asked_names(address))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    line = socket.socket(family)
    try:
        if os.name == "posix":
            line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.bind((host, port))
        line.listen(128)
    except OSError as error:
        line.close()
        raise UsageError(f"web: wanted to listen on {settings.listen}, found {error.strerror or error}") from error
    line.setblocking(False)
    return line, replace(address, port=line.getsockname()[1])


def address_of(settings: WebSettings) -> Address:
    """Return where the pages of these settings are, whoever serves them; with a proxy what browsers see of that.

    Raises:
        UsageError: No host and port are named where it is to listen.
    """
    if settings.proxy is not None:
        return Address("", 0, settings.names)
    host, _, port = settings.listen.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise UsageError(f"web: wanted where to listen as 127.0.0.1:8023, found {settings.listen!r}")
    return Address(host, int(port), settings.names, secure=settings.certificate is not None)


def opened_for_proxy(settings: WebSettings, proxy: ProxySettings) -> tuple[socket.socket, Address]:
    """Return a listening Unix socket, mode 660, and what browsers see of the proxy behind which it is.

    Raises:
        UsageError: The secret or the outer address is missing, or the socket cannot be made.
    """
    if sys.platform == "win32":
        raise UsageError("web: a proxy that signs people in is believed over a Unix socket alone, and Windows has none")
    if not any(name.startswith("https://") for name in settings.names):
        raise UsageError("web: wanted what browsers see of the proxy as names: [https://bench.lab.example], found none")
    secret = _secret_of(Path(proxy.secret_file))
    path = Path(proxy.socket)
    if _is_served(path):
        raise UsageError(f"web: {path} is in use")
    line = socket.socket(socket.AF_UNIX)
    try:
        if path.is_socket():
            path.unlink()
        before = os.umask(0o117)
        try:
            line.bind(str(path))
        finally:
            os.umask(before)
        line.listen(128)
    except OSError as error:
        line.close()
        raise UsageError(f"web: wanted to listen on {path}, found {error.strerror or error}") from error
    line.setblocking(False)
    return line, Address("", 0, settings.names, proxy=ProxyIdentity(proxy.user, secret))


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _secret_of(file: Path) -> str:
    try:
        mode, secret = file.stat().st_mode, file.read_text(encoding="utf-8").partition("\n")[0].strip()
    except OSError as error:
        raise UsageError(f"web: {file}: wanted the secret of the proxy, found {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise UsageError(f"web: wanted mode 600 on the secret {file}, found {stat.S_IMODE(mode):o}")
    if len(secret) < SHORTEST_SECRET:
        raise UsageError(f"web: {file}: wanted a secret of at least {SHORTEST_SECRET} characters, found {len(secret)}")
    return secret


def asked_names(address: Address) -> tuple[str, ...]:
    """Return the names by which browsers ask this process itself: those of a proxy in front are the proxy's business."""
    return tuple(name for name in address.names if "://" not in name) or (address.host,)


def is_here(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    return host in {"localhost", "::1"} or host.startswith("127.")


def refuse_unless_safe(address: Address, people: People) -> None:
    """Refuse to be reached by other machines without TLS, a person who can sign in, and names to be asked by.

    Raises:
        UsageError: One of them is missing.
    """
    if not address.secure:
        raise UsageError(
            f"web: {address.host} is reached by other machines, and passwords must not travel in the open: give "
            "certificate: and key:, or listen on 127.0.0.1 behind a proxy that has them"
        )
    if not any(person.password for person in people.all()):
        raise UsageError(
            f"web: {address.host} is reached by other machines, and nobody has a password yet: "
            "labctl people add NAME --role admin, then labctl people password NAME"
        )
    if not address.names:
        raise UsageError(
            f"web: {address.host} is reached by other machines: give names:, the host names by which browsers may ask, "
            "such as names: [bench.lab.example]"
        )


def refuse_unless_private(settings: WebSettings) -> None:
    """Refuse a key that others can read.

    Raises:
        UsageError: It is missing, or open to others.
    """
    if settings.key is None:
        raise UsageError("web: wanted the key that goes with the certificate (key:), found none")
    try:
        mode = Path(settings.key).stat().st_mode
    except OSError as error:
        raise UsageError(f"web: {settings.key}: wanted the key of the certificate, found {error.strerror}") from error
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise UsageError(f"web: wanted mode 600 on the key {settings.key}, found {stat.S_IMODE(mode):o}")


class _PageServer(uvicorn.Server):
    """uvicorn without its signal handlers: this process has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(
    settings: WebSettings,
    where: Path | str,
    folder: Path | None,
    beside: Path,
    say: Callable[[str], None],
    *,
    attached: bool = False,
    link_for: str = "",
) -> int:
    """Serve the pages until SIGTERM, SIGINT or, `attached`, the end of the standard input. Return the exit code.

    Args:
        settings: Where.
        where: The store that is read.
        folder: The daemon's data folder, None where only a copy of the journal is there.
        beside: Folder of `people.db` and of the cache.
        say: Takes what is said to who started it.
        attached: End with the standard input, too.
        link_for: Say a link that lets this person in once; they are made an admin if they are nobody yet.
    """
    _room_for_files()
    with People(beside, time.time) as people:
        line, address = opened(settings, people)
        return asyncio.run(_serve(settings, line, address, (where, folder, beside), (people, say, link_for), attached))


async def _serve(
    settings: WebSettings,
    line: socket.socket,
    address: Address,
    places: tuple[Path | str, Path | None, Path],
    people_say: tuple[People, Callable[[str], None], str],
    attached: bool,
) -> int:
    where, folder, beside = places
    people, say, link_for = people_say
    site = Site(Hub(where, folder), people, address, beside / "views.db")
    stop = asyncio.Event()
    _on_signals(stop)
    if attached:
        _on_end_of_input(stop)
    config = _config(settings, site)
    server = _PageServer(config)
    await site.hub.start()
    renewing = asyncio.create_task(_renewed(settings, config, address, say), name="certificate")
    task = asyncio.create_task(server.serve(sockets=[line]), name="pages")
    say(f"pages at {address.url}{entrance(people, link_for)}")
    waiting = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    renewing.cancel()
    site.streams.stop()
    server.should_exit = True
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await site.close()
    return 0


def entrance(people: People, name: str) -> str:
    """Return the rest of an address that lets somebody in once, "" where nobody is named."""
    if not name:
        return ""
    if name not in {person.name for person in people.all()}:
        people.add(name, "admin")
        people.note(f"{name}/machine", "person added", "admin, by who started the pages at the machine")
    return f"/enter#{people.issue('link', name, LONGEST['link'])}"


async def _renewed(settings: WebSettings, config: uvicorn.Config, address: Address, say: Callable[[str], None]) -> None:
    """Take a new certificate when its files change, for connections from then on; keep the old one where the new one is none."""
    if settings.certificate is None or config.ssl is None:
        return
    files = Path(settings.certificate), Path(str(settings.key))
    known = await asyncio.to_thread(_changed, files)
    while True:
        await asyncio.sleep(RENEWED)
        now = await asyncio.to_thread(_changed, files)
        if now == known:
            continue
        known = now
        try:
            refuse_unless_private(settings)
            await asyncio.to_thread(examined, *files, asked_names(address))
            config.ssl.load_cert_chain(*files)
            say(f"pages take the new certificate {settings.certificate}")
        except (UsageError, OSError) as error:
            say(f"pages keep their certificate: {error}")


def _changed(files: tuple[Path, Path]) -> tuple[float, ...]:
    with contextlib.suppress(OSError):
        return tuple(file.stat().st_mtime for file in files)
    return ()


def _room_for_files() -> None:
    """Ask for more open files where the system gives them."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not on Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _config(settings: WebSettings, site: Site) -> uvicorn.Config:
    config = uvicorn.Config(
        site.application, log_config=None, log_level="warning", access_log=False, lifespan="off", ws="none",
        http=guarded_by(Door(site.gate.knows)),
        server_header=False, proxy_headers=False, timeout_graceful_shutdown=STOP_WITHIN, timeout_keep_alive=IDLE,
        ssl_certfile=settings.certificate, ssl_keyfile=settings.key,
    )  # fmt: skip
    if settings.certificate is not None:
        config.load()
        assert config.ssl is not None
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGINT"):
        if sys.platform == "win32":
            signal.signal(getattr(signal, name), lambda *_: loop.call_soon_threadsafe(stop.set))
        else:
            loop.add_signal_handler(getattr(signal, name), stop.set)


def _on_end_of_input(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def listen() -> None:
        while os.read(0, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=listen, name="parent", daemon=True).start()
