"""The page of the pages and the program say the same."""

import re
from pathlib import Path

import pytest

from labctl.control.order_table import ORDERS
from labctl.store.people import IDLE, LONGEST, SHORTEST_PASSWORD
from labctl.store.pyramid import LEVELS, RAW
from labctl.web import series
from labctl.web.comparing import MOST
from labctl.web.login import SLOWEST
from labctl.web.products import DRY
from labctl.web.stream import STREAMS
from labctl.web.views import PAGE

TEXT = re.sub(r"\s+", " ", (Path(__file__).parents[3] / "docs" / "reference" / "web.md").read_text(encoding="utf-8"))
SCRIPTS = Path(__file__).parents[3] / "labctl" / "web" / "static"


def test_the_numbers_are_those_of_the_code():
    silent = int(re.search(r"SILENT = (\d+)", (SCRIPTS / "live.js").read_text())[1])
    hold = int(re.search(r"HOLD = (\d+)", (SCRIPTS / "channel.js").read_text())[1])
    for words in (
        f"hears nothing for {silent / 1000:g} s", f"held for {hold / 1000:g} s", f"at most {STREAMS} are live",
        f"up to {RAW} rows", f"every {LEVELS[0]}, {LEVELS[1]} or {LEVELS[2]} rows", f"{PAGE} a page",
        f"bins of {1e3 * series.BIN:g} mV", f"after {IDLE / 3600:g} h without a request", f"after {LONGEST['session'] / 86400:g} days",
        f"for {LONGEST['link'] / 60:g} minutes", f"at least {SHORTEST_PASSWORD} characters", f"up to {SLOWEST:g} s",
        f"has {DRY:g} s of computing", f"up to {MOST} runs over each other",
    ):  # fmt: skip
        assert words in TEXT, words


@pytest.mark.parametrize("verb", [verb for verb, order in ORDERS.items() if not order.asks])
def test_the_table_of_roles_is_the_programs(verb):
    text = (Path(__file__).parents[3] / "docs" / "reference" / "web.md").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("| `") and f"`{verb}`" in line.split("|")[1])
    granted = [bool(cell.strip()) for cell in line.split("|")[2:5]]
    least = {"viewer": [True, True, True], "operator": [False, True, True], "admin": [False, False, True]}[
        ORDERS[verb].needs
    ]
    assert granted == least
