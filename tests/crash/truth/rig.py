"""The lives of rig T: a daemon is begun, ordered about, and meets with a misfortune."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from labctl.clock import monotonic
from labctl.errors import StoreBusy
from labctl.run.guard_process import GUARD_LOCK
from labctl.store.location import Lock
from tests.crash.truth.daemon import Daemon, Heard, preload
from tests.crash.truth.judge import Count, Judge
from tests.crash.truth.lateness import Lateness, Queued
from tests.crash.truth.orders import Orders
from tests.crash.truth.station import PUPPETS, write

SHORT, LONG = (0.1, 1.0), (1.0, 2.5)  # s between the daemon's first word and its misfortune
OFTEN_SHORT = 0.7
EARLY = (0.02, 0.9)  # s after it was forked that a daemon is killed while it comes up, or just after
MISFORTUNES = {
    "kill": 70,
    "kill early": 14,
    "freeze": 5,
    "kill the guard": 4,
    "freeze the guard": 3,
    "refuse": 6,
    "garbage": 4,
}
QUIET = 0.02  # s: what was kept waiting for less had the processor to itself
QUIET_FREEZE = 0.2  # s, of the two in which a freeze is noticed
SURELY = 4.0  # times as long is wrong on a machine that kept the rig itself waiting, beyond what it did
STANDS = 6.0  # s after which a daemon that stands still has surely been ended
NO_GUARD = 3.0  # s after which a daemon without a guard has energised nothing
GUARD_WITHIN = 30.0  # s until a guard has done its work
UNREADABLE = 4.0  # s that a meter says what nobody can read
REFUSED = 1.5  # s that a meter refuses connections
LAST = 120.0  # s that the last daemon has at most to hand over what it has: a busy machine lets it wait
HISTORY = 20.0  # s of books that are asked for again


class Bank:
    """The instruments' process, from outside."""

    def __init__(self) -> None:
        words = [sys.executable, "-m", "tests.crash.truth.instruments"]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self.places = json.loads(self.process.stdout.readline())
        self._line = socket.create_connection(("127.0.0.1", self.places["door"]), 30.0)
        self._file = self._line.makefile("rwb")

    def ask(self, verb: str, **more: object):
        self._file.write(json.dumps({"verb": verb, **more}).encode() + b"\n")
        self._file.flush()
        return json.loads(self._file.readline())

    def close(self) -> None:
        self._file.close()
        self._line.close()
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


