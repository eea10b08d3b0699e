"""What a journal lost of what had been acknowledged, as its table `journal` tells it."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from labctl.store.head_roster import ActiveRun


@dataclass(frozen=True, slots=True)
class Loss:
    """One opening at which commits were found missing.

    Attributes:
        began_commit_id: The last commit that was still there.
        unix_time: When it was noticed, UTC.
        text: What is missing, in one sentence.
        runs: Runs that had not ended by the head, and of which the journal knows nothing.
        kept: Where the files as they were found were copied, None if nowhere.
    """

    began_commit_id: int
    unix_time: float
    text: str
    runs: tuple[ActiveRun, ...] = ()
    kept: str | None = None

    @classmethod
    def of(cls, row: Any, known: Container[str]) -> "Loss":
        """Read a row of the table `journal`; `known` are the uuids of the runs that are there."""
        detail = orjson.loads(row.detail)
        runs = tuple(ActiveRun(*each) for each in detail["runs"] if each[0] not in known)
        when = datetime.fromtimestamp(row.unix_time_second, UTC).strftime("%Y-%m-%d %H:%M")
        text = f"{detail['text']}; noticed {when} UTC"
        return cls(row.began_commit_id, row.unix_time_second, text, runs, detail["kept"])
