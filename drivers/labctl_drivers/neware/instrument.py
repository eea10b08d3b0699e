"""Neware cyclers through the TCP interface of the BTS 8 client.

Autonomous: a program of many steps is compiled to a step file, started, polled and drained; the test goes on when the daemon
dies and is taken up again by its test id and record number. Facts: BTSAPI protocol 1.19 as quoted by public clients. Never run on
hardware by us.

The step file's path is opened by the BTS client's PC: `folder` is where this machine writes it, `seen_as` what that PC calls it.
Set-points are mA and positive, readings A with discharge negative; both are converted here and nowhere else.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from labctl.driver import (
    Capabilities,
    Foreign,
    Identity,
    Owner,
    Program,
    ProgramStep,
    ReadBack,
    Status,
)
from labctl.driver.option_range import Port, Positive
from labctl.errors import OptionRefused, SettingRefused, WireError
from labctl_drivers.neware.recording import ENDED, Reader, RecordingClient
from labctl_drivers.neware.records import Draining, Following
from labctl_drivers.neware.stepfile import MOST_STEPS, SHORTEST_RECORD, step_file
from labctl_drivers.owner_mark import OwnerMark
from labctl_drivers.sidecar import Sidecar

RUNS = frozenset({"working", "pause"})
HOLDS = {  # what it locates in which mode; `~` is the side towards which a step drives
    "Rest": frozenset({"time>"}),
    "Galvanostatic": frozenset({"time>", "voltage~", "charge>"}),
    "Potentiostatic": frozenset({"time>", "charge>", "current<"}),
    "ConstantPower": frozenset({"time>", "voltage~", "charge>"}),
    "ConstantLoad": frozenset({"time>", "voltage<", "charge>"}),
}


class Neware(RecordingClient):
    """All channels behind one BTS client.

    Args:
        host: Name or address of the PC that runs the BTS client, with its API mode switched on.
        channels: Our channel names to `devid-subdevid-chlid`: `{c1: 27-1-1, c2: 27-1-2}`.
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
        port: Port = 502,
        user: str = "admin",
        password: str = "neware",  # noqa: S107 - the client's own default, on the lab's network
        device_type: str | int = "24",
        poll: Positive = 10.0,
        timeout: Positive = 30.0,
        most_current: Positive = 6.0,
    ) -> None:
        places = places_of(channels)
        super().__init__(
            host, places, port=int(port), login=(user, password), device_type=str(device_type), timeout=float(timeout)
        )
        self.folder = Path(folder)
        self.seen_as = seen_as if seen_as is not None else folder
        self.poll, self.most_current = float(poll), float(most_current)

    # --- the contract ---------------------------------------------------------------------------------------------

    async def open(self) -> Identity:
        """Connect, log in, and see that every configured channel exists."""
        return Identity("Neware", "BTS 8", firmware=await self.connect())

    async def close(self) -> None:
        """Disconnect; every test goes on."""
        await self.disconnect()

    def channels(self) -> Sequence[str]:
        """Return our names of its channels."""
        return tuple(self.places)

    def capabilities(self, channel: str) -> Capabilities:
        """Return what a channel holds by itself: whole blocks with their loops, ends and limits."""
        del channel
        return Capabilities(
            records=True,
            modes=frozenset({"Rest", "Galvanostatic", "Potentiostatic", "ConstantPower", "ConstantLoad"}),
            ends=frozenset({"time", "voltage", "current", "charge"}),
            holds=HOLDS,
            limits=frozenset({"voltage", "current", "charge"}),
            most_steps=MOST_STEPS,
            loops=True,
            spans=True,
            voltage=(-5.0, 5.0),
            current=(-self.most_current, self.most_current),
            voltage_accuracy=5e-3,
            current_accuracy=1e-6,
            poll_at_most=self.poll,
            row_at_most=SHORTEST_RECORD,
        )

    def translate(self, channel: str, program: Program) -> str:
        """Return the step file of a program."""
        del channel
        return step_file(program, self.most_current)

    async def status(self, channel: str) -> Status:
        """Return what the channel is doing; the barcode says for whom, and for which attempt."""
        (state,) = await self._states([channel])
        if state in ENDED:
            return Status("idle", text=state)
        barcode = await self._barcode(channel)
        mark = OwnerMark.of(barcode)
        text = f"{state}: {barcode}" if barcode else state
        if mark is None or state not in RUNS:
            return Status("unknown", text=text)
        reader = self._readers.get(channel)
        return Status("running", mark.attempt, None, None if reader is None else reader.last, text, mark.owner)

    async def apply(self, channel: str, program: Program) -> ReadBack:
        """Write the step file, stop what runs if it is ours, start it, and read back that the channel works for this attempt.

        A program of the mode `Foreign` begins nothing: the test that runs is read from now on.

        Raises:
            SettingRefused: The step file cannot say it, or somebody else's test runs, also one that was put in its place at once.
        """
        if is_foreign(program):
            return await self._follow(channel, program)
        text = self.translate(channel, program)
        path = self._path(channel)
        await self._stop_ours(channel, program.owner)
        aside = Sidecar(OwnerMark(program.attempt, program.owner).text(), program)
        await asyncio.to_thread(write_files, path, text, aside)
        body = self._list("start", channel, f"{self.seen_as}/{path.name}", barcode=aside.barcode)
        if self._text(await self._ask("start", body), "start") != "ok":
            raise SettingRefused(
                f"{channel}: the BTS client refused to start {path.name}: wanted ok, found false", safe=True
            )
        test, _ = await self._test(channel)
        await self._see_ours(channel, aside.barcode)  # after its number, since a later test has a greater one
        self._readers[channel] = Draining(program, test)
        await asyncio.to_thread(write_aside, path, Sidecar(aside.barcode, program, test))
        return ReadBack({"test": float(test)})

    async def attach(self, channel: str, attempt: int, after: float, step: int, owner: Owner | None = None) -> bool:
        """Take up the test that the channel runs, or has run, for an attempt; False if it did something else since.

        Args:
            channel: Ours.
            attempt: Whose test it should be.
            after: Program time of the last row that is stored, s: only later rows are given.
            step: Index of the program step in which the engine stands: the end of an earlier one is not given again.
            owner: Who gave it; None, or a program of a version that kept none, takes anybody's.
        """
        aside = await asyncio.to_thread(Sidecar.read, self._path(channel).with_suffix(".json"))
        if aside is None or aside.program.attempt != attempt:
            return False
        if owner is not None and aside.program.owner not in {None, owner}:
            return False
        (test, _), barcode = await self._test(channel), await self._barcode(channel)
        if barcode != aside.barcode and (barcode or test != aside.test):
            return False
        foreign = is_foreign(aside.program)
        if foreign and test != aside.test:
            return False
        reader: Reader = Draining(aside.program, test, after, step)
        self._readers[channel] = Following(test, aside.first, after) if foreign else reader
        return True

    async def output_off(self, channel: str) -> None:
        """Stop the channel; one that does not work is left as it is."""
        (state,) = await self._states([channel])
        if state in RUNS:
            if channel in self._readers:
                self._readers[channel].stopped = True
            await self._ask("stop", self._list("stop", channel, "true"))
            (state,) = await self._states([channel])
            if state in RUNS:
                raise WireError(f"{channel}: wanted it stopped, found {state}")

    # --- whose test it is -----------------------------------------------------------------------------------------

    async def _stop_ours(self, channel: str, owner: Owner | None) -> None:
        """Stop what runs, if it is ours to stop.

        Raises:
            SettingRefused: It is somebody else's.
        """
        status = await self.status(channel)
        if status.activity == "idle":
            return
        ours = owner is None or (status.owner is not None and status.owner.within(owner.journal))
        if not ours and not await self._known(channel):
            raise SettingRefused(
                f"{channel}: wanted it idle, found {status.text!r}: somebody else's test is not stopped", safe=True
            )
        await self.output_off(channel)

    async def _see_ours(self, channel: str, barcode: str) -> None:
        """Read back that the test which was just started is the channel's; one that is over already says nothing of it.

        Raises:
            SettingRefused: Somebody put another in its place meanwhile: it is neither read nor stopped.
        """
        (state,) = await self._states([channel])
        if state in ENDED or (text := await self._barcode(channel)) == barcode:
            return
        raise SettingRefused(
            f"{channel}: wanted the test {barcode!r} that was started, found {state}: {text!r}: "
            "somebody started another test on the channel",
            safe=True,
        )

    async def _known(self, channel: str) -> bool:
        """Tell whether the program beside the step file is the one that runs: one of a version that wrote no owner."""
        aside = await asyncio.to_thread(Sidecar.read, self._path(channel).with_suffix(".json"))
        return aside is not None and not is_foreign(aside.program) and aside.barcode == await self._barcode(channel)

    async def _follow(self, channel: str, program: Program) -> ReadBack:
        """Read the test that runs from its last record on; write down which, for whoever takes it up again."""
        (test, count), barcode = await self._test(channel), await self._barcode(channel)
        first = max(1, count)
        await asyncio.to_thread(write_aside, self._path(channel), Sidecar(barcode, program, test, first))
        self._readers[channel] = Following(test, first)
        return ReadBack({"test": float(test), "record": float(first)})

    def _path(self, channel: str) -> Path:
        return self.folder / f"labctl-{re.sub(r'[^A-Za-z0-9_-]', '_', channel)}.xml"


