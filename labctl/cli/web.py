"""The pages, of a running daemon or of a journal alone."""

from pathlib import Path
from typing import Annotated

import typer


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
    """Serve the pages: the wall of channels, each of them live, and every run. They read; the daemon obeys.

    They are a process of their own, which may be ended at any moment without any run noticing.
    """
    from labctl.control.client import person
    from labctl.control.endpoint import data_folder
    from labctl.errors import UsageError
    from labctl.station.settings import ProxySettings, WebSettings
    from labctl.web.server import serve

    folder = None if db else data or data_folder()
    where: Path | str = db if db.startswith("postgres") else Path(db) if db else folder or Path()
    beside = folder or (Path() if isinstance(where, str) else where if where.is_dir() else where.parent)
    if (proxy_socket is None) != (proxy_secret is None):
        raise UsageError("web: wanted both --proxy-socket and --proxy-secret, or neither")
    proxy = ProxySettings(str(proxy_socket), proxy_user, str(proxy_secret)) if proxy_socket else None
    settings = WebSettings(
        listen, tuple(name or ()), str(certificate) if certificate else None, str(key) if key else None, proxy
    )
    raise typer.Exit(
        serve(
            settings, where, folder, beside, lambda text: print(text, flush=True), attached=attached,
            link_for=person() if link else "",
        )
    )  # fmt: skip
