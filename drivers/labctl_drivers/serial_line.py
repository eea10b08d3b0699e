"""Closing lines that pyserial opened."""

from typing import Any


def close_line(line: Any) -> None:
    """Close a line, and the socket behind `socket://`, which pyserial leaves open where the other end has gone."""
    socket = getattr(line, "_socket", None)
    line.close()
    if socket is not None:
        socket.close()
