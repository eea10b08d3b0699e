"""Words to the service manager that started the daemon (sd_notify(3)): ready, alive, stopping; nothing without one."""

import contextlib
import os
import socket
import sys


def notify(words: str) -> None:
    """Say something such as `READY=1`; where no manager listens, or it does not, nothing happens."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place or sys.platform == "win32":
        return
    address = "\0" + place[1:] if place.startswith("@") else place  # Linux's abstract names
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        line.sendto(words.encode(), address)