def write_files(path: Path, text: str, aside: Sidecar) -> None:
    """Write a step file, and what stands beside it.

    Raises:
        SettingRefused: They cannot be written; the test that they are of has not begun.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingRefused(f"{path}: wanted to write a step file there, found {error}", safe=True) from error
    write_aside(path, aside)


def write_aside(path: Path, aside: Sidecar) -> None:
    """Write what stands beside a step file.

    Raises:
        SettingRefused: It cannot be written.
    """
    try:
        aside.write(path.with_suffix(".json"))
    except OSError as error:
        raise SettingRefused(f"{path}: wanted to write beside a step file, found {error}") from error


def places_of(channels: Mapping[str, str]) -> dict[str, list[str]]:
    """Return device, sub-device and channel of each of our names.

    Raises:
        OptionRefused: A place is not three numbers, or two names have one: each would start tests over the other's.
    """
    places: dict[str, list[str]] = {}
    for name, place in channels.items():
        if re.fullmatch(r"[0-9]{1,9}-[0-9]{1,9}-[0-9]{1,9}", place) is None:
            message = f"wanted devid-subdevid-chlid of the channel {name}, found {place!r}"
            raise OptionRefused(("channels", name), message, f"for example {{{name}: 27-1-1}}")
        numbers = [str(int(number)) for number in place.split("-")]
        if other := next((other for other, taken in places.items() if taken == numbers), ""):
            message = f"wanted a cycler channel of its own for {name}, found {place}, which {other} has"
            raise OptionRefused(("channels", name), message, "give each name its own devid-subdevid-chlid")
        places[name] = numbers
    return places


def is_foreign(program: Program) -> bool:
    """Tell whether a program is what somebody else's test does."""
    step = program.steps[0] if program.steps else None
    return isinstance(step, ProgramStep) and isinstance(step.mode, Foreign)
