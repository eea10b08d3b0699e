"""The command line's side of the daemon's HTTP face."""

import contextlib
import getpass
import json
import os
import socket
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from labctl import errors
from labctl.control.endpoint import Endpoint, EndpointFiles, data_folder
from labctl.errors import InternalError, LabctlError, OrderRefused

ANSWER_WITHIN = 60.0  # s; a start loads, checks and compiles before it answers
LOOKS_WITHIN = 10.0  # s: what is only looked at is there at once, or the daemon stands still
CONNECT_WITHIN = 5.0  # s
MOST_ANSWERED = 64 * 1024 * 1024  # bytes; a thousand channels are half a megabyte
OK = 200
PATIENCE = 20.0  # s that a start waits for a daemon which is coming up, and an order for one which came back
FULL = 0.002  # s between two attempts while the daemon's queue of connections is full
AGAIN = 0.1  # s between two looks for it


class DaemonClient:
    """Gives orders to the daemon of a data folder and returns its answers as JSON objects.

    Every method raises the error that the daemon raised, with its message; `OrderRefused` if there is no daemon.
    """

    def __init__(self, folder: Path | None = None, *, patience: float = 0.0, within: float = ANSWER_WITHIN) -> None:
        """Find the daemon of `folder`, by default of this person's data folder.

        Args:
            folder: Its data folder.
            patience: s to wait for one to come up.
            within: s that each of two attempts at a question has: who only looks need not wait for one that stands still.
        """
        self._within = within
        self._place = EndpointFiles(data_folder() if folder is None else folder)
        self._endpoint, self._http = self._reached(patience)
        self._headers = {
            "authorization": f"Bearer {self._place.token()}",
            "content-type": "application/json",
            "host": "localhost",
        }

    def _reached(self, patience: float) -> "tuple[Endpoint, _EndpointConnection]":
        """Return where the daemon answers, and a connection to it.

        Raises:
            OrderRefused: None does, and none came up in time.
        """
        deadline, announced = time.monotonic() + patience, False
        while True:
            try:
                return self._connected()
            except OrderRefused as error:
                if time.monotonic() > deadline:
                    raise
                if not announced:
                    announced = True
                    print(f"{error}; waiting {patience:g} s for it to come up", file=sys.stderr)  # noqa: T201 - for a person
                time.sleep(AGAIN)

    def _connected(self) -> "tuple[Endpoint, _EndpointConnection]":
        endpoint = self._place.endpoint()
        line = _EndpointConnection(endpoint, self._within)
        try:
            line.connect()
        except OSError as error:
            line.close()
            raise OrderRefused(f"no daemon answers at {endpoint} ({error}); start one with: labctl serve") from error
        return endpoint, line

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

        The order carries an id of its own, so that it can be sent again when the line breaks before the answer: to a daemon that
        has come back, too, which obeys the same id once.

        Raises:
            OrderRefused: Nobody answered in time; the message has the id under which it may be given again.
        """
        given = {key: value for key, value in arguments.items() if value is not None and value != ""}
        body: dict[str, object] = {"id": str(uuid.uuid4()), "by": person(), **given}
        try:
            return self._ask("POST", f"/v1/orders/{verb}", body, patience=PATIENCE)
        except Unanswered as error:
            raise OrderRefused(
                f"{error}; whether it obeyed is not known. The same command with --id {body['id']} is obeyed once",
                retry=True,
            ) from error

    def refusals(self, channel: str) -> dict[str, str]:
        """Return for each order to a run why a channel would refuse it now, "" where it would obey."""
        return dict(self._ask("GET", f"/v1/channels/{quote(channel, safe='')}/orders")["refused"])

    def hand_over(self, name: str, text: str) -> str:
        """Hand a text over and return the digest by which `start` takes it as its protocol or cell."""
        return str(self._ask("POST", "/v1/texts", {"name": name, "text": text})["digest"])

    def analyse(self, run: str, names: Sequence[str] = ()) -> dict[str, Any]:
        """Have a stored run analysed by the daemon, which stores and publishes what comes out some moments later."""
        return self._ask("POST", f"/v1/runs/{quote(run, safe='')}/analyses", {"names": list(names), "by": person()})

    def status(self) -> list[dict[str, Any]]:
        """Return one object a channel."""
        return self.station()[0]

    def station(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return one object a channel, and the alarms of the station as a whole."""
        answer = self._ask("GET", "/v1/status")
        return list(answer["channels"]), list(answer.get("alarms", []))

    def why(self, channel: str) -> dict[str, Any]:
        """Return what a channel waits for (`why`) and the command that unblocks it (`unblock`)."""
        return self.order("why", {"channel": channel})

    def info(self) -> dict[str, Any]:
        """Return what the daemon says of itself: version, node, MQTT address and prefix."""
        return self._ask("GET", "/v1/info")

    def _ask(
        self, method: str, path: str, body: Mapping[str, object] | None = None, patience: float = 0.0
    ) -> dict[str, Any]:
        payload = None if body is None else json.dumps(body)
        deadline, tried, looks = time.monotonic() + patience, 0, method == "GET"
        while True:
            tried += 1
            try:
                self._http.request(method, path, payload, self._headers)
                self._http.sock.settimeout(min(self._within, LOOKS_WITHIN) if looks else self._within)
                answer = self._http.getresponse()
                return _answer(answer.status, _whole(answer))
            except (OSError, HTTPException) as error:
                self._http.close()  # the next request opens it again
                if tried > 1 and time.monotonic() > deadline:
                    still = "; it is there and stands still: labctl doctor" if isinstance(error, TimeoutError) else ""
                    said = f"the daemon at {self._endpoint} did not answer: {error!r}{still}"
                    raise Unanswered(said, retry=True) from error
                if tried > 1:
                    time.sleep(AGAIN)
                self._find_again()

    def _find_again(self) -> None:
        """Look where the daemon is now: one that came back may have another port."""
        with contextlib.suppress(OrderRefused):
            endpoint, line = self._connected()
            self._http.close()
            self._endpoint, self._http = endpoint, line


