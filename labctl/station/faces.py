"""The pages and the alarms of a station file."""

import re
from typing import Final

from labctl.finding import clip
from labctl.station.channels import ChannelFields
from labctl.station.settings import NotifySettings, ProxySettings, RouteKind, RouteSettings, WebSettings
from labctl.text.nodes import BROKEN, Items, Node, Scalar

KINDS: Final[tuple[RouteKind, ...]] = ("mail", "webhook", "ntfy", "apprise")
WEB_KEYS: Final = {
    "listen": "address and port; 127.0.0.1:8023",
    "names": "host names by which browsers ask; needed beyond this machine",
    "certificate": "PEM file; needed beyond this machine",
    "key": "PEM file of the certificate's key, mode 600",
    "proxy": "{socket, user, secret_file}: a proxy on this machine that signs people in",
}
NOTIFY_KEYS: Final = {
    "routes": "ways to people by name: mail, webhook, ntfy or apprise",
    "quiet": "hours in which what can wait does, such as 22:00-07:00",
    "link": "address of the pages, for messages",
    "heartbeat": "URL that is asked every minute as long as work is seen",
    "digest": "hour of the daily mail, such as 07:00",
}
ROUTE_KEYS: Final = {
    "mail": "one address or a list of them",
    "webhook": "URL that is sent JSON",
    "ntfy": "URL of a topic",
    "apprise": "file whose first line is the URL of a service in Apprise's form",
    "server": "mail's server, host:port",
    "from": "from whom mail is",
    "user": "user of the mail's server",
    "secret_file": "file whose first line is the password, token or key to sign with",
    "security": "of mail: starttls, tls or none",
    "only": "pages: what can wait does not go this way",
    "last": "true: asked only for what nobody acknowledged",
}


