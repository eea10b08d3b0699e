"""A run on an instrument that must be waited for: commands go out in their order, safe ones before anything is written."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from labctl.clock import Machine, one_moment
from labctl.driver import Capabilities, Program, RecordRule
from labctl.plan.index import index
from labctl.plan.patience import patience
from labctl.run.channel import Channel
from labctl.run.session import RunSession

REACTION = 0.3  # s that switching off may take: it is done when the time is over


@dataclass(slots=True)
class PendingCommit:
    """A commit for which a set-point waits.

    Attributes:
        attempt: That the set-point begins.
        since: Clock time at which it began to wait.
        commit: The commit.
    """

    attempt: int
    since: float
    commit: asyncio.Future[int]


@dataclass(slots=True)
class PolledRun:
    """A run at a line.

    Attributes:
        channel: The channel.
        session: Its run.
        capabilities: Of the channel.
        machine: Its clocks, whatever the clock of the station.
        now: The clock of the station.
        resting: No program runs: the instrument's own time counts from nothing.
        heard: Clock time at which the instrument said something of it last.
        measured: Clock time of its last good reading.
        program: That was applied last.
        recording: The commit for which the next set-point waits.
        unguarded: The attempt that waits for the guard, and the clock time since when; None for none.
        lost_at: Run time of the last row before the instrument was lost.
        leaves: An order is under way that stops what runs: no other program is given meanwhile.
        flushed: Clock time at which quiet rows were folded last.
        ahead: By how much the instrument's own time stands ahead of the run's, s, as its rows have shown.
    """

    channel: Channel
    session: RunSession
    capabilities: Capabilities
    machine: Machine
    now: Callable[[], float]
    resting: bool = True
    flushed: float = 0.0
    heard: float = 0.0
    measured: float = 0.0
    program: Program | None = None
    recording: PendingCommit | None = None
    unguarded: tuple[int, float] | None = None
    lost_at: float | None = None
    leaves: bool = False
    ahead: float = 0.0

    def __post_init__(self) -> None:
        """Store where the machine's clocks stand with every checkpoint."""
        self.session.save = self.save

    @property
    def name(self) -> str:
        """The channel's name, for people."""
        return self.channel.name

    @property
    def at(self) -> str:
        """The channel of the instrument."""
        return self.channel.at

    @property
    def only_reads(self) -> bool:
        """Tell whether the run only reads what somebody else's test does: nothing of it is switched off but by a person."""
        return self.session.only_reads

    @property
    def is_read(self) -> bool:
        """Tell whether rows are taken: until it has ended, and not of an output that somebody else has on where it asks."""
        return self.session.finish is None and (not self.channel.foreign or self.only_reads)

    @property
    def record(self) -> tuple[RecordRule, ...]:
        """The record rules of the step that is being done."""
        step = self.session.state.step
        return index(self.session.plan).lines[step.line].record if step else ()

    def runs(self, now: float) -> None:
        """Note that a program runs at a moment of the clock: its rows come from now on."""
        self.resting, self.heard, self.ahead = False, now, 0.0

    def stop_recording(self) -> None:
        """Wait for no commit any more."""
        if self.recording is not None:
            self.recording.commit.cancel()
            self.recording = None

    def blind(self, now: float, speed: float) -> bool:
        """Tell whether the last good reading is so long ago that an energised cell must be switched off.

        Args:
            now: Clock time, s.
            speed: Of the clock: an instrument is polled in seconds of the machine.
        """
        return now - self.measured >= (patience(self.program, self.capabilities) - REACTION) * speed

    def save(self, session: RunSession) -> bytes:
        """Return the resume point as of now."""
        machine = self.machine
        now, monotonic = one_moment(self.now, machine)
        return session.mark(boot=machine.boot, monotonic=monotonic, unix=machine.unix(), time=self.run_time(now))

    def run_time(self, now: float) -> float:
        """Return the run time of a moment of the clock."""
        return now - self.channel.origin

    def row_time(self, time: float, replied: float) -> float:
        """Return the run time of a row by the instrument's own time, s since its program began.

        A program counts from its confirmation, which may come late on a slow line or a busy machine: its rows would then stand
        ahead of the run's clock. No row was measured after its reply came; by how much one seems to be, all of them are ahead.

        Args:
            time: Of the row, s since the program began.
            replied: Clock time at which its reply had come.
        """
        moment = self.session.begun + time - self.ahead
        late = max(0.0, moment - self.run_time(replied))
        self.ahead += late
        return moment - late
