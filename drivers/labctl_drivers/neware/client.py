"""The TCP interface of the BTS 8 client: one request at a time, XML in, XML out.

Facts: BTSAPI protocol 1.19 as quoted by public clients. What a channel does is asked here, whatever it means.
"""

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from xml.sax.saxutils import escape, quoteattr

from labctl.errors import SettingRefused, Unreachable, WireError
from labctl_drivers.neware.conversation import Conversation
from labctl_drivers.neware.replies import END, MOST, parsed, states_in, whole

LONGEST_REPLY = 4 * 1024 * 1024  # bytes; 1000 records take a fifth of a megabyte
AT_ONCE = 4 * 1024 * 1024  # bytes of replies that are held before their records are taken
REQUEST = '<?xml version="1.0" encoding="UTF-8" ?><bts version="1.0"><cmd>{command}</cmd>{body}</bts>\n\n'
T = TypeVar("T")
LOGIN = "<username>{user}</username><password>{password}</password><type>bfgs</type>"


class Client:
    """A connection to a BTS client.

    Args:
        host: The PC that runs it, with its API mode switched on.
        places: Our channel names to device, sub-device and channel.
        port: Of the interface.
        login: Name and password.
        device_type: Of all its devices.
        timeout: Seconds for a reply.
    """

    def __init__(
        self,
        host: str,
        places: Mapping[str, Sequence[str]],
        *,
        port: int,
        login: tuple[str, str],
        device_type: str,
        timeout: float,
    ) -> None:
        self.host, self.port = host, port
        self.places = dict(places)
        self.login = LOGIN.format(user=escape(login[0]), password=escape(login[1]))
        self.device_type = device_type
        self.timeout = timeout
        self._conversation: Conversation | None = None
        self._lock = asyncio.Lock()
        self._download_forms: dict[str, bytes] = {}
        self._asked_states: tuple[tuple[str, ...], bytes] = (
            (),
            b"",
        )  # the request, as long as it is of the same channels

    async def connect(self) -> str:
        """Connect, log in, see that every channel exists, and return the version of the client."""
        await self.disconnect()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.timeout):
                _, self._conversation = await loop.create_connection(
                    lambda: Conversation(END, LONGEST_REPLY), self.host, self.port
                )
        except (OSError, TimeoutError) as error:
            raise Unreachable(
                f"{self.host}:{self.port}: wanted a BTS client, found {str(error) or 'no answer'}"
            ) from error
        answer = await self._ask("connect", self.login)
        if (answer.findtext("result") or "").strip() != "ok":
            raise SettingRefused(
                f"{self.host}: the BTS client refused the login: {answer.findtext('result')}", safe=True
            )
        devices = await self._ask("getdevinfo")
        self._exists(devices)
        client = devices.find(".//client")
        return "" if client is None else client.get("version", "")

    async def disconnect(self) -> None:
        """Disconnect; every test goes on."""
        if self._conversation is not None:
            self._conversation.close()
            self._conversation = None

    # --- questions --------------------------------------------------------------------------------------------------

    async def _states(self, channels: Sequence[str]) -> list[str]:
        """Return the states of channels in one request; matched by order, since replies sometimes name a wrong sub-device."""
        if not channels:
            return []
        asked = tuple(channels)
        if self._asked_states[0] != asked:
            rows = "".join(self._element("status", channel, "true") for channel in asked)
            self._asked_states = asked, request("getchlstatus", f'<list count="{len(asked)}">{rows}</list>')
        (reply,) = await self._exchange("getchlstatus", [self._asked_states[1]])
        states = await self._read(states_in, reply)
        if len(states) != len(channels):
            raise WireError(f"{self.host}: wanted the states of {len(channels)} channels, found {len(states)}")
        return states

    async def _barcode(self, channel: str) -> str:
        answer = await self._ask("inquire", self._list("inquire", channel, "true", aux="0", barcode="1"))
        row = answer.find(".//inquire")
        return "" if row is None else row.get("barcode", "")

    async def _test(self, channel: str) -> tuple[str, int]:
        """Return the id of the channel's last test, and how many records it has."""
        ((test, count),) = await self.tests([channel])
        return test, count

    async def tests(self, channels: Sequence[str]) -> list[tuple[str, int]]:
        """Return the same of several channels in one request; matched by order."""
        asked = "".join(self._element("chl", channel, "true", testid="0") for channel in channels)
        answer = await self._ask("inquiredf", f'<list count="{len(channels)}">{asked}</list>')
        rows = answer.findall(".//chl")
        if len(channels) == 1 and not rows:
            return [("0", 0)]
        if len(rows) != len(channels):
            raise WireError(f"{self.host}: wanted the tests of {len(channels)} channels, found {len(rows)}")
        return [(str(whole(row, "testid")), whole(row, "count")) for row in rows]

    async def downloads(self, wanted: Sequence[tuple[str, str, int]]) -> list[bytes]:
        """Return the replies to downloads: channel, test and number of the first record of each, as many as come at once.

        Those of the first few, at least one, where they hold very much.
        """
        return await self._exchange("download", [self._download(*each) for each in wanted])

    def _download(self, channel: str, test: str, first: int) -> bytes:
        form = self._download_forms.get(channel)  # made once: a poll has one for each channel
        if form is None:
            device, sub, number = self.places[channel]
            form = self._download_forms[channel] = request(
                "download",
                f'<download devtype="{self.device_type}" devid="{device}" subdevid="{sub}" chlid="{number}" auxid="0" '
                f'testid="%b" startpos="%d" count="{MOST}"/>',
            )
        return form % (test.encode(), first)

    # --- the wire -----------------------------------------------------------------------------------------------------

    async def _ask(self, command: str, body: str = "") -> ET.Element:
        """Send a request and return the root of its reply.

        Raises:
            Unreachable: As `_exchange`.
            WireError: As `_read`: the reply is not XML, or of another command.
        """
        (reply,) = await self._exchange(command, [request(command, body)])
        return await self._read(lambda raw: parsed(raw, (f"{command}_resp",)), reply)

    async def _exchange(self, command: str, requests: Sequence[bytes]) -> list[bytes]:
        """Send requests, each when the one before was answered, and return the replies: of the first few where they are large.

        Raises:
            Unreachable: No reply within the timeout; the connection is closed, so that a late reply is never taken.
        """
        async with self._lock:
            if self._conversation is None:
                raise Unreachable(f"{self.host}: not open")
            try:
                return await self._conversation.ask(requests, self.timeout, AT_ONCE)
            except (OSError, TimeoutError) as error:
                await self.disconnect()
                raise Unreachable(f"{self.host}: {command} was not answered: {str(error) or 'time ran out'}") from error
            except asyncio.CancelledError:
                await self.disconnect()  # the reply would be taken for that of the next request
                raise

    async def _read(self, reader: Callable[[bytes], T], reply: bytes) -> T:
        """Return what a reply says; the connection is closed where it is not as it should be.

        Raises:
            WireError: It is not.
        """
        try:
            return reader(reply)
        except WireError:
            await self.disconnect()
            raise

    def _list(self, tag: str, channel: str, text: str, **extra: str) -> str:
        return f'<list count="1">{self._element(tag, channel, text, **extra)}</list>'

    def _element(self, tag: str, channel: str, text: str, **extra: str) -> str:
        device, sub, number = self.places[channel]
        names = {
            "ip": self.host,
            "devtype": self.device_type,
            "devid": device,
            "subdevid": sub,
            "chlid": number,
            **extra,
        }
        attributes = " ".join(f"{name}={quoteattr(value)}" for name, value in names.items())
        return f"<{tag} {attributes}>{escape(text)}</{tag}>"

    @staticmethod
    def _text(answer: ET.Element, tag: str) -> str:
        """Return the text of the one element asked for: replies are matched by order, since subdevid is sometimes wrong."""
        row = answer.find(f".//list/{tag}")
        return (row.text or "").strip() if row is not None else "unknown"

    def _exists(self, devices: ET.Element) -> None:
        there = {
            tuple(row.get(name, "") for name in ("devid", "subdevid", "Channelid")) for row in devices.iter("channel")
        }
        for channel, place in self.places.items():
            if tuple(place) not in there:
                known = ", ".join(sorted("-".join(one) for one in there)) or "none"
                raise SettingRefused(f"{channel}: wanted Neware channel {'-'.join(place)}, found {known}", safe=True)


def request(command: str, body: str = "") -> bytes:
    """Return a framed request."""
    return REQUEST.format(command=command, body=body).encode() + END
