"""Damaged bytes for every framing parser: none may raise anything but an error of ours.

python -m tests.property.wire.fuzz --inputs 1000000
"""

import argparse
import random
import sys
from collections.abc import Callable, Mapping, Sequence

from labctl.driver import Program, ProgramStep, Rest
from labctl.errors import LabctlError
from labctl_drivers.arbin import packet
from labctl_drivers.chamber import registers
from labctl_drivers.grbl import REPORT, position, setting
from labctl_drivers.keithley.output import numbers
from labctl_drivers.keithley.tsp import tsp_numbers
from labctl_drivers.maccor.client import number_of, result_of
from labctl_drivers.maccor.direct import second_of, signed_current
from labctl_drivers.neware.records import Draining, take_records
from labctl_drivers.neware.replies import Records, parsed, records_at_once, records_in, states_in, whole
from labctl_drivers.palmsens.script import read_package
from labctl_drivers.rodeostat.board import parsed as json_line
from labctl_drivers.rodeostat.board import sample_of
from labctl_drivers.zaber import microsteps, reply_of

HEAD = b'<?xml version="1.0" encoding="UTF-8" ?>\r\n<bts version="1.0">\r\n  <cmd>donwload_resp</cmd>\r\n'
ROW = b'<data seqid="%d" stepid="%d" cycleid="1" steptype="cc" testtime="%d" volt="3.7" curr="-0.5" cap="0.001" eng="0.0037"/>'
RECORDS = (
    HEAD + b'<list count="3">' + ROW % (1, 1, 0) + ROW % (2, 1, 1000) + ROW % (3, 2, 0) + b"</list></bts>\n\n#\r\n"
)
CHANNEL = (
    b'{"jsonrpc": "2.0", "result": {"FClass": 4, "FNum": 7, "Chan": 0, "RF1": 1, "RF2": 0, "Stat": 2, "TestTime": 12.5, '
    b'"Current": 0.1, "Voltage": 3.85, "TesterTime": "2022-10-13T12:32:56"}, "id": 1987}\r\n'
)
INFO = packet.HEAD.pack(packet.MAGIC, 1779, packet.REPLY[packet.INFO], 0) + bytes(1759)
VALUES = bytes((3, 4, 0, 0, 66, 72))
STATES = HEAD + b'<list count="1"><chl devid="27" testid="12" count="55">true</chl></list></bts>\n\n#\r\n'
WORK = (
    STATES.replace(b"donwload", b"getchlstatus")
    .replace(b"chl ", b"status ")
    .replace(b'55">true</chl', b'55">working</status')
)


def scpi(data: bytes) -> None:
    """Read a reply of a source meter."""
    numbers(data.decode("ascii", "replace").strip(), 2)


def tsp(data: bytes) -> None:
    """Read what a source meter has printed."""
    tsp_numbers(data.decode("ascii", "replace").strip(), "smua", 3)


def package(data: bytes) -> None:
    """Read a line of a running script."""
    read_package(data.decode("ascii", "replace"))


def frame(data: bytes) -> None:
    """Read a reply of a cycler to its records, in columns and by a parser: what the columns say, the parser says too."""
    together = records_at_once([data])
    try:
        root = parsed(data, ("donwload_resp", "download_resp"))
        for element in root.iter("chl"):
            whole(element, "count")
        block = records_in(root)
    except LabctlError as error:
        if together is not None:
            raise AssertionError(f"wanted an error, found {together}") from error
        raise
    if together is not None and not is_same(together, block):
        raise AssertionError(f"wanted {block}, found {together}")
    if len(block):
        take_records(block, Draining(Program(1, (ProgramStep(1, Rest()), ProgramStep(2, Rest())))))


def is_same(together: Records, block: Records) -> bool:
    """Tell whether two readings of a reply have the same records, bit for bit."""
    if not len(block):
        return not len(together)
    return [(name, column.tobytes()) for name, column in sorted(together.columns.items())] == [
        (name, column.tobytes()) for name, column in sorted(block.columns.items())
    ]


def states(data: bytes) -> None:
    """Read a reply of a cycler to the states of channels; a parser says the same."""
    said = states_in(data)
    if said != [(row.text or "").strip() for row in parsed(data, ("getchlstatus_resp",)).findall(".//list/status")]:
        raise AssertionError(f"found {said}")


def tester(data: bytes) -> None:
    """Read the status of a channel of a tester."""
    found = result_of(data, {"FClass": 4, "FNum": 7, "Chan": 0})
    signed_current(found)
    second_of(found)
    number_of(found, "Voltage")


def cti(data: bytes) -> None:
    """Read what a channel of a cycler says."""
    if len(data) >= packet.HEAD.size:
        packet.lengths(data)
    packet.is_whole(data)
    packet.info_of(data, 0)


def modbus(data: bytes) -> None:
    """Read a frame of a chamber."""
    if len(data) >= 3:
        registers.rest_of_rtu(data[:3])
    registers.values_of(registers.from_rtu(data, 1), registers.READ_HOLDING, 2)


def modbus_tcp(data: bytes) -> None:
    """Read a frame of a chamber by Modbus TCP."""
    if len(data) >= 7:
        registers.rest_of_tcp(data[:7], 1, 1)
    registers.values_of(data[7:], registers.READ_HOLDING, 2)


