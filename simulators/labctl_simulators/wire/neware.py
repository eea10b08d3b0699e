"""A Neware BTS 8 client on the wire: XML requests over TCP, cyclers that run by themselves behind it.

Facts: BTSAPI protocol 1.19 as quoted by public clients, and replies captured from BTS 8.0 (aurora-neware, MIT). Kept as they are:
the misspelt `donwload_resp`, the stray quote that a client sends after `</list>`, `false` for whatever is not allowed, records that
appear in blocks of at most 1000, sub-device numbers that are sometimes wrongly 1.
"""

import argparse
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import quoteattr

from labctl_simulators.wire.neware_channel import CyclerChannel, StoredRow
from labctl_simulators.wire.neware_step import read_profile
from labctl_simulators.wire.program import Kind, parser, run

KIND = Kind("neware", port=5020)

END = b"\n\n#\r\n"
MOST = 1000  # records of one download
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = 3600.0

Place = tuple[str, str, str]  # device, sub-device, channel


@dataclass(slots=True)
class Cycler:
    """The program on the cycler's PC.

    Attributes:
        channels: By (devid, subdevid, chlid).
        ip: Of the middle machine, as replies name it.
        device_type: 24 is the common kind.
        wrong_subdevice: Answer with subdevid 1, whatever was asked, as some versions do.
        lag: Seconds until a record is in the database of this PC, from which it is downloaded.
        reader: How it opens a step file, by path.
    """

    channels: Mapping[Place, CyclerChannel]
    ip: str = "127.0.0.1"
    device_type: str = "24"
    wrong_subdevice: bool = False
    lag: float = 0.0
    reader: Callable[[str], str] = field(default=lambda path: Path(path).read_text(encoding="utf-8"))
    now: float = 0.0
    _buffer: bytes = b""

    def greeting(self) -> bytes:
        """Say nothing at a new connection."""
        self._buffer = b""
        return b""

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Take bytes from the line at a time and return the replies."""
        self.now = now
        self._buffer += data
        replies = []
        while b"#\r\n" in self._buffer:
            request, _, self._buffer = self._buffer.partition(b"#\r\n")
            replies.append(self.answer(request.decode("utf-8", "replace")) + END)
        return replies

    def answer(self, text: str) -> bytes:
        """Answer one request; what is not understood is answered by a result in words."""
        text = re.sub(r"</list>\s*\"", "</list>", text.strip())
        try:
            root = ET.fromstring(re.sub(r"^<\?xml[^>]*\?>", "", text).strip())  # noqa: S314 - an emulator's own line
        except ET.ParseError as error:
            return reply("error", f"<result>{error}</result>")
        command = (root.findtext("cmd") or "").strip()
        handler = getattr(self, f"on_{command}", None)
        if handler is None:
            return reply(command, "<result>unknown cmd</result>")
        return reply(*handler(root))

    # --- commands -------------------------------------------------------------------------------------------------

    def on_connect(self, root: ET.Element) -> tuple[str, str]:
        """Log in."""
        known = (root.findtext("username"), root.findtext("password")) in {("admin", "neware"), ("test", "123")}
        return "connect", f"<result>{'ok' if known else 'fail'}</result>"

    def on_getdevinfo(self, _: ET.Element) -> tuple[str, str]:
        """List the channels; true is idle."""
        rows = "".join(
            f'    <channel ip="{self.ip}" devtype="{self.device_type}" devid="{device}" subdevid="{sub}" Channelid="{number}">'
            f"{'false' if channel.status == 'working' else 'true'}</channel>\r\n"
            for (device, sub, number), channel in self.channels.items()
        )
        return "getdevinfo", f'<middle count="{len(self.channels)}">\r\n{rows}  </middle>'

    def on_getchlstatus(self, root: ET.Element) -> tuple[str, str]:
        """Tell the state of channels."""
        return "getchlstatus", self.each(root, "status", lambda channel, _: ({"reservepause": "0"}, channel.status))

    def on_inquire(self, root: ET.Element) -> tuple[str, str]:
        """Tell the last measured values, four decimals, discharge negative."""
        rows = []
        for element in asked(root, "inquire"):
            channel = self.channel(element)
            if channel is not None:
                rows.append(f"    <inquire {self.inquired(element, channel)}/>\r\n")
        return "inquire", f'<list count="{len(rows)}">\r\n{"".join(rows)}  </list>'

    def inquired(self, element: ET.Element, channel: CyclerChannel) -> str:
        """Return the attributes of one inquiry."""
        row = channel.read(self.now)
        place = "-".join(element.get(name, "0") for name in ("devtype", "devid", "subdevid", "chlid"))
        working = channel.status == "working"
        values = {
            "dev": f"{place}-0",
            "cycle_id": str(row.cycle if working else 0),
            **({"step_id": str(row.step)} if working else {}),  # missing once a test has finished
            "step_type": row.kind,
            "workstatus": channel.status,
            "barcode": channel.barcode,
            "current": f"{row.current if working else 0:.4f}",
            "voltage": f"{row.voltage:.4f}",
            "capacity": f"{row.charge / HOUR if working else 0:.4f}",
            "energy": f"{row.energy / HOUR if working else 0:.4f}",
            "totaltime": f"{row.absolute:.0f}",
            "relativetime": f"{row.time if working else 0:.0f}",
            "open_or_close": "0",
            "log_code": "102000" if working else "100001",
        }
        return " ".join(f"{name}={quoteattr(value)}" for name, value in values.items())

    def on_inquiredf(self, root: ET.Element) -> tuple[str, str]:
        """Tell how many records a test has, and whether they are complete."""

        def told(channel: CyclerChannel, _: ET.Element) -> tuple[dict[str, str], str]:
            count = channel.uploaded(self.now, self.lag)
            complete = channel.status != "working" and count == len(channel.records)
            return {"testid": str(channel.test), "count": str(count)}, "true" if complete else "false"

        return "inquiredf", self.each(root, "chl", told)

    def on_download(self, root: ET.Element) -> tuple[str, str]:
        """Return records from `startpos` on."""
        element = root.find(".//download")
        channel = self.channel(element) if element is not None else None
        if element is None or channel is None:
            return "donwload", '<list count="0" />'
        begin, count = int(element.get("startpos", "1")), min(MOST, int(element.get("count", "0")))
        channel.advance(self.now)
        mine = element.get("testid", "0") in {"0", str(channel.test)}
        there = channel.records[: channel.uploaded(self.now, self.lag)]
        rows = there[begin - 1 : begin - 1 + count] if begin >= 1 and mine else []
        head = f'<download {same(element)} testid="{channel.test}" startpos="{begin}" count="{count}"/>\r\n  '
        if not rows:
            return "donwload", f'{head}<list count="0" />'
        body = "".join(f"    {self.data(row)}\r\n" for row in rows)
        return "donwload", f'{head}<list count="{len(rows)}">\r\n{body}  </list>'

    def data(self, row: StoredRow) -> str:
        """Return one record as an element: A, V, Ah, Wh, and ms since the step began."""
        when = (EPOCH + timedelta(seconds=row.absolute)).strftime("%Y-%m-%d %H:%M:%S")
        return (
            f'<data seqid="{row.number}" stepid="{row.step}" cycleid="{row.cycle}" steptype="{row.kind}" '
            f'testtime="{round(1e3 * row.time)}" atime="{when}" volt="{row.voltage:.7g}" curr="{row.current:.7g}" '
            f'cap="{row.charge / HOUR:.9g}" eng="{row.energy / HOUR:.9g}"/>'
        )

    def on_start(self, root: ET.Element) -> tuple[str, str]:
        """Start step files; the path is opened by this program's PC."""

        def begin(channel: CyclerChannel, element: ET.Element) -> tuple[dict[str, str], str]:
            try:
                profile = read_profile(self.reader((element.text or "").strip()))
            except (OSError, ValueError):
                return {}, "false"
            return {}, "ok" if channel.work(profile, element.get("barcode", ""), self.now) else "false"

        return "start", self.each(root, "start", begin)

    def on_stop(self, root: ET.Element) -> tuple[str, str]:
        """Stop channels."""

        def end(channel: CyclerChannel, _: ET.Element) -> tuple[dict[str, str], str]:
            if channel.status != "working":
                return {}, "false"
            channel.stop(self.now)
            return {}, "ok"

        return "stop", self.each(root, "stop", end)

    def on_light(self, root: ET.Element) -> tuple[str, str]:
        """Light a channel's lamp."""
        return "light", self.each(root, "light", lambda _channel, _element: ({}, "ok"))

    def on_clearflag(self, root: ET.Element) -> tuple[str, str]:
        """Clear the flag of a protected channel."""

        def clear(channel: CyclerChannel, _: ET.Element) -> tuple[dict[str, str], str]:
            if channel.status == "protect":
                channel.status = "stop"
            return {}, "ok"

        return "clearflag", self.each(root, "clearflag", clear)

    # --- rows -----------------------------------------------------------------------------------------------------

    def each(
        self, root: ET.Element, tag: str, answer: Callable[[CyclerChannel, ET.Element], tuple[dict[str, str], str]]
    ) -> str:
        """Return a list with the same elements and what each channel answers."""
        rows = []
        for element in asked(root, tag):
            channel = self.channel(element)
            if channel is None:
                rows.append(f"    <{tag} {same(element)}>false</{tag}>\r\n")
                continue
            channel.advance(self.now)
            extra, text = answer(channel, element)
            attributes = " ".join(f"{name}={quoteattr(value)}" for name, value in extra.items())
            rows.append(f"    <{tag} {self.place_of(element)} {attributes}>{text}</{tag}>\r\n")
        return f'<list count="{len(rows)}">\r\n{"".join(rows)}  </list>'

    def place_of(self, element: ET.Element) -> str:
        """Return the attributes that name a channel, with the fault that some versions have."""
        text = same(element)
        return re.sub(r'subdevid="\d+"', 'subdevid="1"', text) if self.wrong_subdevice else text

    def channel(self, element: ET.Element) -> CyclerChannel | None:
        """Return the channel that an element names."""
        place = (
            element.get("devid", ""),
            element.get("subdevid", ""),
            element.get("chlid") or element.get("Channelid") or "",
        )
        return self.channels.get(place)