class FaceFields(ChannelFields):
    """Reads `web` and `notify`."""

    def web(self, node: Node | None) -> WebSettings | None:
        """Return where the pages are served, None where the file says nothing of them."""
        if node is None:
            return None
        entries = self.entries(node, "the pages in braces", "for example web: {} or web: {listen: 127.0.0.1:8023}")
        nodes = self.keys(entries, WEB_KEYS, "web") if entries else {}
        return WebSettings(
            self._listen(nodes.get("listen")) or WebSettings().listen, self._texts(nodes.get("names")),
            self.text(nodes.get("certificate")) or None, self.text(nodes.get("key")) or None, self._proxy(nodes.get("proxy")),
        )  # fmt: skip

    def _listen(self, node: Node | None) -> str:
        """Return `host:port`, or report; an address of IPv6 has brackets or none."""
        text = self.text(node, "where to listen")
        match = re.fullmatch(r"(\S+):(\d{1,6})", text)
        if node is not None and text and (match is None or int(match[2]) > 65_535):
            message = f"wanted an address and a port from 0 to 65535, found {clip(text)!r}"
            port = text.strip(":")
            own = f"write listen: 127.0.0.1:{port}" if port.isdigit() and int(port[:6]) <= 65_535 else ""
            self.report("form", message, node.mark, own or "for example listen: 127.0.0.1:8023")
        return text

    def _proxy(self, node: Node | None) -> ProxySettings | None:
        example = "for example proxy: {socket: /run/labctl/web.sock, secret_file: proxy.key}"
        entries = self.entries(node, "the proxy in braces", example) if node is not None else None
        if entries is None:
            return None
        nodes = self.keys(entries, ("socket", "user", "secret_file"), "proxy")
        for key in ("socket", "secret_file"):
            if not self.text(nodes.get(key)):
                self.report("key.missing", f"wanted {key} of the proxy, found none", entries.mark, example)
        user = self.text(nodes.get("user")) or ProxySettings("").user
        return ProxySettings(self.text(nodes.get("socket")), user, self.text(nodes.get("secret_file")))

    def notify(self, node: Node | None) -> NotifySettings | None:
        """Return who is told of alarms, None where the file says nothing of it."""
        if node is None:
            return None
        entries = self.entries(
            node, "routes in braces", "for example notify: {routes: {lab: {ntfy: https://ntfy.sh/topic}}}"
        )
        nodes = self.keys(entries, NOTIFY_KEYS, "notify") if entries else {}
        inner = self.entries(
            nodes.get("routes"),
            "routes by name",
            "for example routes: {lab: {mail: ada@lab.example, server: smtp.lab.example:587}}",
        )
        routes = {}
        for key, value in inner.entries if inner else ():
            route = self._route(key, value) if key.text != BROKEN else None
            if route is not None:
                routes[key.text] = route
        return NotifySettings(
            routes, self._quiet(nodes.get("quiet")), self._url(nodes.get("link")), self._url(nodes.get("heartbeat")),
            self._hour(nodes.get("digest")),
        )  # fmt: skip

    def _route(self, key: Scalar, node: Node) -> RouteSettings | None:
        entries = self.entries(
            node, f"the route {clip(key.text)} in braces", "for example {ntfy: https://ntfy.sh/topic}"
        )
        if entries is None:
            return None
        nodes = self.keys(entries, ROUTE_KEYS, "a route")
        kinds = [name for name in KINDS if name in nodes]
        if len(kinds) != 1:
            named = " and ".join(kinds) or "none of them"
            self.report(
                "key.missing",
                f"wanted one of mail, webhook, ntfy and apprise in the route {clip(key.text)}, found {named}",
                entries.mark,
            )
            return None
        kind = kinds[0]
        to = {"mail": self._mails, "apprise": self._texts}.get(kind, lambda each: (self._url(each),))(nodes[kind])
        server, sender = self.text(nodes.get("server")), self.text(nodes.get("from"))
        if kind == "mail" and not server:
            self.report(
                "key.missing",
                f"wanted server in the route {clip(key.text)}, found none",
                entries.mark,
                "for example server: smtp.lab.example:587",
            )
        return RouteSettings(
            key.text, kind, to, server,
            sender or (to[0] if kind == "mail" and to else ""),
            self.text(nodes.get("user")) or None, self.text(nodes.get("secret_file")) or None,
            self.choice(nodes.get("security"), ("starttls", "tls", "none")) or "starttls",
            self.choice(nodes.get("only"), ("pages",)) == "pages", "last" in nodes and self.flag(nodes["last"]),
        )  # fmt: skip

    def _mails(self, node: Node) -> tuple[str, ...]:
        """Return addresses of mail, or report those that are none."""
        for scalar in self.each_scalar(node, "an address of mail"):
            if not re.fullmatch(r"[^@\s]+@[^@\s]+", scalar.text):
                message = f"wanted an address of mail, found {clip(scalar.text)!r}"
                self.report("form", message, scalar.mark, "for example ada@lab.example")
        return self._texts(node)

    def _texts(self, node: Node | None) -> tuple[str, ...]:
        nodes = node.items if isinstance(node, Items) else () if node is None else (node,)
        return tuple(filter(None, (self.text(each) for each in nodes)))

    def _url(self, node: Node | None) -> str:
        url = self.text(node, "a URL")
        if url and node is not None and not re.match(r"https?://[^\s]+$", url):
            self.report("form", f"wanted a URL that begins with https://, found {clip(url)!r}", node.mark)
            return ""
        return url

    def _hour(self, node: Node | None) -> float | None:
        text = self.text(node, "an hour")
        if not text or node is None:
            return None
        match = re.fullmatch(r"(\d{1,2}):(\d{2})", text)
        if match is None or int(match[1]) > 23 or int(match[2]) > 59:
            self.report(
                "form", f"wanted an hour of the day, found {clip(text)!r}", node.mark, 'for example digest: "07:00"'
            )
            return None
        return int(match[1]) * 3600.0 + int(match[2]) * 60.0

    def _quiet(self, node: Node | None) -> tuple[float, float] | None:
        text = self.text(node, "hours")
        if not text or node is None:
            return None
        match = re.fullmatch(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})", text)
        if match is None or int(match[1]) > 23 or int(match[3]) > 24 or int(match[2]) > 59 or int(match[4]) > 59:
            self.report(
                "form", f"wanted hours of the day, found {clip(text)!r}", node.mark, 'for example quiet: "22:00-07:00"'
            )
            return None
        return int(match[1]) * 3600.0 + int(match[2]) * 60.0, int(match[3]) * 3600.0 + int(match[4]) * 60.0
