"""LAND's `.cex` (LandMon, CT2001A): blocks of the header one after the other, then each step with its records, until the file ends.

The format is not published. The facts here are those that one public decoder found on files of channels of 5 V and 10 mA: framing,
checksums, the record, three modes. Nothing else is guessed: what is not among them is refused by name. A file has no end of its
own, so one that still grows reads as one that was cut off between two records.
"""

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from labctl.exchange.vendor_test import (
    VERBS,
    Convention,
    Counts,
    VendorFileError,
    VendorTest,
    refuse_backwards,
    split_by_sign,
)
from labctl.sample import SECONDS_PER_HOUR, Floats

Records: TypeAlias = NDArray[np.void]
Rows: TypeAlias = tuple[Floats, Floats, Floats]

MAGIC: Final = b"\x10\x11\x09\x88"
HEADER: Final = 0x40  # bytes before the first block
FRAME: Final = 16  # bytes of the frame before a block and behind it, of an event and of the begin of a step
BLOCK, BLOCK_END = b"\xaa\xaa\xff\xff", b"\xbb\xbb\xff\xff"
EVENT, STEP = b"\xcc\xcc\xff\xff", b"\xcd\xcc\xff\xff"
MARKS: Final = np.array([int.from_bytes(mark, "little") for mark in (BLOCK, BLOCK_END, EVENT, STEP)], np.uint32)
BEGUN, GOTO, BETWEEN = 0x33, 0x44, 0x88
"""Events: a test begins, a step is gone to, and an empty one between the blocks of the header."""
INFO, RECIPE = 0xAA, 0x13
DIRECTORY: Final = 0x40  # of the recipe: its entries, of 8 bytes each
OF_STEP, OF_END = 0x02, 0xFD
STEP_ENTRY: Final = 48  # bytes of a step's entry that are read
STEP_WORD, STARTED = 0x22, 0x8000  # behind the mark of a step, and set in its number
KIND: Final = 0x05  # of a channel, in the begin of a step: the only one whose scales are known
RECORD: Final = np.dtype(
    [("time", "<u4"), ("voltage", "<u2"), ("current", "<i2"), ("charge", "<f4"), ("energy", "<f4")]
)
SECOND, VOLT, AMPERE = 0.01, 0.155e-3, 0.31e-6  # of one count: s, V, A
MODES: Final = {0x70: "rest", 0x02: "discharge", 0x03: "charge"}
SAME: Final = 0.05  # by which charge and energy of the rows may differ from what the tester counted
ENOUGH, ROWS = 20, 10  # counts of current on the mean, and rows, below which a file says nothing of its scale
ENDS: Final = {0x0100: "s", 0x0200: "V"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """A step as a file has it: its number in the recipe, mode, cycle, when it began (UTC, s), its byte and its records."""

    number: int
    mode: int
    cycle: int
    began: int
    at: int
    records: Records


@dataclass(slots=True)
class CexContents:
    """What a file holds: its header, the steps of its recipe as mode, current in A and end in words, and its steps."""

    unit: int
    channel: int
    started: int
    recipe: list[tuple[int, float, str]]
    steps: list[Recorded]
    notes: list[str]


def is_cex(head: bytes) -> bool:
    """Tell whether a file is a `.cex`."""
    return head.startswith(MAGIC)


def read(file: Path) -> list[VendorTest]:
    """Read one test.

    Raises:
        VendorFileError: The file is damaged or cut within a record, or holds what is not known: another mode, event or range.
    """
    return [recording_of(file.read_bytes(), file.name)]


def recording_of(data: bytes, name: str, *, growing: bool = False) -> VendorTest:
    """Return the test of a file.

    Args:
        data: Of the file.
        name: Of the file, for messages.
        growing: It is still written: a record of which only the begin is there does not count yet.

    Raises:
        VendorFileError: As `read` has it.
    """
    contents = contents_of(data, name, growing=growing)
    return _recording(contents, name)


# --- bytes ------------------------------------------------------------------------------------------------------------


def word_sum(data: bytes) -> int:
    """Return the checksum of the format: the sum of the words of 16 bits."""
    return int(np.frombuffer(data[: len(data) // 2 * 2], "<u2").astype(np.uint64).sum()) & 0xFFFFFFFF


def contents_of(data: bytes, name: str, *, growing: bool) -> CexContents:
    """Return what a file holds, every frame and checksum looked at.

    Raises:
        VendorFileError: As `read` has it.
    """
    if len(data) < HEADER:
        raise VendorFileError(f"{name}: wanted a header of {HEADER} bytes, found {len(data)}: the file was cut off")
    _checked(data[:0x3C], data[0x3C:HEADER], name, "the header")
    blocks, at = _blocks(data, name)
    missing = [what for number, what in ((INFO, "information"), (RECIPE, "recipe")) if number not in blocks]
    if missing:
        raise VendorFileError(f"{name}: wanted a block with the {missing[0]}, found none: it was cut off or is another")
    info, recipe = blocks[INFO], blocks[RECIPE]
    _checked(info[:0x3C], info[0x3C:0x40], name, "the information")
    _checked(recipe[DIRECTORY:], recipe[0x30:0x34], name, "the recipe")
    (started,) = struct.unpack_from("<I", data, 0x10)
    contents = CexContents(data[9], data[8] + 1, started, _recipe(recipe, name), [], [])
    _walk(data, at, contents, name, growing=growing)
    return contents


def _checked(data: bytes, stored: bytes, name: str, what: str) -> None:
    wanted, found = int.from_bytes(stored, "little"), word_sum(data)
    if len(stored) < 4 or wanted != found:
        raise VendorFileError(f"{name}: wanted {what} with checksum {wanted:#x}, found {found:#x}: the file is damaged")


def _blocks(data: bytes, name: str) -> tuple[dict[int, bytes], int]:
    """Return the blocks of the header by their number, and the byte behind the last one."""
    blocks: dict[int, bytes] = {}
    at = HEADER
    while data[at : at + 4] in (BLOCK, EVENT):
        if data[at : at + 4] == EVENT:
            if data[at + 4 : at + 5] != bytes([BETWEEN]):
                break
            at += FRAME
            continue
        frame = data[at + 4 : at + FRAME]
        number, size = struct.unpack_from("<HH", frame) if len(frame) == FRAME - 4 else (0, len(data))
        begin, end = at + FRAME, at + FRAME + size
        if len(data) < end + FRAME:
            raise VendorFileError(f"{name}: wanted a whole block at byte {at}, found the end: the file was cut off")
        if data[end : end + FRAME] != BLOCK_END + frame:
            raise VendorFileError(f"{name}: wanted the end of block {number:#x} at byte {end}, found another: damaged")
        blocks[number] = data[begin:end]
        at = end + FRAME
    return blocks, at


def _recipe(block: bytes, name: str) -> list[tuple[int, float, str]]:
    """Return the steps of the recipe: mode, current in A, and what ends it in words."""
    steps: list[tuple[int, float, str]] = []
    for at in range(DIRECTORY, len(block) - 7, 8):
        offset, kind, whole = struct.unpack_from("<HBB", block, at)
        if kind == OF_END or whole != 0xFF:
            break
        if kind != OF_STEP:
            continue
        entry = block[DIRECTORY + offset :][:STEP_ENTRY]
        if len(entry) < STEP_ENTRY:
            raise VendorFileError(f"{name}: wanted step {len(steps) + 1} of the recipe, found its end: damaged")
        mode, current = struct.unpack_from("<If", entry)
        what, side, value = struct.unpack_from("<HHf", entry, 40)
        sign = "" if what not in ENDS or what == 0x0100 else ">= " if side else "<= "
        steps.append((mode, current, f"{sign}{value:g} {ENDS.get(what, f'of kind {what:#x}')}"))
    return steps


def _walk(data: bytes, at: int, into: CexContents, name: str, *, growing: bool) -> None:
    """Read steps and events from a byte on to the end of a file."""
    cycle = 0  # of the step to come
    while at < len(data):
        if len(data) - at < FRAME:
            if growing:
                return
            raise VendorFileError(
                f"{name}: wanted a record of {FRAME} bytes at byte {at}, found {len(data) - at}: the file was cut off there, "
                "or is still being written: labctl import --follow FOLDER takes what grows"
            )
        match data[at : at + 4]:
            case mark if mark == STEP:
                into.steps.append(step := _step(data, at, cycle, name))
                at += FRAME + len(step.records) * RECORD.itemsize
                cycle = 0
            case mark if mark == EVENT:
                cycle = _event(data, at, into, name)
                at += FRAME
            case mark:
                raise VendorFileError(f"{name}: wanted a step or an event at byte {at}, found {mark.hex(' ')}: damaged")


def _event(data: bytes, at: int, into: CexContents, name: str) -> int:
    """Take the event at a byte and return the cycle of the step behind it, 0 outside a loop.

    The event before a step says how many passes of the loop are done, and flags the loop's first step, with which the next begins.
    """
    kind = data[at + 4]
    if kind == GOTO:
        flag, _, count = struct.unpack_from("<IHH", data, at + 8)
        return int(count + (flag != 0))
    if kind == BEGUN:
        (second,) = struct.unpack_from("<I", data, at + 12)
        if into.steps or second != into.started:
            into.notes.append(
                f"a test is said to begin at byte {at}, {second - into.started} s after the header's begin"
            )
        return 0
    if kind != BETWEEN:
        raise VendorFileError(
            f"{name}: wanted an event that is known at byte {at} (0x33 begin, 0x44 go to a step), found {kind:#04x}: "
            "what it does is not known; export the test from LandMon as text"
        )
    return 0


def _step(data: bytes, at: int, cycle: int, name: str) -> Recorded:
    """Return the step that begins at a byte, with its records up to the next mark or the end."""
    word, number, mode, kind, _, _, began = struct.unpack_from("<HHBBBBI", data, at + 4)
    if word != STEP_WORD or not number & STARTED:
        raise VendorFileError(f"{name}: wanted the begin of a step at byte {at}, found another: the file is damaged")
    number &= ~STARTED
    if mode not in MODES:
        known = ", ".join(f"{code:#04x} {verb}" for code, verb in MODES.items())
        raise VendorFileError(
            f"{name}: wanted a mode that is known in step {number} at byte {at} ({known}), found {mode:#04x}: "
            "what it drives is not known; export the test from LandMon as text"
        )
    if kind != KIND:
        raise VendorFileError(
            f"{name}: wanted a channel of 5 V and 10 mA in step {number} at byte {at} ({KIND:#04x}), found {kind:#04x}: "
            "the scale of another range is not known; export the test from LandMon as text"
        )
    begin = at + FRAME
    there = (len(data) - begin) // RECORD.itemsize
    firsts = np.frombuffer(data, RECORD, there, begin)["time"]
    marks = np.flatnonzero(np.isin(firsts, MARKS)) if there else firsts
    records = np.frombuffer(data, RECORD, int(marks[0]) if len(marks) else there, begin)
    return Recorded(number, mode, cycle, began, at, records)


# --- columns ----------------------------------------------------------------------------------------------------------


def _recording(contents: CexContents, name: str) -> VendorTest:
    steps = [step for step in contents.steps if len(step.records)]
    counts = [len(step.records) for step in steps]
    records = np.concatenate([step.records for step in steps]) if steps else np.empty(0, RECORD)

    def each(values: list[int]) -> Counts:
        return np.repeat(np.array(values, np.int64), counts)

    time, voltage, current = (
        records[field] * scale for field, scale in (("time", SECOND), ("voltage", VOLT), ("current", AMPERE))
    )
    refuse_backwards(time, name)
    segment = each(list(range(1, len(steps) + 1)))
    verb = each([VERBS.index(MODES[step.mode]) for step in steps])
    with np.errstate(invalid="ignore"):  # what is no number is found below
        charge, energy = records["charge"].astype(np.float64), records["energy"].astype(np.float64)
    if not (np.isfinite(charge).all() and np.isfinite(energy).all()):
        row = int(np.argmin(np.isfinite(charge) & np.isfinite(energy))) + 1
        raise VendorFileError(
            f"{name}, row {row}: wanted what the tester counted, found no number: the file is damaged"
        )
    charging = verb == VERBS.index("charge")
    counters = (*split_by_sign(charge, charging, segment), *split_by_sign(energy, charging, segment))
    sums = (_last(counters[0]) + _last(counters[1]), _last(counters[2]) + _last(counters[3]))
    notes = [
        *contents.notes,
        *_step_notes(contents, steps),
        *_scale_notes(name, (time, voltage, current), segment, sums),
    ]
    cycle, conventions = each(_cycles(steps, notes)), (
        Convention("voltage, current", "counts of 0.155 mV and 0.31 uA (5 V, 10 mA), positive charges", "V, A, the same sign"),
        Convention("charge, energy", "Ah, Wh, from 0 in each step", "Ah, Wh, counters of the run in each direction"),
        Convention("cycle", "passes of the loop, counted by the tester", "the same numbers, 0 outside the loop"),
    )  # fmt: skip
    began = float(contents.started)
    identity = f"LAND unit {contents.unit} channel {contents.channel} from {contents.started}"
    recipe = "; ".join(
        f"{number} {MODES.get(mode, f'mode {mode:#x}')} {1e3 * current:g} mA to {end}"
        for number, (mode, current, end) in enumerate(contents.recipe, 1)
    )
    first = time[np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.int64)] if steps else time
    return VendorTest(
        f"unit {contents.unit} channel {contents.channel}", time, voltage, current, segment,
        each([step.number for step in steps]), cycle, verb, *counters, step_time=time - np.repeat(first, counts),
        began=began, facts={"unit": str(contents.unit), "channel": str(contents.channel), "recipe": recipe},
        conventions=conventions, notes=tuple(notes), identity=identity,
    )  # fmt: skip


def _last(counter: Floats) -> float:
    return float(counter[-1]) if len(counter) else 0.0


def _cycles(steps: list[Recorded], notes: list[str]) -> list[int]:
    """Return the cycle of each step: the tester's count of the loop, or where that goes astray where the steps begin again."""
    counted = [step.cycle for step in steps]
    if all(later - earlier in {0, 1} for earlier, later in pairwise([0, *counted])):
        return counted
    notes.append("the tester's count of the loop does not rise by one: a cycle begins where a step comes again")
    cycles, before = [1] if steps else [], steps[:1]
    for step in steps[1:]:
        cycles.append(cycles[-1] + (step.number <= before[0].number))
        before = [step]
    return cycles


def _step_notes(contents: CexContents, steps: list[Recorded]) -> list[str]:
    """Return where steps are not as the recipe has them, and where the clock of the tester's computer goes back."""
    notes = []
    recipe = dict(enumerate((mode for mode, _, _ in contents.recipe), 1))
    other = sorted({step.number for step in steps if recipe.get(step.number) != step.mode})
    if other:
        notes.append(f"steps {', '.join(map(str, other))} are not of the kind that the recipe has under their numbers")
    back = [number for number, (one, two) in enumerate(pairwise(steps), 2) if two.began < one.began]
    if back:
        notes.append(f"the clock of the tester goes back {len(back)} times, first at step {back[0]}; test time is used")
    return notes


def _scale_notes(name: str, rows: Rows, segment: Counts, counted: tuple[float, float]) -> list[str]:
    """Hold current and voltage against the tester's own counters of charge and energy; a file says its range nowhere else.

    Args:
        name: Of the file.
        rows: Time, voltage and current.
        segment: Steps, within which is summed.
        counted: By the tester in both directions together, Ah and Wh.

    Raises:
        VendorFileError: They are of another range.
    """
    time, voltage, current = rows
    driven = np.abs(current[current != 0.0])
    within = np.diff(segment) == 0
    charge = within * np.diff(time) * (np.abs(current[1:]) + np.abs(current[:-1])) / 2.0 / SECONDS_PER_HOUR
    sums = (float(charge.sum()), float((charge * (voltage[1:] + voltage[:-1]) / 2.0).sum()))
    if len(driven) < ROWS or driven.mean() < ENOUGH * AMPERE or min(*sums, *counted) <= 0.0:
        return ["too little was charged to hold the scales of voltage and current against what the tester counted"]
    for what, found, wanted, unit in zip(("charge", "energy"), sums, counted, ("Ah", "Wh"), strict=True):
        if abs(found / wanted - 1.0) > SAME:
            raise VendorFileError(
                f"{name}: wanted rows whose {what} is what the tester counted, {wanted:.4g} {unit}, found {found:.4g} {unit}: "
                "the channel is not of 5 V and 10 mA, and the scale of another range is not known; export it from LandMon as text"
            )
    return []
