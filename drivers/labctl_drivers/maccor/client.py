"""MacNet: JSON-RPC over TCP, one request at a time, as MacTest32 serves it on port 57570.

A request has no terminator (the server finds its end by balance), a reply ends with CR LF. Channels are counted from 0 here and
from 1 everywhere else. Facts: MacNet help as quoted by public clients.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from labctl.errors import SettingRefused, Unreachable, WireError

END = b"\r\n"
LONGEST_REPLY = 1 << 20  # bytes; the statuses of 128 channels take a hundredth
NUMBER = 1987  # of every request, as public clients have it: no server is known to repeat another
PACE = 0.1  # s between two set-points of a channel, at least

VERSIONS, GENERAL, STATUS = (1, 1), (1, 2), (4, 7)
RESET, START, OUTPUT, SAFETY = (6, 5), (6, 7), (6, 8), (6, 10)
Function = tuple[int, int]


class MacNet:
    """A connection to a MacTest32.

    Args:
        host: The PC that runs it.
        port: Of JSON messages.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._lock = asyncio.Lock()
        self._paced: dict[int | None, float] = {}  # time of the event loop from which on a channel takes a set-point

    async def connect(self, timeout: float) -> None:  # noqa: ASYNC109 - the patience of each exchange is the driver's
        """Connect afresh, within a timeout in s.

        Raises:
            Unreachable: Nobody listens there.
        """
        self.disconnect()
        try:
            async with asyncio.timeout(timeout):
                self._streams = await asyncio.open_connection(self.host, self.port, limit=LONGEST_REPLY)
        except (OSError, TimeoutError) as error:
            raise Unreachable(f"{self.host}:{self.port}: wanted MacNet, found {str(error) or 'no answer'}") from error

    def disconnect(self) -> None:
        """Disconnect; what runs goes on."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def ask(self, function: Function, channel: int | None, timeout: float, **values: object) -> Mapping[str, Any]:  # noqa: ASYNC109
        """Send a request and return the result of its reply.

        Args:
            function: Class and number.
            channel: From 0; None where the message has none.
            timeout: Seconds for the reply.
            values: Its other parameters.

        Raises:
            Unreachable: No reply within the timeout; the connection is closed, so that a late reply is never taken.
            WireError: The reply is not JSON, or to another question.
            SettingRefused: MacNet calls the question an error.
        """
        async with self._lock:
            if function == OUTPUT:
                await asyncio.sleep(max(0.0, self._paced.get(channel, 0.0) - asyncio.get_running_loop().time()))
            params = {"FClass": function[0], "FNum": function[1], **({} if channel is None else {"Chan": channel})}
            request = {"jsonrpc": "2.0", "method": "MacNet", "params": {**params, **values}, "id": NUMBER}
            raw = await self._exchange(json.dumps(request).encode(), timeout)
            if function in {START, OUTPUT}:
                self._paced[channel] = asyncio.get_running_loop().time() + PACE
            try:
                return result_of(raw, params)
            except WireError:
                self.disconnect()
                raise

    async def _exchange(self, request: bytes, timeout: float) -> bytes:  # noqa: ASYNC109
        if self._streams is None:
            raise Unreachable(f"{self.host}:{self.port}: not open")
        reader, writer = self._streams
        try:
            writer.write(request)
            async with asyncio.timeout(timeout):
                return await reader.readuntil(END)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            self.disconnect()
            raise Unreachable(
                f"{self.host}: {request[:90]!r} was not answered: {str(error) or 'time ran out'}"
            ) from error
        except asyncio.CancelledError:
            self.disconnect()  # the reply would be taken for that of the next request
            raise


def result_of(raw: bytes, params: Mapping[str, int]) -> Mapping[str, Any]:
    """Return the result of one framed reply.

    Args:
        raw: The reply.
        params: Class, number and channel that were asked for; the result repeats them.

    Raises:
        WireError: It is no JSON-RPC reply, or to another question.
        SettingRefused: It is an error of MacNet.
    """
    try:
        reply = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise WireError(f"wanted a JSON reply, found {raw[:60]!r}") from error
    if not isinstance(reply, dict):
        raise WireError(f"wanted a JSON-RPC reply, found {raw[:60]!r}")
    if reply.get("error") is not None:
        raise SettingRefused(f"MacNet calls the question an error: {str(reply['error'])[:80]}")
    result = reply.get("result")
    if reply.get("id") != NUMBER or not isinstance(result, dict):
        raise WireError(f"wanted the reply to {NUMBER}, found {raw[:60]!r}")
    other = {name: result.get(name) for name, value in params.items() if result.get(name) != value}
    if other:
        raise WireError(f"wanted a reply of {dict(params)}, found {other}")
    return result


def number_of(result: Mapping[str, Any], name: str) -> float:
    """Return a number of a result.

    Raises:
        WireError: It is none.
    """
    value = result.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WireError(f"wanted a number in {name}, found {str(value)[:40]!r}")
    try:
        return float(value)
    except OverflowError as error:
        raise WireError(f"wanted a number in {name}, found one of {len(str(value))} digits") from error
