"""The page of the alarms and the program say the same."""

import re
from pathlib import Path

from labctl.notify import delivery, grouping, service
from labctl.station.faces import NOTIFY_KEYS, ROUTE_KEYS

TEXT = re.sub(r"\s+", " ", (Path(__file__).parents[3] / "docs" / "reference" / "alarms.md").read_text(encoding="utf-8"))


def test_the_numbers_and_levels_are_those_of_the_code():
    for words in (
        f"asks the daemon every {service.ASK:g} s", f"without an answer for {service.LOST:g} s", f"again every {grouping.AGAIN / 3600:g} h",
        f"after {grouping.ESCALATE / 60:g} min to the routes", f"within {grouping.TOGETHER:g} s", f"at most {grouping.BURST} in {grouping.WINDOW / 60:g} min",
        f"more than {grouping.EDGES} times in {grouping.FLAP / 60:g} min", f"has {delivery.WITHIN:g} s for a word and {delivery.WHOLE:g} s for all", f"every {service.BEAT:g} s with",
        f"up to {service.SLOWEST:g} s",
    ):  # fmt: skip
        assert words in TEXT, words
    for kind, level in grouping.LEVELS.items():
        if kind not in {"lost", "resumed"}:
            line = TEXT.partition(f"| {level} |")[2].partition(" | ")[0]
            assert f"`{kind}`" in line, kind


def test_every_key_is_named():
    for key in {*NOTIFY_KEYS, *ROUTE_KEYS} - {"user", "from", "mail", "webhook", "ntfy", "routes"}:
        assert f"{key}:" in TEXT or f"`{key}`" in TEXT, key
