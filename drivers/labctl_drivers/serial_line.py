"""Lines that pyserial opens: what fails on one says at which port, as an instrument that cannot be reached."""

from typing import Any, Final

from labctl.errors import Unreachable

LONGEST_LINE: Final = 4096  # bytes
MOST_WAITING: Final = 65536  # bytes without the end of a line


def open_line(port: str, baud: int, timeout: float, wanted: str, *, fresh: bool = False) -> Any:
    """Open a line.

    Args:
        port: `/dev/ttyACM0`, `socket://10.0.0.7:10001`, or what else pyserial's `serial_for_url` takes.
        baud: Bits per second.
        timeout: Seconds to wait for what is read.
        wanted: What should answer there, with its article, for the message.
        fresh: What has come already is let go.

    Raises:
        Unreachable: It cannot be opened.
    """
    import serial  # noqa: PLC0415

    try:
        line = serial.serial_for_url(port, baudrate=baud, timeout=timeout)
        if fresh:
            line.reset_input_buffer()
    except (OSError, serial.SerialException) as error:
        raise Unreachable(f"{port}: wanted {wanted}, found {error}") from error
    return line


def close_line(line: Any) -> None:
    """Close a line, and the socket behind `socket://`, which pyserial leaves open where the other end has gone."""
    socket = getattr(line, "_socket", None)
    line.close()
    if socket is not None:
        socket.close()


def send(line: Any, port: str, data: bytes) -> None:
    """Write to a line.

    Raises:
        Unreachable: It is None, so not open, or does not take it.
    """
    if line is None:
        raise Unreachable(f"{port}: not open")
    try:
        line.write(data)
    except OSError as error:
        raise Unreachable(f"{port}: {error}") from error


def receive(line: Any, port: str) -> str:
    """Read one line of ASCII, without its end and the blanks around.

    Raises:
        Unreachable: None came whole within the line's timeout.
    """
    try:
        raw = line.readline(LONGEST_LINE)
    except OSError as error:
        raise Unreachable(f"{port}: {error}") from error
    if not raw.endswith(b"\n"):
        raise Unreachable(f"{port}: wanted a line, found {raw[:60]!r} within {line.timeout:g} s")
    return str(raw.decode("ascii", "replace").strip())


def next_line(line: Any, port: str, waiting: bytes) -> tuple[bytes, bytes]:
    """Return the next line, without its end, of what waits and of what comes then, and what is left behind it.

    Raises:
        Unreachable: Nothing came within the line's timeout, or more than `MOST_WAITING` bytes without an end.
    """
    while b"\n" not in waiting:
        try:
            more = line.read(max(1, line.in_waiting))
        except OSError as error:
            raise Unreachable(f"{port}: {error}") from error
        if not more:
            raise Unreachable(f"{port}: wanted a line, found {waiting[:60]!r} within {line.timeout:g} s")
        waiting += more
        if len(waiting) > MOST_WAITING and b"\n" not in waiting:
            raise Unreachable(f"{port}: wanted a line, found {len(waiting)} bytes without an end")
    raw, _, rest = waiting.partition(b"\n")
    return bytes(raw), bytes(rest)
