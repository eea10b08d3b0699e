"""Neware cyclers through the TCP interface of the BTS 8 client.

Autonomous: a program of many steps is compiled to a step file, started, polled and drained; the test goes on when the daemon
dies and is taken up again by its test id and record number. Facts: BTSAPI protocol 1.19 as quoted by public clients. Never run on
hardware by us.

The step file's path is opened by the BTS client's PC: `folder` is where this machine writes it, `seen_as` what that PC calls it.
Set-points are mA and positive, readings A with discharge negative; both are converted here and nowhere else.
"""

import asyncio
import re
import secrets
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from labctl.driver import Capabilities, Fault, Identity, Program, ReadBack, Readings, Status
from labctl.errors import SettingRefused, Unreachable, WireError
from labctl_drivers.neware_file import step_file
from labctl_drivers.neware_records import Draining, ended, take_records
from labctl_drivers.neware_sidecar import Sidecar

END = b"#\r\n"
MOST_STEPS = 250
MOST = 1000  # records of one download
LONGEST_REPLY = 4 * 1024 * 1024  # bytes; 1000 records take a fifth of a megabyte
RUNS = frozenset({"working", "pause"})
ENDED = frozenset({"finish", "stop", "protect"})
MARK = re.compile(r"labctl-(\d+)(?:-[0-9a-f]+)?")
LOGIN = "<username>{user}</username><password>{password}</password><type>bfgs</type>"


