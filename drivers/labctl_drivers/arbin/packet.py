"""Arbin's CTI as bytes: a header, a body, and the sum of all bytes. Little-endian; texts of fixed length, UTF-16.

Facts: CTI protocol 1.1 as a public client has it. The length field of a request counts what follows it without the header's first
twelve bytes; that of a reply is the whole packet by the same client, which is not proven, so both are taken.
"""

import math
import struct
from dataclasses import dataclass

from labctl.errors import WireError

MAGIC = 0x11DDDDDDDDDDDDDD
HEAD = struct.Struct("<QIII")  # magic, length, command, extended command
SUM = struct.Struct("<H")
LONGEST = 1 << 16  # bytes of a reply
LOGIN, INFO, ASSIGN, START, STOP, SET = 0xEEAB0001, 0xEEAB0003, 0xBB210001, 0xBB320004, 0xBB310001, 0xBB150001
REPLY = {
    LOGIN: 0xEEBA0001, INFO: 0xEEBA0003, ASSIGN: 0xBB120001, START: 0xBB230004, STOP: 0xBB130001, SET: 0xBB510001,
}  # fmt: skip
VARIABLES = (52, 53, 54, 55, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116)  # codes of MV_UD1 to 16
LOGIN_RESULT, CHANNELS = struct.Struct("<I"), struct.Struct("<I")
READINGS = struct.Struct("<dd7f")  # test time, step time, V, A, W, Ah charged, Ah discharged, Wh charged, Wh discharged


@dataclass(frozen=True, slots=True)
class ChannelInfo:
    """What a channel does and reads: s, V, A as they stand in the packet."""

    channel: int
    status: int
    lost: bool
    schedule: str
    test: str
    why: str
    time: float
    voltage: float
    current: float


def request(command: int, body: bytes) -> bytes:
    """Return the packet of a request."""
    packet = HEAD.pack(MAGIC, len(body) + 10, command, 0) + body
    return packet + SUM.pack(sum(packet) & 0xFFFF)


def text(words: str, size: int) -> bytes:
    """Return a text of fixed length.

    Raises:
        ValueError: It is longer.
    """
    raw = words.encode("utf-16-le")
    if len(raw) > size:
        raise ValueError(f"wanted at most {size // 2} characters, found {words!r}")
    return raw.ljust(size, b"\0")


def login(user: str, password: str) -> bytes:
    """Return the request to log in."""
    return request(LOGIN, b"".join(word.encode()[:32].ljust(32, b"\0") for word in (user, password)))


def info(channel: int) -> bytes:
    """Return the question of what a channel does, from 0."""
    return request(INFO, struct.pack("<hhI32x", channel, 1, 0))


def assign(channel: int, schedule: str, variables: tuple[float, ...], barcode: str = "") -> bytes:
    """Return the order that gives a channel a schedule and its first variables."""
    values = (*variables, *(0.0,) * (16 - len(variables)))
    named = text(schedule, 400)
    return request(
        ASSIGN, struct.pack("<iB", channel, 0) + named + struct.pack("<f", 1.0) + text(barcode, 144)
        + struct.pack("<16f32x", *values)
    )  # fmt: skip


def start(channel: int, test: str) -> bytes:
    """Return the order that starts the schedule of a channel."""
    return request(START, text(test, 144) + struct.pack("<IH", 1, channel))


def stop(channel: int) -> bytes:
    """Return the order that stops one channel."""
    return request(STOP, struct.pack("<IB101x", channel, 0))


def set_variable(channel: int, number: int, value: float) -> bytes:
    """Return the order that sets MV_UD `number`, from 1, while a schedule runs."""
    return request(SET, struct.pack("<Iii16xif16x", channel, 1, VARIABLES[number - 1], 1, value))


def lengths(head: bytes) -> tuple[int, ...]:
    """Return how long the packet of a reply may be, the least first.

    Raises:
        WireError: It does not begin like one.
    """
    magic, length, _, _ = HEAD.unpack_from(head)
    if magic != MAGIC or not HEAD.size <= length <= LONGEST:
        raise WireError(f"wanted the begin of a packet, found {head[:20].hex()}")
    return length, length + 2, length + 12


def is_whole(packet: bytes) -> bool:
    """Tell whether a packet ends with the sum of what is before."""
    return len(packet) > HEAD.size and SUM.unpack(packet[-2:])[0] == sum(packet[:-2]) & 0xFFFF


def body_of(packet: bytes, command: int, least: int) -> bytes:
    """Return the packet of a reply.

    Raises:
        WireError: It answers another request, or is too short.
    """
    found = HEAD.unpack_from(packet)[2] if len(packet) >= HEAD.size else 0
    if found != REPLY[command] or len(packet) < least:
        raise WireError(f"wanted the reply {REPLY[command]:08X} of {least} bytes, found {found:08X} of {len(packet)}")
    return packet


def login_of(packet: bytes) -> tuple[int, str, int]:
    """Return the result of a login, the serial number and the number of channels."""
    packet = body_of(packet, LOGIN, 8668)
    serial = packet[28:44].decode("ascii", "replace").rstrip("\0")
    return LOGIN_RESULT.unpack_from(packet, 20)[0], serial, CHANNELS.unpack_from(packet, 8664)[0]


def result_of(packet: bytes, command: int, channel: int) -> int:
    """Return the result of an order to a channel.

    Raises:
        WireError: It is of another channel.
    """
    packet = body_of(packet, command, 25)
    if (found := struct.unpack_from("<i", packet, 20)[0]) != channel:
        raise WireError(f"wanted the result of channel {channel}, found that of {found}")
    return packet[24]


def info_of(packet: bytes, channel: int) -> ChannelInfo:
    """Return what a channel does.

    Raises:
        WireError: It is of another channel, or its numbers are none.
    """
    packet = body_of(packet, INFO, 1729)
    (found,) = struct.unpack_from("<I", packet, 24)
    if found != channel:
        raise WireError(f"wanted the readings of channel {channel}, found those of {found}")
    status, lost = struct.unpack_from("<hB", packet, 28)
    time, _, voltage, current, *_ = READINGS.unpack_from(packet, 1685)
    if not math.isfinite(time):
        raise WireError(f"wanted a test time of channel {channel}, found {time}")
    return ChannelInfo(
        channel, status, bool(lost), _text(packet[31:431]), _text(packet[431:575]),
        packet[575:675].decode("utf-8", "replace").split("\0")[0], time, voltage, current,
    )  # fmt: skip


def _text(raw: bytes) -> str:
    return raw.decode("utf-16-le", "replace").split("\0")[0]