def board(data: bytes) -> None:
    """Read a line of a potentiostat."""
    if "success" not in (found := json_line(data)):
        sample_of(found)


def zaber(data: bytes) -> None:
    """Read a reply of a stage."""
    if reply := reply_of(data.decode("ascii", "replace").strip()):
        microsteps(reply.data)


def report(data: bytes) -> None:
    """Read a line of a stage."""
    line = data.decode("ascii", "replace").strip()
    setting(line)
    if found := REPORT.search(line):
        position(found["position"])


PARSERS: dict[str, tuple[Callable[[bytes], None], tuple[bytes, ...]]] = {
    "SCPI": (scpi, (b"5.000000E-04,3.851820E+00", b"+9.91E+37,+1.0E-3", b"-1E-6,3")),
    "TSP": (tsp, (b"smua\t1.00000e+00\t-5.00000000000e-02\t3.8\n", b"smua\t9.91e+37\t0\t3")),
    "MethodSCRIPT": (
        package,
        (b"Pab804E1DFu,10,288;ba8000000n,14,20B", b"Pdc81F4000m;cc80186A0m;cd7FE7960m", b"Pab     nan"),
    ),
    "Neware": (frame, (RECORDS, STATES)),
    "Neware states": (states, (WORK,)),
    "MacNet": (tester, (CHANNEL,)),
    "CTI": (cti, (INFO,)),
    "Modbus": (modbus, (registers.rtu(1, VALUES),)),
    "Modbus TCP": (modbus_tcp, (b"\0\1\0\0\0\7\1" + VALUES,)),
    "Rodeostat": (
        board,
        (b'{"t":10,"v":3.82,"i":-12.5,"le":true}', b'{"success":true,"response":{"command":"getVolt","v":0}}'),
    ),
    "Zaber": (zaber, (b"@01 1 07 OK IDLE -- 12345", b"@01 0 RJ BUSY WR 0", b"!01 1 IDLE --", b"@01 1 OK IDLE -- 0:8C")),
    "GRBL": (report, (b"<Idle|MPos:-2.000,0.000,0.000|FS:0,0>", b"$130=100.000", b"<Hold:0|WPos:1.5,0,0|Bf:15,128>")),
}


STRANGE = (b"nan", b"inf", b"-", b"1e999", b"99999999999999999999", b"\xff", b"&lt;", b"<")


def damaged(random_: random.Random, seeds: Sequence[bytes], strange: Sequence[bytes] = STRANGE) -> bytes:
    """Return bytes of a good input with something done to them, or noise."""
    data = bytearray(random_.choice(seeds))
    for _ in range(random_.choice((1, 1, 2, 4, 16))):
        at = random_.randrange(len(data) + 1)
        match random_.randrange(7):
            case 0 if at < len(data):
                data[at] = random_.randrange(256)
            case 1:
                del data[at : at + random_.randrange(1, 9)]
            case 2:
                data[at:at] = random_.randbytes(random_.randrange(1, 9))
            case 3:
                data[at:at] = random_.choice(strange)
            case 4:
                del data[at:]
            case 5:
                data[at:at] = data[: random_.randrange(len(data) + 1)]
            case _:
                data = bytearray(random_.randbytes(random_.randrange(64)))
    return bytes(data)


Parsers = Mapping[str, tuple[Callable[[bytes], None], tuple[bytes, ...]]]


def fuzz(
    inputs: int,
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
    parsers: Parsers = PARSERS,
    odd: Sequence[bytes] = STRANGE,
    ended: Callable[[], bool] = lambda: False,
) -> list[tuple[str, bytes, Exception]]:
    """Give every parser so many inputs and return those that raised anything but an error of ours.

    Args:
        inputs: For each parser.
        seed: Of all that is drawn.
        progress: Called after each thousand with how many there were.
        parsers: By name, with good inputs for each.
        odd: What is put into good inputs.
        ended: Asked after each thousand whether to end early.
    """
    random_ = random.Random(seed)
    strange: list[tuple[str, bytes, Exception]] = []
    for number in range(inputs):
        for name, (parser, seeds) in parsers.items():
            data = damaged(random_, seeds, odd)
            try:
                parser(data)
            except LabctlError:
                pass
            except Exception as error:  # noqa: BLE001 - this is what is looked for
                strange.append((name, data, error))
        if number % 1000 == 999:
            progress(number + 1)
            if ended():
                break
    return strange


def main(words: Sequence[str] | None = None) -> int:
    """Fuzz from the command line, with progress and the time that is left; return the exit code."""
    from tests.crash.fuzzed import count  # noqa: PLC0415 - what is counted is no part of the tests that use this

    asked = argparse.ArgumentParser(prog="python -m tests.property.wire.fuzz", description=__doc__)
    asked.add_argument("--inputs", type=int, default=1_000_000, help="inputs for each parser")
    asked.add_argument("--seed", type=int, default=None, help="of the first inputs")
    asked.add_argument("--write", action="store_true", help="add to tests/crash/counted/fuzz-wire.json and to the page")
    given = asked.parse_args(words)
    return count("fuzz-wire", PARSERS, STRANGE, given.inputs, given.seed, keep=given.write)


if __name__ == "__main__":
    sys.exit(main())