class Neware:
    """All channels behind one BTS client.

    Args:
        host: The PC that runs the BTS client, with its API mode switched on.
        channels: Our channel names to `devid-subdevid-chlid`.
        folder: Where step files are written.
        seen_as: The same folder as the BTS client's PC calls it; None if it is the same path.
        port: 502 unless the client says otherwise (it is not Modbus).
        user: Login name.
        password: Its password.
        device_type: 24 for the common kind of device.
        poll: Seconds between reads; the client refreshes no faster than every 5 s.
        timeout: Seconds for a reply; commands may take 30.
        most_current: A that this device can give; BTS does not tell.
    """

    def __init__(  # noqa: PLR0913 - the keys of a station file's entry
        self,
        *,
        host: str,
        channels: Mapping[str, str],
        folder: str,
        seen_as: str | None = None,
        port: int = 502,
        user: str = "admin",
        password: str = "neware",  # noqa: S107 - the client's own default, on the lab's network
        device_type: str = "24",
        poll: float = 10.0,
        timeout: float = 30.0,
        most_current: float = 6.0,
    ) -> None:
        self.host, self.port = host, int(port)
        self.places = {name: place.split("-") for name, place in channels.items()}
        self.folder = Path(folder)
        self.seen_as = seen_as if seen_as is not None else folder
        self.login = LOGIN.format(user=user, password=password)
        self.device_type = str(device_type)
        self.poll, self.timeout, self.most_current = float(poll), float(timeout), float(most_current)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._lock = asyncio.Lock()
        self._draining: dict[str, Draining] = {}

    # --- the contract ---------------------------------------------------------------------------------------------

    async def open(self) -> Identity:
        """Connect, log in, and see that every configured channel exists."""
        await self.close()
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
        found = await self._ask("getdevinfo")
        self._exists(found)
        client = found.find(".//client")
        return Identity("Neware", "BTS 8", firmware="" if client is None else client.get("version", ""))

    async def close(self) -> None:
        """Disconnect; every test goes on."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    def capabilities(self, channel: str) -> Capabilities:
        """Return what a channel holds by itself: whole blocks with their loops, ends and limits."""
        del channel
        return Capabilities(
            records=True,
            modes=frozenset({"Rest", "Galvanostatic", "Potentiostatic", "ConstantPower", "ConstantLoad"}),
            ends=frozenset({"time", "voltage", "current", "charge"}),
            limits=frozenset({"voltage", "current"}),
            most_steps=MOST_STEPS,
            loops=True,
            voltage=(-5.0, 5.0),
            current=(-self.most_current, self.most_current),
            voltage_accuracy=5e-3,
            current_accuracy=1e-6,
            poll_at_most=self.poll,
        )

    async def status(self, channel: str) -> Status:
        """Return what the channel is doing; the barcode says for which attempt."""
        (state,) = await self._states([channel])
        if state in ENDED:
            return Status("idle", text=state)
        mark = MARK.fullmatch(await self._barcode(channel))
        if mark is None or state != "working":
            return Status("unknown", text=state)
        draining = self._draining.get(channel)
        return Status("running", int(mark[1]), last_record=None if draining is None else draining.last, text=state)

    async def apply(self, channel: str, program: Program) -> ReadBack:
        """Write the step file, stop what runs, start it, and read back that the channel works for this attempt."""
        if len(program.steps) > MOST_STEPS:
            raise SettingRefused(f"{channel}: wanted at most {MOST_STEPS} steps, found {len(program.steps)}", safe=True)
        text = step_file(program, self.most_current)
        path = self._path(channel)
        aside = Sidecar(f"labctl-{program.attempt}-{secrets.token_hex(4)}", program)
        await self._write(path, text, aside)
        await self.output_off(channel)
        body = self._list("start", channel, f"{self.seen_as}/{path.name}", barcode=aside.barcode)
        if self._text(await self._ask("start", body), "start") != "ok":
            raise SettingRefused(
                f"{channel}: the BTS client refused to start {path.name}: wanted ok, found false", safe=True
            )
        found = await self.status(channel)
        if found.activity == "running" and found.attempt != program.attempt:
            raise WireError(f"{channel}: wanted attempt {program.attempt}, found {found.attempt}")
        test = await self._test(channel)
        self._draining[channel] = Draining(program, test)
        await self._write(path, text, Sidecar(aside.barcode, program, test))
        return ReadBack({"test": float(test)})

    async def attach(self, channel: str, attempt: int, after: float, step: int) -> bool:
        """Take up the test that the channel runs, or has run, for an attempt; False if it did something else since.

        Args:
            channel: Ours.
            attempt: Whose test it should be.
            after: Program time of the last row that is stored, s: only later rows are given.
            step: Index of the program step in which the engine stands: the end of an earlier one is not given again.
        """
        aside = await asyncio.to_thread(Sidecar.read, self._path(channel).with_suffix(".json"))
        if aside is None or aside.program.attempt != attempt:
            return False
        test, barcode = await self._test(channel), await self._barcode(channel)
        if barcode != aside.barcode and (barcode or test != aside.test):
            return False
        self._draining[channel] = Draining(aside.program, test, after, step)
        return True

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return the records that are new on these channels, with the ends of steps between them.

        What was read stays until all of it can be given: a line that fails half-way costs no record.
        """
        mine = [channel for channel in channels if channel in self._draining]
        running = [channel for channel in mine if not self._draining[channel].done]
        for channel, state in zip(running, await self._states(running), strict=True):
            await self._drain(channel, state)
        given = {channel: tuple(self._draining[channel].found) for channel in mine}
        for channel in mine:
            self._draining[channel].found.clear()
        return Readings(by_channel=given)

    async def output_off(self, channel: str) -> None:
        """Stop the channel; one that does not work is left as it is."""
        (state,) = await self._states([channel])
        if state in RUNS:
            await self._ask("stop", self._list("stop", channel, "true"))
            (state,) = await self._states([channel])
            if state in RUNS:
                raise WireError(f"{channel}: wanted it stopped, found {state}")

    # --- draining ---------------------------------------------------------------------------------------------------

    async def _drain(self, channel: str, state: str) -> None:
        draining = self._draining[channel]
        while block := await self._download(channel, draining):
            take_records(block, draining)
            if len(block) < MOST:
                break
        else:
            if state not in ENDED and await self._test(channel) != draining.test:
                draining.done = True
                draining.take(Fault("somebody started another test on the channel"))
        if state in ENDED:
            await self._close_test(channel, draining, state)

    async def _close_test(self, channel: str, draining: Draining, state: str) -> None:
        """Take what ends a test, once its records are complete."""
        told = (await self._ask("inquiredf", self._list("chl", channel, "true", testid=draining.test))).find(".//chl")
        if told is None or whole(told, "count") > draining.last or (told.text or "").strip() != "true":
            return
        draining.done = True
        if state == "finish":
            draining.take(ended(draining))
            return
        why = "a limit tripped" if state == "protect" else "somebody stopped it"
        draining.take(Fault(f"the channel says {state}: {why}", safe=True))

    async def _download(self, channel: str, draining: Draining) -> list[ET.Element]:
        device, sub, number = self.places[channel]
        body = (
            f'<download devtype="{self.device_type}" devid="{device}" subdevid="{sub}" chlid="{number}" auxid="0" '
            f'testid="{draining.test}" startpos="{draining.last + 1}" count="{MOST}"/>'
        )
        answer = await self._ask("download", body, accepted=("donwload_resp", "download_resp"))
        return answer.findall(".//data")

    # --- questions --------------------------------------------------------------------------------------------------

    async def _states(self, channels: Sequence[str]) -> list[str]:
        """Return the states of channels in one request; matched by order, since replies sometimes name a wrong sub-device."""
        if not channels:
            return []
        rows = "".join(self._element("status", channel, "true") for channel in channels)
        answer = await self._ask("getchlstatus", f'<list count="{len(channels)}">{rows}</list>')
        found = [(row.text or "").strip() for row in answer.findall(".//list/status")]
        if len(found) != len(channels):
            raise WireError(f"{self.host}: wanted the states of {len(channels)} channels, found {len(found)}")
        return found

    async def _barcode(self, channel: str) -> str:
        answer = await self._ask("inquire", self._list("inquire", channel, "true", aux="0", barcode="1"))
        found = answer.find(".//inquire")
        return "" if found is None else found.get("barcode", "")

    async def _test(self, channel: str) -> str:
        """Return the id of the channel's last test."""
        told = (await self._ask("inquiredf", self._list("chl", channel, "true", testid="0"))).find(".//chl")
        return "0" if told is None else str(whole(told, "testid"))

    async def _write(self, path: Path, text: str, aside: Sidecar) -> None:
        def write() -> None:
            path.write_text(text, encoding="utf-8")
            aside.write(path.with_suffix(".json"))

        try:
            await asyncio.to_thread(write)
        except OSError as error:
            raise SettingRefused(f"{path}: wanted to write a step file there, found {error}") from error

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
                await self.close()
                raise Unreachable(f"{self.host}: {command} was not answered: {str(error) or 'time ran out'}") from error
            except asyncio.CancelledError:
                await self.close()  # the reply would be taken for that of the next request
                raise
        try:
            return parsed(raw, accepted or (f"{command}_resp",))
        except WireError:
            await self.close()
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
        told = " ".join(f"{name}={quoteattr(value)}" for name, value in names.items())
        return f"<{tag} {told}>{escape(text)}</{tag}>"

    @staticmethod
    def _text(answer: ET.Element, tag: str) -> str:
        """Return the text of the one element asked for: replies are matched by order, since subdevid is sometimes wrong."""
        found = answer.find(f".//list/{tag}")
        return (found.text or "").strip() if found is not None else "unknown"

    def _exists(self, found: ET.Element) -> None:
        there = {
            tuple(row.get(name, "") for name in ("devid", "subdevid", "Channelid")) for row in found.iter("channel")
        }
        for channel, place in self.places.items():
            if tuple(place) not in there:
                known = ", ".join(sorted("-".join(one) for one in there)) or "none"
                raise SettingRefused(f"{channel}: wanted Neware channel {'-'.join(place)}, found {known}", safe=True)

    def _path(self, channel: str) -> Path:
        return self.folder / f"labctl-{re.sub(r'[^A-Za-z0-9_-]', '_', channel)}.xml"


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
