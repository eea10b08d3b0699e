"""The command line's side of the daemon's HTTP face."""

import getpass
import json
import os
import socket
import uuid
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self

from labctl import errors
from labctl.control.place import Endpoint, Place, data_folder
from labctl.errors import LabctlError, OrderRefused

ANSWER_WITHIN = 60.0  # s; a start loads, checks and compiles before it answers
CONNECT_WITHIN = 5.0  # s
MOST_ANSWERED = 64 * 1024 * 1024  # bytes; a thousand channels are half a megabyte
OK = 200


class DaemonClient:
    """Gives orders to the daemon of a data folder and returns its answers as JSON objects.

    Every method raises the error that the daemon raised, with its message; `OrderRefused` if there is no daemon.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Find the daemon of `folder`, by default of this person's data folder."""
        self._place = Place(data_folder() if folder is None else folder)
        self._endpoint = self._place.endpoint()
        self._http = _Line(self._endpoint)
        self._headers = {
            "authorization": f"Bearer {self._place.token()}",
            "content-type": "application/json",
            "host": "localhost",
        }
        try:
            self._http.connect()
        except OSError as error:
            self._http.close()
            raise OrderRefused(
                f"no daemon answers at {self._endpoint} ({error}); start one with: labctl serve"
            ) from error

    def __enter__(self) -> Self:
        """Be closed at the end of the context."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def order(self, verb: str, arguments: Mapping[str, object]) -> dict[str, Any]:
        """Give an order; arguments that are None or "" are left out.

        The order carries an id of its own, so that it can be sent again when the line breaks before the answer.
        """
        given = {key: value for key, value in arguments.items() if value is not None and value != ""}
        body = {"id": str(uuid.uuid4()), "by": person(), **given}
        return self._ask("POST", f"/v1/orders/{verb}", body)

    def status(self) -> list[dict[str, Any]]:
        """Return one object a channel."""
        return list(self._ask("GET", "/v1/status")["channels"])

    def why(self, channel: str) -> dict[str, Any]:
        """Return what a channel waits for (`why`) and the command that unblocks it (`unblock`)."""
        return self.order("why", {"channel": channel})

    def info(self) -> dict[str, Any]:
        """Return what the daemon says of itself: version, node, MQTT address and prefix."""
        return self._ask("GET", "/v1/info")

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        payload = None if body is None else json.dumps(body)
        for attempt in (1, 2):
            try:
                self._http.request(method, path, payload, self._headers)
                answer = self._http.getresponse()
                return _answer(answer.status, answer.read(MOST_ANSWERED))
            except (OSError, HTTPException) as error:
                self._http.close()  # the next request opens it again
                if attempt == 2:
                    raise OrderRefused(
                        f"the daemon at {self._endpoint} did not answer: {error!r}", retry=True
                    ) from error
        raise AssertionError


class _Line(HTTPConnection):
    """HTTP over a Unix socket or TCP. The standard library's client, since `labctl stop` must not wait for imports."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint.host or "localhost", endpoint.port or None, timeout=CONNECT_WITHIN)
        self._unix = endpoint.unix

    def connect(self) -> None:
        """Connect quickly or not at all; then be patient."""
        if self._unix:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(CONNECT_WITHIN)
            self.sock.connect(self._unix)
        else:
            super().connect()
        self.sock.settimeout(ANSWER_WITHIN)


def _answer(status: int, text: bytes) -> dict[str, Any]:
    """Return the JSON object, or raise the error that it says."""
    try:
        found = dict(json.loads(text))
    except (ValueError, TypeError):
        found = {
            "error": "InternalError",
            "message": f"the daemon answered {status}: {text[:200].decode(errors='replace')}",
        }
    if status == OK:
        return found
    kind = getattr(errors, str(found.get("error", "")), OrderRefused)
    if not (isinstance(kind, type) and issubclass(kind, LabctlError)):
        kind = OrderRefused
    raise kind(str(found.get("message", status)))


def person() -> str:
    """Return who asks, for the record."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user in the machine's list, as in some containers
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
