"""The TCP interface of the BTS 8 client: one request at a time, XML in, XML out.

Facts: BTSAPI protocol 1.19 as quoted by public clients. What a channel does is asked here, whatever it means.
"""

import asyncio
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

from labctl.errors import SettingRefused, Unreachable, WireError

END = b"#\r\n"
MOST = 1000  # records of one download
LONGEST_REPLY = 4 * 1024 * 1024  # bytes; 1000 records take a fifth of a megabyte
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
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._lock = asyncio.Lock()

    async def connect(self) -> str:
        """Connect, log in, see that every channel exists, and return the version of the client."""
        await self.disconnect()
        try:
            async with asyncio.timeout(self.timeout):
                self._streams = await asyncio.open_connection(self.host, self.port, limit=LONGEST_REPLY)
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
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    # --- questions --------------------------------------------------------------------------------------------------

    async def _states(self, channels: Sequence[str]) -> list[str]:
        """Return the states of channels in one request; matched by order, since replies sometimes name a wrong sub-device."""
        if not channels:
            return []
        rows = "".join(self._element("status", channel, "true") for channel in channels)
        answer = await self._ask("getchlstatus", f'<list count="{len(channels)}">{rows}</list>')
        states = [(row.text or "").strip() for row in answer.findall(".//list/status")]
        if len(states) != len(channels):
            raise WireError(f"{self.host}: wanted the states of {len(channels)} channels, found {len(states)}")
        return states

    async def _barcode(self, channel: str) -> str:
        answer = await self._ask("inquire", self._list("inquire", channel, "true", aux="0", barcode="1"))
        row = answer.find(".//inquire")
        return "" if row is None else row.get("barcode", "")

    async def _test(self, channel: str) -> tuple[str, int]:
        """Return the id of the channel's last test, and how many records it has."""
        row = (await self._ask("inquiredf", self._list("chl", channel, "true", testid="0"))).find(".//chl")
        return ("0", 0) if row is None else (str(whole(row, "testid")), whole(row, "count"))

    async def _download(self, channel: str, test: str, first: int) -> list[ET.Element]:
        """Return records of a test from one on, as many as come at once."""
        device, sub, number = self.places[channel]
        body = (
            f'<download devtype="{self.device_type}" devid="{device}" subdevid="{sub}" chlid="{number}" auxid="0" '
            f'testid="{test}" startpos="{first}" count="{MOST}"/>'
        )
        answer = await self._ask("download", body, accepted=("donwload_resp", "download_resp"))
        return answer.findall(".//data")

    # --- the wire -----------------------------------------------------------------------------------------------------

    async def _ask(self, command: str, body: str = "", accepted: tuple[str, ...] = ()) -> ET.Element:
        """Send a request and return the root of its reply; one at a time.

        Raises:
            Unreachable: No reply within the timeout; the connection is closed, so that a late reply is never taken.
            WireError: The reply is not XML, or of another command.
        """
        request = f'<?xml version="1.0" encoding="UTF-8" ?><bts version="1.0"><cmd>{command}</cmd>{body}</bts>\n\n'
        async with self._lock:
            if self._streams is None:
                raise Unreachable(f"{self.host}: not open")
            reader, writer = self._streams
            try:
                writer.write(request.encode() + END)
                async with asyncio.timeout(self.timeout):
                    raw = await reader.readuntil(END)
            except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                await self.disconnect()
                raise Unreachable(f"{self.host}: {command} was not answered: {str(error) or 'time ran out'}") from error
            except asyncio.CancelledError:
                await self.disconnect()  # the reply would be taken for that of the next request
                raise
        try:
            return parsed(raw, accepted or (f"{command}_resp",))
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


def parsed(raw: bytes, accepted: tuple[str, ...]) -> ET.Element:
    """Return the root of one framed reply.

    Raises:
        WireError: It is not XML, or none of the accepted replies.
    """
    text = raw.removesuffix(END).decode("utf-8", "replace").strip()
    try:
        root = ET.fromstring(re.sub(r"^<\?xml[^>]*\?>", "", text).strip())  # noqa: S314 - external entities are not resolved
    except ET.ParseError as error:
        raise WireError(f"wanted an XML reply, found {text[:60]!r}: {error}") from error
    if root.findtext("cmd") not in accepted:
        raise WireError(f"wanted {' or '.join(accepted)}, found {root.findtext('cmd')}")
    return root


def whole(element: ET.Element, name: str) -> int:
    """Return a number of a reply.

    Raises:
        WireError: It is none.
    """
    text = element.get(name, "0")
    if re.fullmatch(r"\d{1,18}", text, re.ASCII) is None:
        raise WireError(f"wanted a number in {name}, found {text[:40]!r}")
    return int(text)
