"""Two accounts on one machine: whoever does not own a station's data reads nothing of it, writes nothing and gives no order."""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from labctl.clock import ScaledClock
from labctl.daemon import running
from tests.system.test_orders_once import STATION

NOBODY = 65534
CLOSED = (
    "cat control.token",
    "cat control.json",
    "cat head",
    "test -w control.sock",
    "test -w journal.db",
    "touch more",
)
OPEN_TO_ALL = ("ls .", "cat journal.db", "cat guard.jsonl || test -e lock")  # but for the folder's own mode

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root can look with another account's eyes"
)


async def can(folder, line, user=NOBODY):
    """Tell whether an account can do something in a folder."""
    words = ["/bin/sh", "-c", f"cd {folder} && {line}"]
    who = {"user": user, "group": user, "extra_groups": []}
    done = await asyncio.to_thread(subprocess.run, words, capture_output=True, check=False, timeout=60, **who)
    return done.returncode == 0


@pytest.fixture
def place():
    """A folder that every account can enter, as /var/lib is."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def test_another_account_reads_nothing_and_gives_no_order(place):
    async with running(STATION, place / "data", ScaledClock(10.0)):
        assert await can(place, "ls .")
        for line in (*CLOSED, *OPEN_TO_ALL):
            assert await can(place / "data", line, user=0), line
            assert not await can(place / "data", line), line


async def test_a_folder_that_was_opened_to_all_gives_no_order_away(place):
    async with running(STATION, place / "data", ScaledClock(10.0)):
        (place / "data").chmod(0o755)
        assert await can(place / "data", "ls .")
        for line in CLOSED:
            assert not await can(place / "data", line), line
