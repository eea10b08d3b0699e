"""The live table: channels as MQTT tells of them, for `labctl watch` and the demonstration."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from labctl.cli.terminal.channel_table import table
from labctl.cli.terminal.console_text import as_json, plain
from labctl.publish.board import Board
from labctl.publish.broker import BrokerAddress
from labctl.publish.watcher import subscribe

PICTURES = 4.0  # a second
SETTLED_FOR = 2.0  # s; the daemon tells of what happens within one


def look(board: Board, address: BrokerAddress, *, json: bool = False, until_done: bool = False) -> None:
    """Show a node until Ctrl-C, or until nothing runs any more; as a table, or every message as a line of JSON."""
    work = (
        print_messages(board, address, until_done=until_done) if json else show(board, address, until_done=until_done)
    )
    run(work)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on a loop that aiomqtt can use: on Windows that is the selector loop."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if sys.platform == "win32":
        factory = asyncio.SelectorEventLoop
    with asyncio.Runner(loop_factory=factory) as runner, contextlib.suppress(KeyboardInterrupt):
        runner.run(work)


async def print_messages(board: Board, address: BrokerAddress, *, until_done: bool = False) -> None:
    """Print what arrives, one JSON object a line."""
    await _until(board, subscribe(board, address, as_json, _complain), until_done=until_done)


async def show(
    board: Board, address: BrokerAddress, *, until_done: bool = False, console: Console | None = None
) -> None:
    """Keep a table of the board on the terminal."""
    screen = console or Console()
    trouble = ""

    def note(why: str) -> None:
        nonlocal trouble
        trouble = why

    def picture() -> Group:
        title = f"{board.prefix}  {board.node}"
        alarms = [Text(f"! {plain(text)}", style="bold red") for text in board.alarms.values()]
        wrong = [Text(trouble, style="yellow")] if trouble else []
        return Group(table(board.rows, title, screen.width), *alarms, *wrong)

    with Live(picture(), console=screen, auto_refresh=False) as live:
        listening = subscribe(board, address, lambda _fields: None, note)
        await _until(board, listening, until_done=until_done, each=lambda: live.update(picture(), refresh=True))


async def _until(
    board: Board, listening: Coroutine[Any, Any, None], *, until_done: bool, each: Callable[[], None] = lambda: None
) -> None:
    """Listen; with `until_done` until the board has been settled for a while, so that a start just given is waited for."""
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(listening)
    unsettled = loop.time()
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=1.0 / PICTURES)
            each()
            if not (until_done and board.settled):
                unsettled = loop.time()
            elif loop.time() - unsettled >= SETTLED_FOR:
                return
        await task
    finally:
        task.cancel()
        await asyncio.wait({task})


def _complain(why: str) -> None:
    if why:
        print(plain(why), file=sys.stderr)
