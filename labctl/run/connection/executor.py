"""What carries the commands of runs out: one loop over commands, one way of failing, one hand-over to the journal.

Output off comes before anything is written; a set-point that energises only after what led to it is durable; a program counts
from its confirmation. How a verb is done is a subclass's: an instrument that is polled is waited for, cells to which time is
given do at once what they are told.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from typing import Generic, Protocol, TypeVar

from labctl.driver import Capabilities
from labctl.engine.input import Apply, Began, InstrumentFault, Off, Order, RaiseMark, SafeHold, StepEnded
from labctl.errors import InstrumentError, LabctlError, StoreError, Unreachable, WireError
from labctl.run.session import RunSession
from labctl.store.entry import Entry

LOG = logging.getLogger("labctl.run")
LINE_ERRORS = (Unreachable, WireError)  # it does not answer, or not what was asked: the line must be opened again


class WentOnError(LabctlError):
    """An instrument had gone on to a later step of its program when the one before was left."""


class Run(Protocol):
    """A run on a channel of an instrument."""

    @property
    def name(self) -> str:
        """The channel's name, for people."""

    @property
    def session(self) -> RunSession:
        """What folds it."""


class Recorder(Protocol):
    """Who takes what is to be stored: the journal's writer, or somebody who hands it on in one piece."""

    def hand_over(self, entries: Sequence[Entry]) -> None:
        """Take entries, the last of them with its checkpoint."""

    def fail(self, run_id: int, record: int, time: float, why: str) -> None:
        """End a run that the engine cannot end any more, after what was handed over."""


R = TypeVar("R", bound=Run)


class Executor(ABC, Generic[R]):
    """Carries the commands of the runs at one instrument out."""

    def __init__(self, recorder: Recorder | None) -> None:
        """Take who stores; None where whoever drives the run commits by itself."""
        self._recorder = recorder

    # --- how a verb is done ---

    @abstractmethod
    async def give(self, run: R, apply: Apply) -> Began:
        """Give a program to the instrument at the cell, and return its confirmation.

        Raises:
            InstrumentError: It was refused, or the line broke.
            StoreError: It could not be noted that the output may be on.
        """

    @abstractmethod
    async def switch_off(self, run: R) -> None:
        """Leave the channel of a run at open circuit.

        Raises:
            InstrumentError: The instrument does not confirm it.
        """

    @abstractmethod
    async def may_give(self, run: R, apply: Apply) -> bool:
        """Tell whether a program may be given now; the command waits where it may not."""

    @abstractmethod
    def rest(self, run: R) -> None:
        """Note that the output is off, while the run goes on."""

    @abstractmethod
    def move(self, run: R, apply: Apply) -> None:
        """Let another part of the channel do its program."""

    @abstractmethod
    def watch(self, run: R) -> None:
        """Take note of what must be watched from now on."""

    @abstractmethod
    async def leave(self, run: R) -> None:
        """Let a run go that has ended; safe to repeat."""

    @abstractmethod
    def lost(self, error: Exception) -> None:
        """Note that the instrument does not answer any more."""

    # --- what is done, in its order ---

    async def begin(self, run: R, capabilities: Capabilities, roles: tuple[str, ...]) -> None:
        """Begin a run."""
        run.session.begin(capabilities, roles)
        await self.settle(run)

    async def fold(self, run: R, happened: Order | InstrumentFault | StepEnded | SafeHold) -> None:
        """Fold what is no row."""
        if run.session.finish is None:
            run.session.take(happened)
            await self.settle(run)

    async def settle(self, run: R) -> None:
        """Carry every command out, hand over what waits, and watch what must be watched from now on.

        A set-point that is not recorded yet stays the next command, and rows go on being read meanwhile.
        """
        session = run.session
        session.replace_commands()
        while session.commands:
            command = session.commands[0]
            if isinstance(command, Apply) and not await self.may_give(run, command):
                break
            match session.commands.popleft():
                case Off():
                    await self.switch_off(run)
                    self.rest(run)
                case RaiseMark():
                    pass
                case Apply(role="cell") as apply:
                    await self._apply(run, apply)
                case Apply() as apply:
                    self.move(run, apply)
                case other:
                    raise AssertionError(other)
        self.hand_over(run)
        if session.finish is None:
            self.watch(run)
        else:
            await self.leave(run)

    async def _apply(self, run: R, apply: Apply) -> None:
        try:
            began = await self.give(run, apply)
        except StoreError as error:
            why = f"a set-point was not given, since its output could not be noted: {error}"
            await self._hold(run, SafeHold("unrecorded", why))
        except WentOnError as error:
            await self._hold(run, SafeHold("contradicted", str(error)))
        except LINE_ERRORS:
            raise  # an outage, as at any other moment: what becomes of the run is its protocol's to say
        except InstrumentError as error:
            await self.refused(run, str(error), safe=error.safe)
        else:
            run.session.take(began)

    async def _hold(self, run: R, hold: SafeHold) -> None:
        """Hold a run safe to which a set-point was not given: a person says how it goes on."""
        await self.switch_off(run)
        self.rest(run)
        run.session.commands.clear()
        run.session.take(hold)

    def hand_over(self, run: R) -> None:
        """Give what waits to who stores it."""
        if self._recorder is not None and (entries := run.session.hand_over()):
            self._recorder.hand_over(entries)

    # --- what goes wrong ---

    async def refused(self, run: R, why: str, *, safe: bool) -> None:
        """Switch off and end the run: a command could not be carried out."""
        try:
            await self.switch_off(run)
            safe = True
        except InstrumentError as error:
            why = f"{why}; output off: {error}"
        run.session.commands.clear()
        run.session.take(InstrumentFault(why, safe=safe))

    async def guarded(self, run: R, work: Coroutine[object, object, None]) -> None:
        """Do something for one run; what it raises ends that run alone, safely, unless the line is gone for all."""
        try:
            await work
        except LINE_ERRORS as error:
            self.hand_over(run)  # what led here is recorded, however long the instrument stays away
            self.lost(error)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong fails this channel
            await self.fail(run, error)

    async def fail(self, run: R, error: Exception) -> None:
        """End a run in which something went wrong that no engine foresees."""
        LOG.error("channel %s failed", run.name, exc_info=error)
        why = str(error) if isinstance(error, LabctlError) else f"{type(error).__name__}: {error}"
        session = run.session
        try:
            await self.switch_off(run)
            safe = True
        except Exception as off:  # noqa: BLE001 - said; the guard and the next look try again
            why, safe = f"{why}; output off: {off}", False
        session.commands.clear()
        try:
            if session.finish is None:
                session.take(InstrumentFault(why, safe=safe))
            session.commands.clear()
            self.hand_over(run)
        except Exception:
            LOG.exception("channel %s: the engine cannot take its fault", run.name)
            if self._recorder is not None:
                self._recorder.fail(session.run_id, session.next_record - 1, session.state.last.time, why)
        await self.leave(run)
