"""Which tests of a tester are ours: a status has no name of a test, so each of ours is known by when it began.

A note a channel, written before anything flows and kept up to date while it runs. A daemon that was restarted, and the guard, know
by it what they may end; a test that no note explains is somebody else's.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from labctl.errors import SettingRefused

HOUR = 3600.0
WITHIN = 5.0  # s, of the tester's clock, which tells whole seconds and may be set


@dataclass(frozen=True, slots=True)
class Note:
    """What was last seen of a test of ours.

    Attributes:
        begin: The tester's clock when the test began, s.
        time: The test's own time, s, which stands while it is suspended.
    """

    begin: float
    time: float

    def began(self, begin: float) -> bool:
        """Tell whether a test that began at a time of the tester's clock, s, is this one, also across a change of summer time."""
        shift = abs(begin - self.begin)
        return min(shift, abs(shift - HOUR)) <= WITHIN

    def continues(self, time: float, longest: float) -> bool:
        """Tell whether a test goes on from here: its own time is at most so many seconds later, whatever the tester's clock."""
        return self.time - WITHIN <= time <= self.time + longest + WITHIN


class Notes:
    """The notes of one tester in a folder."""

    def __init__(self, folder: str, host: str) -> None:
        """Take the folder, and the tester's name as it goes into the files' names."""
        self.folder = Path(folder)
        self._written: dict[int, Note] = {}  # so that no row waits for a disk
        self.stem = "labctl-maccor-" + "".join(each if each.isalnum() else "_" for each in host)

    def read(self, number: int) -> Note | None:
        """Return the note of a channel, None where there is none that can be read."""
        if number in self._written:
            return self._written[number]
        try:
            tree = json.loads(self._path(number).read_text(encoding="utf-8"))
            return Note(float(tree["begin"]), float(tree["time"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, number: int, note: Note) -> None:
        """Write the note of a channel.

        Raises:
            SettingRefused: It cannot be written: what would run could not be known again.
        """
        path = self._path(number)
        aside = path.with_suffix(".new")
        try:
            aside.write_text(json.dumps(asdict(note)), encoding="utf-8")
            aside.replace(path)
        except OSError as error:
            raise SettingRefused(f"{path}: wanted to note there what is ours, found {error}") from error
        self._written[number] = note

    def drop(self, number: int) -> None:
        """Forget a channel."""
        self._written.pop(number, None)
        self._path(number).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"{self.stem}-{number}.json"
