"""Modbus as bytes: RTU frames, on serial lines and as they are over TCP by converters, and the frames of Modbus TCP.

Facts: Modbus application protocol 1.1b3 and its serial line guide. Registers have sixteen bits, the high byte first.
"""

import struct

from labctl.errors import SettingRefused, WireError

READ_HOLDING, READ_INPUT, WRITE = 3, 4, 16
REFUSED = 0x80  # added to the function of a request that is refused
REASONS = {
    1: "it knows no such function", 2: "it has no such registers", 3: "it takes no such value", 4: "it failed",
    6: "it is busy",
}  # fmt: skip


def reading(function: int, first: int, count: int) -> bytes:
    """Return the request for registers."""
    return struct.pack(">BHH", function, first, count)


def writing(first: int, values: list[int]) -> bytes:
    """Return the order that sets registers."""
    return struct.pack(f">BHHB{len(values)}H", WRITE, first, len(values), 2 * len(values), *values)


def checksum(data: bytes) -> int:
    """Return the CRC-16 of an RTU frame, its low byte first on the line."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
    return crc


def rtu(unit: int, request: bytes) -> bytes:
    """Return a request as an RTU frame."""
    data = bytes((unit,)) + request
    return data + struct.pack("<H", checksum(data))


def rest_of_rtu(head: bytes) -> int:
    """Return how many bytes follow the first three of an RTU reply."""
    function = head[1]
    if function & REFUSED:
        return 2
    return head[2] + 2 if function in {READ_HOLDING, READ_INPUT} else 5


def from_rtu(frame: bytes, unit: int) -> bytes:
    """Return the reply inside an RTU frame.

    Raises:
        WireError: Its checksum is wrong, or another unit answered.
    """
    if len(frame) < 5 or struct.unpack("<H", frame[-2:])[0] != checksum(frame[:-2]) or frame[0] != unit:
        raise WireError(f"wanted a frame of unit {unit} with its checksum, found {frame[:20].hex()}")
    return frame[1:-2]


def tcp(number: int, unit: int, request: bytes) -> bytes:
    """Return a request as a frame of Modbus TCP."""
    return struct.pack(">HHHB", number, 0, len(request) + 1, unit) + request


def rest_of_tcp(head: bytes, number: int, unit: int) -> int:
    """Return how many bytes follow the first seven of a reply of Modbus TCP.

    Raises:
        WireError: It answers another request.
    """
    found, protocol, length, other = struct.unpack(">HHHB", head)
    if (found, protocol, other) != (number, 0, unit) or not 2 <= length <= 254:
        raise WireError(f"wanted the reply {number} of unit {unit}, found {head.hex()}")
    return int(length) - 1


def values_of(reply: bytes, function: int, count: int) -> list[int]:
    """Return the registers of a reply.

    Raises:
        SettingRefused: The request was refused.
        WireError: It answers another one.
    """
    _see(reply, function)
    if len(reply) != 2 + 2 * count or reply[1] != 2 * count:
        raise WireError(f"wanted {count} registers, found {reply[:20].hex()}")
    return list(struct.unpack(f">{count}H", reply[2:]))


def confirm_written(reply: bytes, first: int, count: int) -> None:
    """See that registers were set.

    Raises:
        SettingRefused: The order was refused.
        WireError: The reply is to another one.
    """
    _see(reply, WRITE)
    if reply[1:] != struct.pack(">HH", first, count):
        raise WireError(f"wanted {count} registers set from {first}, found {reply[:20].hex()}")


def _see(reply: bytes, function: int) -> None:
    if len(reply) >= 2 and reply[0] == function | REFUSED:
        raise SettingRefused(f"Modbus function {function}: {REASONS.get(reply[1], f'reason {reply[1]}')}", safe=True)
    if not reply or reply[0] != function:
        raise WireError(f"wanted the reply to function {function}, found {reply[:20].hex()}")