class Rig:
    """One folder, one station, one daemon at a time.

    Args:
        folder: Empty.
        seed: Of everything that is drawn.
        broker: Port of an MQTT broker, None for none.
        postgres: URL of a database, None for none.
        off_within: Seconds after a death, and after a freeze, in which outputs must be off.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        broker: int | None = None,
        postgres: str | None = None,
        off_within: tuple[float, float] = (0.25, 2.5),
    ) -> None:
        self.folder, self.rng = folder, random.Random(seed)
        self.postgres, self.off_within = postgres, off_within
        self.count, self.heard = Count(), Heard()
        self.bank = Bank()
        self.lateness = Lateness()
        preload()
        self.station = write(folder, self.bank.places, broker, postgres)
        self.judge = Judge(folder, self.heard, self.count, self.lateness)
        self.orders = Orders(folder, random.Random(seed + 1))
        self.messages: Path | None = None
        self._observer: subprocess.Popen[bytes] | None = None
        self._asked = monotonic()
        if broker is not None:
            self.messages = folder / "messages.jsonl"
            words = [sys.executable, "-m", "tests.crash.truth.observer", str(broker), str(self.messages)]
            self._observer = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)
            self._observer.stdout.readline()

    def close(self) -> None:
        self.lateness.close()
        for process in filter(None, (self._observer,)):
            process.terminate()
            process.wait(30)
            process.stdout.close()
        self.bank.close()

    # --- one life ---

    def live(self) -> None:
        """Let a daemon live for a moment, let a misfortune happen, and look at what it left."""
        what = self.rng.choices(list(MISFORTUNES), list(MISFORTUNES.values()))[0]
        daemon = Daemon(self.station, self.folder, self.heard)
        if what == "kill early":
            time.sleep(self.rng.uniform(*EARLY))
            self._die(daemon, signal.SIGKILL, self.off_within[0])
            self.count.kills += 1
            self.count.early += 1
            self.judge.look(monotonic())
            return
        if not daemon.ready():
            if self.heard.errors:
                self.judge.wrong(f"a daemon did not come up: {self.heard.errors.pop()}")
            self.count.stood += 1  # on a busy machine its guard may have ended it: it stood still for two seconds
            daemon.signal(signal.SIGKILL)
            daemon.wait(30)
            return
        self.orders.begin()
        self._let_live(daemon, self.rng.uniform(*(SHORT if self.rng.random() < OFTEN_SHORT else LONG)))
        match what:
            case "kill":
                self._die(daemon, signal.SIGKILL, self.off_within[0])
                self.count.kills += 1
            case "freeze":
                self._die(daemon, signal.SIGSTOP, self.off_within[1])
                self.count.freezes += 1
            case "refuse":
                self._refused(daemon)
            case "garbage":
                self._unreadable(daemon)
            case _:
                self._guard(daemon, what)
        self.orders.end()
        self._books()
        self.judge.look(monotonic())

    def _let_live(self, daemon: Daemon, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(0.02)
            daemon.hear()

    def _die(self, daemon: Daemon, how: int, within: float) -> None:
        """Kill or stop the daemon, and see when the outputs that were on went off."""
        queued = Queued(*filter(None, (self.heard.guard, self.bank.process.pid)))
        moment = monotonic()
        daemon.signal(how)
        if not daemon.wait(STANDS):  # a guard ends no daemon where nothing is on
            on = [name for name, current in self.bank.ask("now").items() if name in PUPPETS and abs(current) > 1e-9]
            if on and self.lateness.within(moment, monotonic()) < STANDS / 4.0:
                self.judge.wrong(f"{STANDS:g} s after it stood still a daemon was not ended by its guard")
            daemon.signal(signal.SIGKILL)
            daemon.wait(30)
        self._wait_for_guard(queued)
        until = monotonic()
        self._books()
        quiet = QUIET if how == signal.SIGKILL else QUIET_FREEZE
        late = self.judge.off_after(moment, until)
        self.count.killed_on += len(late)
        for channel, seconds in late.items():
            name = "slowest_off" if how == signal.SIGKILL else "slowest_freeze"
            waited = self.lateness.within(moment, moment + seconds, self.judge.books[channel])
            waited = max(waited, queued.seconds)  # the guard or the instruments, ready to run and without a processor
            if waited < quiet:
                setattr(self.count, name, max(getattr(self.count, name), seconds))
            if seconds > within:
                self.count.late_off += 1
                self.count.late_busy += waited >= quiet
                if waited < quiet or seconds > SURELY * within + waited:
                    self.judge.wrong(
                        f"{channel} was on {seconds:.3f} s after the daemon {'died' if how == signal.SIGKILL else 'stood still'}"
                        f", of which the machine kept the rig waiting for {waited:.3f} s"
                    )
        for channel, current in self.bank.ask("now").items():
            if channel in PUPPETS and abs(current) > 1e-9:
                self.judge.wrong(f"{channel} gives {current:g} A, and the guard says that it is done")

    def _refused(self, daemon: Daemon) -> None:
        """Kill the daemon while a meter refuses connections, and let it answer after a while."""
        name = self.rng.choice(["kei1", "kei2"])
        self.bank.ask("fault", instrument=name, text="refuse")
        daemon.signal(signal.SIGKILL)
        daemon.wait(30)
        time.sleep(REFUSED)
        self.bank.ask("fault", instrument=name, text="")
        self._wait_for_guard()
        self.count.kills += 1
        self.count.refusals += 1
        for channel, current in self.bank.ask("now").items():
            if channel in PUPPETS and abs(current) > 1e-9:
                self.judge.wrong(f"{channel} gives {current:g} A after {name} refused for a while")

    def _unreadable(self, daemon: Daemon) -> None:
        """Let a meter say what nobody can read: what it drives must be off two seconds later, whatever else it obeys."""
        name = self.rng.choice(["kei1", "kei2"])
        moment = monotonic()
        self.bank.ask("fault", instrument=name, text="garbage=1000000")
        self._let_live(daemon, UNREADABLE)
        until = monotonic()
        current = abs(self.bank.ask("now")[name])
        self.bank.ask("fault", instrument=name, text="")
        self._books()
        if current > 1e-9 and self.lateness.within(moment, until) < UNREADABLE / 4.0:
            self.judge.wrong(f"{name} gives {current:g} A, and nobody could read it for {until - moment:.1f} s")
        late = self.judge.off_after(moment, until).get(name)
        if late is not None and self.lateness.within(moment, moment + late) < QUIET_FREEZE:
            self.count.unreadable += 1
            self.count.slowest_unreadable = max(self.count.slowest_unreadable, late)
        self._die(daemon, signal.SIGKILL, self.off_within[0])
        self.count.kills += 1

    def _guard(self, daemon: Daemon, what: str) -> None:
        """Kill or stop the guard; a daemon whose guard stands still has its outputs off within a second or so."""
        before = self._guard_of(daemon)
        if not before:  # nothing was ever energised, or the daemon has gone
            self._die(daemon, signal.SIGKILL, self.off_within[0])
            self.count.kills += 1
            return
        with contextlib.suppress(ProcessLookupError):  # on a busy machine it may have ended a daemon that stood still
            os.kill(before, signal.SIGKILL if "kill" in what else signal.SIGSTOP)
        begin = monotonic()
        while self.heard.guard == before and monotonic() < begin + 10.0 + self.lateness.within(begin, monotonic()):
            time.sleep(0.02)
            daemon.hear()
        if self.heard.guard == before and not daemon.gone():
            self.judge.wrong(f"{what}: no new guard within 10 s")
        self._let_live(daemon, 0.5)
        if "kill" in what:
            self.count.guards_killed += 1
        else:
            self.count.guards_frozen += 1
        self._die(daemon, signal.SIGKILL, self.off_within[0])
        self.count.kills += 1

    def _guard_of(self, daemon: Daemon) -> int:
        """Return the process number of the daemon's guard, once it has one that watches over all that it was told."""
        begin = monotonic()
        while not self.heard.guard and monotonic() < begin + NO_GUARD and not daemon.gone():
            time.sleep(0.02)
            daemon.hear()
        return self.heard.guard

    def _wait_for_guard(self, queued: Queued | None = None) -> None:
        deadline = time.monotonic() + GUARD_WITHIN
        while time.monotonic() < deadline:
            if queued is not None:
                queued.look()
            try:
                Lock(self.folder / "data" / GUARD_LOCK, "the guard").release()
            except StoreBusy:
                time.sleep(0.005)
            else:
                return
        self.judge.wrong(f"a guard was not done within {GUARD_WITHIN:g} s")

    def _books(self) -> None:
        since = self._asked
        self._asked = monotonic()
        self.judge.note(self.bank.ask("book", since=since))

    # --- the end ---

    def finish(self) -> Count:
        """Let a last daemon hand over everything, and look at all of it."""
        daemon = Daemon(self.station, self.folder, self.heard)
        if not daemon.ready():
            self.judge.wrong("the last daemon did not come up")
        else:
            self.orders.begin()
            self._let_live(daemon, 1.0)
            self.orders.end()
            self.orders.stop_all()
            self._let_live(daemon, 1.0)
            deadline = time.monotonic() + LAST
            while not self.judge.all_came(self.messages, self.postgres) and time.monotonic() < deadline:
                self._let_live(daemon, 0.5)
        daemon.signal(signal.SIGKILL)
        daemon.wait(30)
        self._wait_for_guard()
        self._books()
        self.judge.look(monotonic() + 10.0)
        books = {name: rows.tolist() for name, rows in self.judge.books.items()}
        (self.folder / "books.json").write_text(json.dumps({"books": books, "origins": self.heard.origins}))
        self.judge.finish(self.orders, self.messages, self.postgres)
        return self.count
