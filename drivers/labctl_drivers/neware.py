"""Neware cyclers through the TCP interface of the BTS 8 client.

Autonomous: a program of many steps is compiled to a step file, started, polled and drained; the test goes on when the daemon
dies and is taken up again by its test id and record number. Facts: BTSAPI protocol 1.19 as quoted by public clients. Never run on
hardware by us.

The step file's path is opened by the BTS client's PC: `folder` is where this machine writes it, `seen_as` what that PC calls it.
Set-points are mA and positive, readings A with discharge negative; both are converted here and nowhere else.
"""

import asyncio
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from labctl.driver import (
    Capabilities,
    Ended,
    Fault,
    Identity,
    Potentiostatic,
    Program,
    ProgramStep,
    ReadBack,
    Reading,
    Readings,
    Status,
)
from labctl.errors import SettingRefused, Unreachable, WireError
from labctl.sample import Batch, Floats
from labctl_drivers.neware_file import step_file

END = b"#\r\n"
MOST_STEPS = 250
MOST = 1000  # records of one download
LONGEST_REPLY = 4 * 1024 * 1024  # bytes; 1000 records take a fifth of a megabyte
MARK = re.compile(r"labctl-(\d+)")
LOGIN = "<username>{user}</username><password>{password}</password><type>bfgs</type>"


