"""The instrument pages: their station entries are station files, and every driver of a real instrument has one."""

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from labctl.run.drivers import make
from labctl.station.load import load_station

PAGES = sorted((Path(__file__).parent.parent.parent / "docs" / "reference" / "instruments").glob("*.md"))
HEAD = "labctl_station: 1\nchannels: {}\n"  # of a block that shows further instruments
DRIVEN = re.compile(r"^Drivers? `", re.MULTILINE)  # a page of an instrument that nobody can drive has no entry
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if DRIVEN.search(page.read_text(encoding="utf-8"))], ids=lambda page: page.stem
)
def test_the_entries_of_a_page_make_instruments(page):
    whole, *more = BLOCK.findall(page.read_text(encoding="utf-8"))
    for text in (whole, *(HEAD + block for block in more)):
        station = load_station(text, page.name)
        for given in station.instruments.values():
            assert make(given.name, given.driver, given.options).capabilities("1")


def test_every_driver_of_an_instrument_has_a_page():
    named = " ".join(page.read_text(encoding="utf-8") for page in PAGES)
    ours = {entry.name for entry in entry_points(group="labctl.drivers")} - {"simulated", "practice"}
    assert {name for name in ours if f"`{name}`" not in named} == set()
