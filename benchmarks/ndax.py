"""A `.ndax` of any length, made from a small one that BTS wrote: its heads and texts, and rows of cycles at a constant current."""

import os
import subprocess
import sys
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.figure import Promised, at_most
from labctl.exchange.find import recordings_of
from labctl.exchange.import_run import completed

SAMPLE = Path(__file__).parents[1] / "tests" / "vendor" / "46_1_5_60_bts16.ndax"
PAGE, DATA, BITS = 4096, 132, 4  # bytes of a page, and where in it rows and the bits that tell which there are begin
OF_MAIN = np.dtype([("voltage", "<f4"), ("current", "<f4")])
OF_TIMES = np.dtype(
    [("step_time", "<u4"), ("_1", "V1"), ("charged", "<f4"), ("discharged", "<f4"), ("charged_wh", "<f4"),
     ("discharged_wh", "<f4"), ("_2", "V8"), ("dt", "<i4"), ("unix", "<u4"), ("step", "<u4"), ("index", "<u4"),
     ("ms", "<u2"), ("_3", "V53")]
)  # fmt: skip
OF_STEPS = np.dtype(
    [("cycle", "<u4"), ("index", "<u4"), ("_1", "V16"), ("type", "<u1"), ("_2", "V8"), ("at", "<u4"), ("_3", "V63")]
)
ROWS = 1000  # of a step
TYPES = (4, 1, 4, 2)  # rest, charge, rest, discharge, in the codes of BTS
CURRENT = (0.0, 500.0, 0.0, -500.0)  # mA
TIMED = 4  # rows of which one has its time and charge stored; the reader makes those between
BEGAN = 1_758_700_000  # UTC, s


MANY = 5_000_000  # rows that are imported


def imported(folder: Path) -> Iterator[Promised]:
    """Import a file of many rows with the command line, and hold the way to our columns against its reader alone."""
    import fastnda  # noqa: PLC0415 - an extra

    file, journal = write(folder / "long.ndax", MANY), folder / "long.db"
    begin, before = time.monotonic(), os.times()
    subprocess.run(
        [sys.executable, "-m", "labctl", "import", str(file), "--db", str(journal)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    took, cpu = time.monotonic() - begin, os.times()
    spent = cpu.children_user + cpu.children_system - before.children_user - before.children_system
    journal.unlink()
    name = f"CPU of `labctl import` for a .ndax of {MANY:,} rows, journal included"
    yield at_most(name, 20.0, spent, " s", f"{took:.1f} s on the wall with what else this machine did")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for samples of new versions
        alone = spent_on(lambda: fastnda.read(file, cycle_mode="chg"))
    ours = spent_on(lambda: [completed(test) for _, test in recordings_of(file)[1]])
    told = f"{ours:.1f} s of CPU for {alone:.1f} s"
    yield at_most("the same file as checked columns in SI, of the CPU of its reader alone", 1.5, ours / alone, "", told)


def spent_on(run: Callable[[], object]) -> float:
    """Return the CPU time of one call, s, whatever is done on other threads included."""
    begin = time.process_time()
    run()
    return time.process_time() - begin


def write(path: Path, rows: int) -> Path:
    """Write a file of so many rows, a second apart, and return its path; times and charge stand on every fourth row."""
    row = np.arange(rows)
    step, within = row // ROWS, row % ROWS
    main = np.zeros(rows, OF_MAIN)
    main["current"] = np.array(CURRENT)[step % 4]
    main["voltage"] = 1e4 * (3.7 + 5e-4 * np.array((0.0, 1.0, 0.0, -1.0))[step % 4] * within)
    times = np.zeros((rows + TIMED - 1) // TIMED, OF_TIMES)
    times["index"], times["dt"] = 1 + row[::TIMED], 1000
    times["step_time"], times["unix"], times["step"] = 1000 * within[::TIMED], BEGAN + row[::TIMED], 1 + step[::TIMED]
    passed = np.abs(main["current"][::TIMED]) * within[::TIMED]
    for name, kind in (("charged", 1), ("discharged", 3)):
        times[name] = np.where(step[::TIMED] % 4 == kind, passed, 0.0)
        times[f"{name}_wh"] = 3.7 * times[name]
    steps = np.zeros(int(step[-1]) + 1, OF_STEPS)
    number = np.arange(len(steps))
    steps["cycle"], steps["index"], steps["type"] = number // 4, 1 + number % 4, np.array(TYPES)[number % 4]
    tables = {"data.ndc": main, "data_runInfo.ndc": times, "data_step.ndc": steps}
    with zipfile.ZipFile(SAMPLE) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        for name in old.namelist():
            if name in tables:
                new.writestr(name, _pages(old.read(name), tables[name]))
            elif name.endswith(".xml") and "TestInfo" not in name:  # which lists the sample's thermometer
                new.writestr(name, old.read(name))
    return path


def _pages(sample: bytes, table: np.ndarray) -> bytes:
    """Return a table in pages, behind the first page of a file that BTS wrote."""
    size = table.dtype.itemsize
    most = (PAGE - DATA - 1) // size
    pages = np.zeros((-(-len(table) // most), PAGE), np.uint8)
    pages[:, :BITS] = np.frombuffer(sample, np.uint8, BITS, PAGE)
    whole = np.zeros(len(pages) * most, table.dtype)
    whole[: len(table)] = table
    pages[:, DATA : DATA + most * size] = whole.view(np.uint8).reshape(len(pages), most * size)
    there = np.zeros((len(pages), most), bool)
    there.reshape(-1)[: len(table)] = True
    bits = np.packbits(there, axis=1, bitorder="little")
    pages[:, BITS : BITS + bits.shape[1]] = bits
    return sample[:PAGE] + pages.tobytes()