@dataclass(slots=True)
class Draining:
    """What has been read of a running test: the last record, and what lies before its step (s, Ah)."""

    program: Program
    test: str = "0"
    last: int = 0
    step: int = 0
    cycle: int = 0
    in_step: float = 0.0
    before: float = 0.0
    charge: float = 0.0
    charging: float = 0.0
    discharging: float = 0.0
    voltage: float = 0.0
    current: float = 0.0
    done: bool = False


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
            self._streams = await asyncio.wait_for(
                asyncio.open_connection(self.host, self.port, limit=LONGEST_REPLY), self.timeout
            )
        except (OSError, TimeoutError) as error:
            raise Unreachable(f"{self.host}:{self.port}: wanted a BTS client, found {error or 'no answer'}") from error
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
        state = self._text(await self._ask("getchlstatus", self._list("status", channel, "true")), "status")
        if state in {"finish", "stop", "protect"}:
            return Status("idle", text=state)
        inquiry = (await self._ask("inquire", self._list("inquire", channel, "true", aux="0", barcode="1"))).find(
            ".//inquire"
        )
        mark = MARK.fullmatch(inquiry.get("barcode", "")) if inquiry is not None else None
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
        await asyncio.to_thread(path.write_text, text, encoding="utf-8")
        await self.output_off(channel)
        body = self._list("start", channel, f"{self.seen_as}/{path.name}", barcode=f"labctl-{program.attempt}")
        if self._text(await self._ask("start", body), "start") != "ok":
            raise SettingRefused(
                f"{channel}: the BTS client refused to start {path.name}: wanted ok, found false", safe=True
            )
        found = await self.status(channel)
        if found.activity == "running" and found.attempt != program.attempt:
            raise WireError(f"{channel}: wanted attempt {program.attempt}, found {found.attempt}")
        await self.attach(channel, program)
        return ReadBack({"test": float(self._draining[channel].test)})

    async def attach(self, channel: str, program: Program) -> None:
        """Take up a program that the channel is running or has run, from its first record."""
        told = (await self._ask("inquiredf", self._list("chl", channel, "true", testid="0"))).find(".//chl")
        self._draining[channel] = Draining(program, test="0" if told is None else told.get("testid", "0"))

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return the records that are new on these channels, with the ends of steps between them."""
        return Readings(
            by_channel={channel: await self._drain(channel) for channel in channels if channel in self._draining}
        )

    async def output_off(self, channel: str) -> None:
        """Stop the channel; one that does not work is left as it is."""
        if self._text(await self._ask("getchlstatus", self._list("status", channel, "true")), "status") in {
            "working",
            "pause",
        }:
            await self._ask("stop", self._list("stop", channel, "true"))
            state = self._text(await self._ask("getchlstatus", self._list("status", channel, "true")), "status")
            if state in {"working", "pause"}:
                raise WireError(f"{channel}: wanted it stopped, found {state}")

    # --- draining ---------------------------------------------------------------------------------------------------

    async def _drain(self, channel: str) -> list[Reading]:
        draining = self._draining[channel]
        if draining.done:
            return []
        state = self._text(await self._ask("getchlstatus", self._list("status", channel, "true")), "status")
        readings: list[Reading] = []
        while block := await self._download(channel, draining):
            readings += rows(block, draining)
            if len(block) < MOST:
                break
        if state in {"finish", "protect", "stop"}:
            readings += await self._closed(channel, draining, state)
        return readings

    async def _closed(self, channel: str, draining: Draining, state: str) -> list[Reading]:
        """Return what ends a test, once its records are complete."""
        told = (await self._ask("inquiredf", self._list("chl", channel, "true", testid=draining.test))).find(".//chl")
        if told is None or int(told.get("count", "0")) > draining.last or (told.text or "").strip() != "true":
            return []
        draining.done = True
        if state == "finish":
            return [ended(draining)]
        return [
            Fault(
                f"the channel says {state}: {'a limit tripped' if state == 'protect' else 'somebody stopped it'}",
                safe=True,
            )
        ]

    async def _download(self, channel: str, draining: Draining) -> list[ET.Element]:
        device, sub, number = self.places[channel]
        body = (
            f'<download devtype="{self.device_type}" devid="{device}" subdevid="{sub}" chlid="{number}" auxid="0" '
            f'testid="{draining.test}" startpos="{draining.last + 1}" count="{MOST}"/>'
        )
        answer = await self._ask("download", body, accepted=("donwload_resp", "download_resp"))
        found = answer.findall(".//data")
        first = int(found[0].get("seqid", "0")) if found else draining.last + 1
        if first != draining.last + 1:
            raise WireError(f"{channel}: wanted record {draining.last + 1}, found {first}")
        return found

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
                raw = await asyncio.wait_for(reader.readuntil(END), self.timeout)
            except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                await self.close()
                raise Unreachable(f"{self.host}: {command} was not answered: {error or 'time ran out'}") from error
        try:
            return parsed(raw, accepted or (f"{command}_resp",))
        except WireError:
            await self.close()
            raise

    def _list(self, tag: str, channel: str, text: str, **extra: str) -> str:
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
        return f'<list count="1"><{tag} {told}>{text}</{tag}></list>'

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


def rows(block: Sequence[ET.Element], draining: Draining) -> list[Reading]:
    """Return a block of records as batches, one a step, with the ends of steps between them."""
    step = column(block, "stepid").astype(int)
    cycle = column(block, "cycleid").astype(int)
    since = column(block, "testtime") * 1e-3
    readings: list[Reading] = []
    begin = 0
    for at in range(len(block) + 1):
        last = at == len(block)
        if not last and (step[at], cycle[at]) == (draining.step, draining.cycle) and since[at] >= draining.in_step:
            draining.in_step = float(since[at])
            continue
        if at > begin:
            readings.append(batch(block[begin:at], since[begin:at], draining))
        if last:
            break
        if draining.step:
            readings.append(ended(draining))
            draining.before += draining.in_step
            draining.charge = 0.0
        draining.step, draining.cycle, draining.in_step, begin = int(step[at]), int(cycle[at]), float(since[at]), at
    draining.last = int(block[-1].get("seqid", "0"))
    return readings


def batch(block: Sequence[ET.Element], since: Floats, draining: Draining) -> Batch:
    """Return records of one step, their time and counters since the program began."""
    current, charge = column(block, "curr"), column(block, "cap")
    passed = np.diff(charge, prepend=draining.charge)
    positive = np.where(current >= 0, passed, 0.0)
    charging = draining.charging + np.cumsum(positive)
    discharging = draining.discharging + np.cumsum(passed - positive)
    voltage = column(block, "volt")
    draining.charge, draining.charging, draining.discharging = (
        float(charge[-1]),
        float(charging[-1]),
        float(discharging[-1]),
    )
    draining.voltage, draining.current = float(voltage[-1]), float(current[-1])
    return Batch(draining.before + since, voltage, current, charging, discharging, step=draining.step - 1)


def ended(draining: Draining) -> Ended:
    """Return the end of the step that was running, with the threshold that its last record lies nearest to."""
    time = draining.before + draining.in_step
    step = draining.program.steps[draining.step - 1] if draining.step else None
    if not isinstance(step, ProgramStep) or not step.ends:
        return Ended(max(0, draining.step - 1), time, None)
    holding = isinstance(step.mode, Potentiostatic)
    measured = {
        "time": draining.in_step,
        "voltage": draining.voltage,
        "current": abs(draining.current),
        "charge": draining.charge * 3600.0,
        "power": abs(draining.voltage * draining.current),
    }
    asked = [end for end in step.ends if not (holding and end.quantity == "voltage")]
    nearest = min(asked, key=lambda end: abs(measured[end.quantity] - end.value) / (abs(end.value) or 1.0))
    return Ended(draining.step - 1, time, nearest.number)


def column(block: Sequence[ET.Element], name: str) -> Floats:
    """Return an attribute of all records as floats."""
    try:
        return np.array([float(row.get(name, "nan")) for row in block])
    except ValueError as error:
        raise WireError(f"wanted numbers in {name}, found {error}") from error
