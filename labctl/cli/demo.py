"""A bounded show of the whole thing: the protocol library on simulated cells, live, durable, resumed after a kill."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.errors import LabctlError, OrderRefused, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from labctl.store.entry import StoredRun
    from labctl.store.reader import Reader

MARK = "labctl-demo"  # name of the folder, and of the file by which one of ours is known
START_WITHIN = 120.0  # s, on a machine that is busy with something else
ACT = 2.0  # s until the kill
PAUSE = 0.02  # s between two looks for the daemon
WIDTH = 1000  # columns: no row of the table of results is cut


@dataclass(frozen=True, slots=True)
class Scene:
    """One protocol of the library on one of the simulated cells."""

    protocol: str
    cell: str
    values: dict[str, str] = field(default_factory=dict)


SCENES = (
    Scene("activation", "phlt-symmetric"),
    Scene("ccd-time-constant", "phlt-symmetric"),
    Scene("ccd-capacity-constant", "phl-symmetric"),
    Scene("gitt", "n-lvo-tfb", {"low": "0.05 V", "high": "1.9 V"}),
    Scene("rate-test", "phlt-ncm811"),
    Scene("bending-cycling", "voc1-atfb"),
    Scene("cccv-cycling", "marquis2019"),
    Scene("stripping-life", "na-vn", {"current": "0.5 mA/cm2", "areal": "1 mAh/cm2"}),
)


def command(
    *,
    crash: Annotated[bool, typer.Option("--crash", help="kill the daemon with SIGKILL half-way, and go on")] = False,
    web: Annotated[
        bool,
        typer.Option("--web", help="in a browser, five minutes a second, until Ctrl-C; for following and ordering"),
    ] = False,
    folder: Annotated[Path, typer.Option("--folder", help="where data go; an earlier demo there is removed")] = Path(
        MARK
    ),
) -> None:
    """Run the protocol library on simulated cells as fast as it goes, and show it live through MQTT."""
    stage = DemoStage(prepared(folder, "300" if web else "fast"))
    try:
        stage.launch()  # its imports and ours take their time together
        console = stage.console
        console.print(
            f"{len(SCENES)} protocols on simulated cells; every row durable in {stage.data}, shown through MQTT",
            highlight=False,
            soft_wrap=True,
        )
        stage.wait()
        stage.open_pages()
        stage.open()
        console.print(f"in a browser, live: {stage.address()}", highlight=False, soft_wrap=True)
        if web:
            stage.stay()
            return
        if crash:
            stage.watch(ACT)
            stage.kill()
            stage.launch()
            stage.wait()
        stage.watch(None)
    finally:
        stage.end()
    shown(stage, console, crash=crash)


def prepared(folder: Path, clock: str = "fast") -> Path:
    """Return an empty folder with a station file of as many channels as there are scenes.

    Raises:
        UsageError: There is a folder of that name that no demo made.
    """
    if folder.exists():
        if not (folder / MARK).is_file():
            raise UsageError(
                f"wanted a new folder or one of an earlier demo, found {folder}; choose another with --folder"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("made by labctl demo, and removed by the next one\n", encoding="utf-8")
    parts = "{cell: {instrument: bench, at: N}, stage: {instrument: bench, at: N}}"
    channels = "".join(
        f"  {channel(number)}: {parts.replace('N', str(number))}\n" for number in range(1, len(SCENES) + 1)
    )
    head = f"labctl_station: 1\nname: demo\nclock: {clock}\nstore: data\n"
    text = f"{head}instruments:\n  bench: {{driver: simulated}}\nchannels:\n{channels}"
    (folder / "station.yaml").write_text(text, encoding="utf-8")
    return folder


def channel(number: int) -> str:
    """Return the name of a channel."""
    return f"c{number}"


class DemoStage:
    """The daemon in a process of its own, and what this process asks of it."""

    def __init__(self, folder: Path) -> None:
        """Take a prepared folder."""
        self.folder = folder
        self.data = folder / "data"
        self._log = (folder / "daemon.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self._pages: subprocess.Popen[bytes] | None = None
        self.cut: dict[int, int] = {}

    @cached_property
    def console(self) -> "Console":
        """The terminal."""
        from rich.console import Console

        return Console()

    def launch(self) -> None:
        """Start the daemon without waiting for it."""
        words = [sys.executable, "-m", "labctl", "serve", "--attached", "--station", str(self.folder / "station.yaml")]
        self._process = subprocess.Popen(words, stdout=self._log, stderr=self._log, stdin=subprocess.PIPE)  # noqa: S603

    def open_pages(self) -> None:
        """Start the pages without waiting for them; what they say goes to a file."""
        words = [
            sys.executable,
            "-m",
            "labctl",
            "web",
            "--data",
            str(self.data),
            "--listen",
            "127.0.0.1:0",
            "--attached",
        ]
        with (self.folder / "web.log").open("wb") as log:
            self._pages = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=log, stderr=self._log)  # noqa: S603

    def address(self) -> str:
        """Return where the pages are, with a link that lets in once.

        Raises:
            OrderRefused: They did not come up.
        """
        deadline = time.monotonic() + START_WITHIN
        while time.monotonic() < deadline and self._pages is not None and self._pages.poll() is None:
            line = (self.folder / "web.log").read_text(encoding="utf-8")
            if line.endswith("\n") and " at " in line:
                return line.strip().partition(" at ")[2]
            time.sleep(PAUSE)
        raise OrderRefused(f"the pages did not come up; see {self.folder / 'daemon.log'}")

    def stay(self) -> None:
        """Serve until Ctrl-C, or until the daemon ends."""
        self.console.print("Ctrl-C ends it; the journal stays", style="dim")
        assert self._process is not None
        with contextlib.suppress(KeyboardInterrupt):
            self._process.wait()

    def wait(self) -> None:
        """Wait until the daemon answers.

        Raises:
            OrderRefused: It did not.
        """
        assert self._process is not None
        deadline = time.monotonic() + START_WITHIN
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise OrderRefused(f"the daemon did not start; see {self.folder / 'daemon.log'}")
            time.sleep(PAUSE)

    def _answers(self) -> bool:
        from labctl.control.client import DaemonClient

        try:
            with DaemonClient(self.data) as client:
                return bool(client.info().get("mqtt_prefix"))
        except LabctlError:
            return False

    def open(self) -> None:
        """Start every scene on a channel."""
        from labctl.cli.terminal.input_files import library
        from labctl.control.client import DaemonClient

        with DaemonClient(self.data) as client:
            for number, scene in enumerate(SCENES, 1):
                wanted = {
                    "protocol": str((library() / f"{scene.protocol}.yaml").absolute()),
                    "cell": str((library() / "cells" / f"{scene.cell}.yaml").absolute()),
                    "channel": channel(number),
                    "values": scene.values,
                }
                client.order("start", wanted)

    def watch(self, seconds: float | None) -> None:
        """Show the live table, for some seconds or until nothing runs any more."""
        from labctl.cli.terminal.live_table import run, show
        from labctl.control.client import DaemonClient
        from labctl.publish.board import Board
        from labctl.publish.broker import BrokerAddress

        with DaemonClient(self.data) as client:
            info = client.info()
        board = Board(str(info["mqtt_prefix"]))

        async def act() -> None:
            table = show(board, BrokerAddress.from_info(info), until_done=True, console=self.console)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await table

        run(act())
        if not self.console.is_terminal:
            self.console.line()  # in a file the last table ends without one

    def kill(self) -> None:
        """Kill the daemon as a power cut would: no warning, no clean-up."""
        assert self._process is not None
        self._process.kill()
        self._process.communicate()
        self.cut = cut_off(self.data)
        self.console.print("\n[bold red]SIGKILL[/bold red] to the daemon: no warning, no clean-up")
        for name, row in self.cut.items():
            self.console.print(f"  run {name} was cut off; its last commit ends with row {row}", highlight=False)
        self.console.print("the same folder again: every run goes on where its last commit stands\n")

    def end(self) -> None:
        """Ask the daemon and the pages to end."""
        if self._pages is not None and self._pages.poll() is None:
            self._pages.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._pages.wait(5)
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._log.close()


def cut_off(data: Path) -> dict[int, int]:
    """Return the runs that have not ended, with the index of their last committed row."""
    from labctl.store.reader import Reader

    with Reader(data) as reader:
        return {run.run_id: run.rows - 1 for run in reader.runs(active=True)}


def shown(stage: DemoStage, console: "Console", *, crash: bool) -> None:
    """Print what each run found, write its page, verify the journal, and say where data are."""
    from rich.table import Table

    from labctl.report.summary import COLUMNS, NUMBERS
    from labctl.store.reader import Reader

    table = Table(box=None, header_style="dim", padding=(0, 2))
    for name in COLUMNS:
        table.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=True)
    with Reader(stage.data) as reader:
        for run in reader.runs():
            table.add_row(*told(reader, run, stage.folder))
    type(console)(width=WIDTH).print(table)
    if crash:
        names = ", ".join(map(str, stage.cut)) or "none"
        console.print(f"cut off by the kill and gone on inside the same step: runs {names}", highlight=False)
        verified(stage, console)
    for line in (
        f"data: {stage.data}/journal.db    pages with plots: {stage.folder}/run-*.html",
        f"next: labctl show 2 --db {stage.data}",
        f"      labctl export 2 --db {stage.data} --format bdf-csv -o run-2.bdf.csv",
        f"      labctl web --data {stage.data}    # the pages again, which ended with the demo; live: labctl demo --web",
    ):
        console.print(line, highlight=False, soft_wrap=True)


def told(reader: "Reader", run: "StoredRun", folder: Path) -> tuple[str, ...]:
    """Return a run as a row of the table, and write its page."""
    from labctl.report.page import page
    from labctl.report.plots.choose import figures_of
    from labctl.report.run_data import analyse, default_analyses, plan_of, record_of
    from labctl.report.summary import line

    record = record_of(reader, run)
    analyses = analyse(record, default_analyses(plan_of(reader, run)))
    (folder / f"run-{run.run_id}.html").write_text(page(run, analyses, figures_of(record, analyses)), encoding="utf-8")
    return line(run, record, analyses)


def verified(stage: DemoStage, console: "Console") -> None:
    """Run `labctl verify` and print what it says."""
    words = [sys.executable, "-m", "labctl", "verify", "--db", str(stage.data)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    console.print(f"labctl verify --db {stage.data}: {(done.stdout + done.stderr).strip()}", highlight=False)