class Unanswered(OrderRefused):
    """Nobody answered a request: whether it was obeyed is not known."""


class _EndpointConnection(HTTPConnection):
    """HTTP over a Unix socket or TCP. The standard library's client, since `labctl stop` must not wait for imports."""

    def __init__(self, endpoint: Endpoint, within: float) -> None:
        super().__init__(endpoint.host or "localhost", endpoint.port or None, timeout=CONNECT_WITHIN)
        self._unix = endpoint.unix
        self._within = within

    def connect(self) -> None:
        """Connect quickly or not at all; then be patient."""
        if self._unix:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(CONNECT_WITHIN)
            self._connect_unix()
        else:
            super().connect()
        self.sock.settimeout(self._within)

    def _connect_unix(self) -> None:
        """Connect, again and again while the queue of those who want in is full: a flood must not keep a stop out."""
        deadline = time.monotonic() + CONNECT_WITHIN
        while True:
            try:
                self.sock.connect(self._unix)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(FULL)
            else:
                return


def _whole(answer: HTTPResponse) -> bytes:
    """Return the body of an answer.

    The standard library returns what there is of a body that was announced longer when it is read with a bound: a daemon that
    died between headers and body would have answered with nothing.

    Raises:
        IncompleteRead: The line broke before its end.
    """
    text = answer.read(MOST_ANSWERED)
    if answer.length:
        raise IncompleteRead(text, answer.length)
    return text


def _answer(status: int, text: bytes) -> dict[str, Any]:
    """Return the JSON object, or raise the error that it says; what is no JSON object is no answer, whatever its status."""
    try:
        answer = dict(json.loads(text))
    except (ValueError, TypeError):
        shown = text[:200].decode(errors="replace")
        raise InternalError(f"wanted a JSON object of the daemon, found {status} and {shown!r}") from None
    if status == OK:
        return answer
    kind = getattr(errors, str(answer.get("error", "")), OrderRefused)
    if not (isinstance(kind, type) and issubclass(kind, LabctlError)):
        kind = OrderRefused
    raise kind(str(answer.get("message", status)))


def person() -> str:
    """Return who asks, for the record."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user in the machine's list, as in some containers
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
