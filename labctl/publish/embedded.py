"""The embedded broker's own process: `python -m labctl.publish.embedded HOST PORT [PASSWORD_FILE]`.

Prints the port it listens on as one line, or why it cannot, and exits at the end of its standard input.
"""

import asyncio
import logging
import os
import signal
import sys
import threading
import warnings

GRACE = 30  # s beyond a client's keep-alive; clients ping at the keep-alive itself, and amqtt would cut them there


async def serve(host: str, port: int, password_file: str | None = None) -> None:
    """Listen until cancelled; with a password for its user alone."""
    from labctl.publish.broker_login import RightBroker  # noqa: PLC0415 - after the logs are silenced

    door: dict[str, object] = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    if password_file is not None:
        door = {"labctl.publish.broker_login.Password": {"file": password_file}}
    broker = RightBroker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}", "max_connections": 0}},
            "timeout_disconnect_delay": GRACE,
            "plugins": door,
        }
    )
    await broker.start()
    listener = broker._servers["default"].instance  # noqa: SLF001 - no public way to learn the port it was given
    print(listener.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - the parent reads it
    await asyncio.Event().wait()


def exit_with_parent() -> None:
    """Exit at once when the parent's end of the pipe is closed; there is nothing to be saved."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def main() -> int:
    """Run the broker; the parent, not the terminal, says when to stop."""
    logging.disable(logging.CRITICAL)  # a client that hangs up is no news
    warnings.simplefilter("ignore")
    for name in (
        "SIGINT",
        "SIGHUP",
        "SIGTERM",
    ):  # a service manager sends it to all, and the daemon still has to say goodbye
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=exit_with_parent, daemon=True).start()
    try:
        asyncio.run(serve(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
    except Exception as error:  # noqa: BLE001 - said to the parent, which raises it
        print(f"{error.__cause__ or error}", flush=True)  # noqa: T201 - the parent reads it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