def asked(root: ET.Element, tag: str) -> list[ET.Element]:
    """Return the elements of a request that name channels."""
    return [element for element in root.iter(tag) if element.get("devid") is not None]


def same(element: ET.Element) -> str:
    """Return the attributes that name a channel."""
    names = ("ip", "devtype", "devid", "subdevid", "chlid")
    return " ".join(f"{name}={quoteattr(element.get(name, ''))}" for name in names if element.get(name) is not None)


def reply(command: str, body: str) -> bytes:
    """Return a reply in the shape that BTS gives it."""
    lines = f'<?xml version="1.0" encoding="UTF-8" ?>\r\n<bts version="1.0">\r\n  <cmd>{command}_resp</cmd>\r\n  {body}\r\n</bts>'
    return lines.encode()


def main(argv: Sequence[str]) -> int:
    """Serve a cycler of some channels, `27-1-1` and on, until a signal ends the process."""
    words = parser(KIND)
    words.add_argument("--channels", type=int, default=8, help="channels of the device, from 27-1-1")
    words.add_argument("--lag", type=float, default=3.0, help="s until a record can be downloaded")

    def cycler(given: argparse.Namespace) -> Cycler:
        names = [("27", "1", str(number)) for number in range(1, given.channels + 1)]
        return Cycler({name: CyclerChannel(given.cell, given.state) for name in names}, lag=given.lag)

    return run(KIND, words, argv, cycler)
