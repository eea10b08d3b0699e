"""The command line's side of the daemon's HTTP face."""

import getpass
import os
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from labctl import errors
from labctl.control.place import Endpoint, Place, data_folder
from labctl.errors import LabctlError, OrderRefused

ANSWER_WITHIN = 60.0  # s; a start loads, checks and compiles before it answers
CONNECT_WITHIN = 5.0  # s


class DaemonClient:
    """Gives orders to the daemon of a data folder and returns its answers as JSON objects.

    Every method raises the error that the daemon raised, with its message; `OrderRefused` if there is no daemon.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Find the daemon of `folder`, by default of this person's data folder."""
        self._place = Place(data_folder() if folder is None else folder)
        endpoint = self._place.endpoint()
        self._where = str(endpoint)
        _knock(endpoint)
        transport = httpx.HTTPTransport(uds=endpoint.unix) if endpoint.unix else httpx.HTTPTransport()
        self._http = httpx.Client(
            base_url=endpoint.url,
            transport=transport,
            headers={"authorization": f"Bearer {self._place.token()}"},
            timeout=httpx.Timeout(ANSWER_WITHIN, connect=CONNECT_WITHIN),
            trust_env=False,
        )

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
        for attempt in (1, 2):
            try:
                answer = self._http.request(method, path, json=body)
                break
            except httpx.ConnectError as error:
                raise OrderRefused(
                    f"no daemon answers at {self._where} ({error}); start one with: labctl serve"
                ) from error
            except httpx.TransportError as error:
                if attempt == 2:
                    raise OrderRefused(f"the daemon at {self._where} did not answer: {error}", retry=True) from error
        return _answer(answer)


def _knock(endpoint: Endpoint) -> None:
    """Raise `OrderRefused` if nobody listens; httpx would say so too, but leave a Unix socket open."""
    kind = socket.AF_UNIX if endpoint.unix else socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    with socket.socket(kind) as probe:
        probe.settimeout(CONNECT_WITHIN)
        try:
            probe.connect(endpoint.unix or (endpoint.host, endpoint.port))
        except OSError as error:
            raise OrderRefused(f"no daemon answers at {endpoint} ({error}); start one with: labctl serve") from error


def _answer(answer: httpx.Response) -> dict[str, Any]:
    """Return the JSON object, or raise the error that it says."""
    try:
        found = answer.json()
    except ValueError:
        found = {"error": "InternalError", "message": f"the daemon answered {answer.status_code}: {answer.text:.200}"}
    if answer.is_success:
        return dict(found)
    kind = getattr(errors, str(found.get("error", "")), OrderRefused)
    if not (isinstance(kind, type) and issubclass(kind, LabctlError)):
        kind = OrderRefused
    raise kind(str(found.get("message", answer.status_code)))


def person() -> str:
    """Return who asks, for the record."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user in the machine's list, as in some containers
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
