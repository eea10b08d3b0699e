"""Random orders of rig T over HTTP, each with an id of its own; those whose answer was lost are given again."""

import random
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from labctl.control.client import DaemonClient
from labctl.errors import LabctlError, OrderRefused

BUSY = {
    "running": ("pause", "skip", "stop", "note"),
    "paused": ("resume", "skip"),
    "waiting": ("resume", "resume", "skip"),
}
OFTEN = {"running": 0.06, "paused": 0.7, "waiting": 0.9}  # how often a channel in this state is ordered about at a look


@dataclass
class Given:
    """An order: what was asked, and what became of it: "" while nobody knows."""

    verb: str
    channel: str
    id: str
    asked: dict[str, str]
    answer: str = ""
    run: str = ""


@dataclass
class Orders:
    """Everything that was ordered."""

    folder: Path
    rng: random.Random
    given: list[Given] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)  # answers that are none
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """Give orders until `end`."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(90.0)

    def stop_all(self) -> None:
        """Stop every run."""
        with DaemonClient(self.folder / "data") as client:
            for channel in client.status():
                if channel["activity"] not in {"idle", "done", "failed", "tripped"}:
                    self._new(client, "stop", str(channel["channel"]))

    def _run(self) -> None:
        try:
            with DaemonClient(self.folder / "data") as client:
                for order in [one for one in self.given if not one.answer]:
                    self._give(client, order)
                while not self._stop.wait(self.rng.uniform(0.01, 0.1)):
                    self._look(client)
        except (LabctlError, OSError):
            return  # it died, as it is meant to

    def _look(self, client: DaemonClient) -> None:
        answer = client._ask("GET", "/v1/status")
        if "channels" not in answer:
            self.odd.append(f"the status was answered with {str(answer)[:300]}")
            return
        for channel in answer["channels"]:
            name, activity = str(channel["channel"]), str(channel["activity"])
            if self._stop.is_set():
                return
            if activity in {"idle", "done", "failed", "tripped"}:
                if self.rng.random() < 0.5:
                    self._new(client, "start", name)
            elif self.rng.random() < OFTEN.get(activity, 0.0):
                self._new(client, self.rng.choice(BUSY[activity]), name)

    def _new(self, client: DaemonClient, verb: str, channel: str) -> None:
        asked = {"text": "seen"} if verb == "note" else {}
        if verb == "start":
            asked = {"protocol": str(self.folder / f"{channel}.yaml"), "cell": str(self.folder / "cell.yaml")}
        order = Given(verb, channel, str(uuid.UUID(int=self.rng.getrandbits(128))), asked)
        self.given.append(order)
        self._give(client, order)

    def _give(self, client: DaemonClient, order: Given) -> None:
        """Give an order; whatever is refused by name is answered, a line that broke is not."""
        try:
            reply = client.order(order.verb, {"channel": order.channel, "id": order.id, "by": "rig T", **order.asked})
        except OrderRefused as error:
            if error.retry:
                raise
            order.answer = f"refused: {error}"
        except LabctlError as error:
            order.answer = f"refused: {error}"
        else:
            order.answer, order.run = "done", str(reply.get("run", ""))
