"""The pages, of a running daemon or of a journal alone."""

import os
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

NICE: Final = 5
"""The pages wait for the daemon where both want a processor: a third of its share, enough for a stop from a page."""


def command(
    *,
    data: Annotated[
        Path | None, typer.Option("--data", envvar="LABCTL_DATA", help="data folder of the daemon", show_default=False)
    ] = None,
    db: Annotated[
        str, typer.Option("--db", help="a journal, or a postgresql:// copy, to be looked at alone", show_default=False)
    ] = "",
    listen: Annotated[str, typer.Option("--listen", help="address and port; port 0 is a free one")] = "127.0.0.1:8023",
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name", help="a host name by which browsers ask; needed beyond this machine", show_default=False
        ),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="PEM file; needed beyond this machine", show_default=False)
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", help="PEM file, mode 600", show_default=False)] = None,
    proxy_socket: Annotated[
        Path | None,
        typer.Option(
            "--proxy-socket",
            help="Unix socket for a proxy that signs people in; then no other address",
            show_default=False,
        ),
    ] = None,
    proxy_user: Annotated[
        str, typer.Option("--proxy-user", help="header by which it names the person")
    ] = "X-Remote-User",
    proxy_secret: Annotated[
        Path | None,
        typer.Option("--proxy-secret", help="file whose first line it sends as X-Labctl-Proxy", show_default=False),
    ] = None,
    link: Annotated[
        bool, typer.Option("--link/--no-link", help="print a link that lets you in once, as an admin")
    ] = True,
    attached: Annotated[bool, typer.Option("--attached", help="end with the standard input, too", hidden=True)] = False,
) -> None:
    """Serve the pages, which may be ended at any moment: the wall of channels, each of them live, and every run."""
    from labctl.control.client import person
    from labctl.control.endpoint import data_folder
    from labctl.errors import UsageError
    from labctl.station.settings import ProxySettings, WebSettings
    from labctl.web.server import serve

    _come_second()
    folder = None if db else data or data_folder()
    where: Path | str = db if db.startswith("postgres") else Path(db) if db else folder or Path()
    beside = folder or (Path() if isinstance(where, str) else where if where.is_dir() else where.parent)
    if (proxy_socket is None) != (proxy_secret is None):
        raise UsageError("web: wanted both --proxy-socket and --proxy-secret, or neither")
    proxy = ProxySettings(str(proxy_socket), proxy_user, str(proxy_secret)) if proxy_socket else None
    settings = WebSettings(
        listen, tuple(name or ()), str(certificate) if certificate else None, str(key) if key else None, proxy
    )
    say, someone = partial(print, flush=True), person() if link else ""
    raise typer.Exit(serve(settings, where, folder, beside, say, attached=attached, link_for=someone))


def _come_second() -> None:
    if hasattr(os, "nice"):
        os.nice(NICE)
