"""A connection to MITS Pro's console interface (CTI): one request at a time."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from labctl.errors import SettingRefused, Unreachable, WireError
from labctl_drivers.arbin import packet

T = TypeVar("T")
LOGGED_IN = frozenset({1, 3})  # the second: already
OK = 0
WORDS = {
    packet.ASSIGN: {16: "there is no such channel", 17: "somebody uses the monitor window", 18: "no name of a schedule",
                    19: "there is no such schedule", 20: "the channel runs", 21: "another schedule is being downloaded",
                    22: "a batch file is open", 23: "it failed"},
    packet.START: {16: "there is no such channel", 17: "somebody uses the monitor window",
                   18: "the channel runs or is unsafe", 19: "the channel is not connected", 20: "the schedule does not fit",
                   21: "no schedule is assigned", 22: "the schedule is of another version of MITS",
                   33: "the schedule is still being downloaded", 35: "the test has no name",
                   38: "the schedule's safety check failed"},
    packet.STOP: {16: "there is no such channel", 17: "somebody uses the monitor window"},
    packet.SET: {16: "it failed", 17: "the channel does not run", 18: "there is no such variable"},
}  # fmt: skip
NAMES = {
    packet.ASSIGN: "assigning",
    packet.START: "starting",
    packet.STOP: "stopping",
    packet.SET: "setting a variable",
}


class Cti:
    """A connection to MITS Pro."""

    def __init__(self, host: str, port: int) -> None:
        """Take its address."""
        self.host, self.port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._lock = asyncio.Lock()

    async def connect(self, user: str, password: str, timeout: float) -> tuple[str, int]:  # noqa: ASYNC109 - the driver's patience
        """Connect afresh, log in, and return serial number and number of channels.

        Raises:
            Unreachable: Nobody listens there.
            SettingRefused: The name or password is refused.
        """
        self.disconnect()
        try:
            async with asyncio.timeout(timeout):
                self._streams = await asyncio.open_connection(self.host, self.port)
        except (OSError, TimeoutError) as error:
            raise Unreachable(f"{self.host}:{self.port}: wanted MITS Pro, found {str(error) or 'no answer'}") from error
        try:
            result, serial, count = packet.login_of(await self._ask(packet.login(user, password), timeout))
        except WireError:
            self.disconnect()
            raise
        if result in LOGGED_IN:
            return serial, count
        self.disconnect()
        raise SettingRefused(f"{self.host}: MITS Pro refused the login of {user}: result {result}", safe=True)

    def disconnect(self) -> None:
        """Disconnect; schedules go on."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def info(self, channel: int, timeout: float) -> packet.ChannelInfo:  # noqa: ASYNC109
        """Return what a channel does, from 0."""
        raw = await self._ask(packet.info(channel), timeout)
        return self._believed(lambda: packet.info_of(raw, channel))

    async def order(self, command: int, request: bytes, channel: int, timeout: float) -> None:  # noqa: ASYNC109
        """Give an order to a channel.

        Raises:
            SettingRefused: It is not obeyed.
        """
        raw = await self._ask(request, timeout)
        result = self._believed(lambda: packet.result_of(raw, command, channel))
        if result != OK:
            words = WORDS[command].get(result, f"result {result}")
            raise SettingRefused(f"{self.host}: channel {channel + 1}: {NAMES[command]}: {words}", safe=None)

    def _believed(self, read: Callable[[], T]) -> T:
        """Read a reply; after one that is of another question the line is out of step, and closed."""
        try:
            return read()
        except WireError:
            self.disconnect()
            raise

    async def _ask(self, request: bytes, timeout: float) -> bytes:  # noqa: ASYNC109
        """Send a request and return the packet of its reply.

        Raises:
            Unreachable: No reply within the timeout; the connection is closed, so that a late reply is never taken.
            WireError: It is no packet.
        """
        async with self._lock:
            if self._streams is None:
                raise Unreachable(f"{self.host}:{self.port}: not open")
            reader, writer = self._streams
            try:
                writer.write(request)
                async with asyncio.timeout(timeout):
                    return await received(reader)
            except WireError:
                self.disconnect()
                raise
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                self.disconnect()
                raise Unreachable(f"{self.host}: a request was not answered: {str(error) or 'time ran out'}") from error
            except asyncio.CancelledError:
                self.disconnect()  # the reply would be taken for that of the next request
                raise


async def received(reader: asyncio.StreamReader) -> bytes:
    """Return one packet, of whichever length its sum says that it is whole."""
    raw = await reader.readexactly(packet.HEAD.size)
    for length in packet.lengths(raw):
        raw += await reader.readexactly(length - len(raw))
        if packet.is_whole(raw):
            return raw
    raise WireError(f"wanted a packet that ends with its sum, found {len(raw)} bytes that do not")
