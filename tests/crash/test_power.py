"""The power cut and the failing disk in their short forms; `make rig-power` and `make rig-disk` are the long ones."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.power import OLDER, rig
from tests.crash.recorded import Disk, Operation

ROOT = Path(__file__).parent.parent.parent
needs_shim = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="the shim is preloaded and built by a C compiler"
)


@needs_shim
def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path, seed):
    count = rig(250, seed, tmp_path, commits=30)
    assert count.wrong == []
    assert count.asked == 250
    assert count.states > 100
    assert count.torn > 30


@needs_shim
@pytest.mark.parametrize("older", sorted(path.name for path in OLDER.glob("*.xz")))
def test_a_power_cut_while_an_older_journal_is_brought_up_to_date_loses_nothing(tmp_path, seed, older):
    count = rig(90, seed, tmp_path, older=older)
    assert count.wrong == []
    assert count.states > 30


@needs_shim
def test_the_rig_finds_what_is_lost_without_a_full_sync(tmp_path, seed):
    count = rig(60, seed, tmp_path, "NORMAL", commits=30)
    assert count.lost > 0
    assert count.noticed == count.lost, "whatever is lost is noticed at the next opening"
    assert not [words for words in count.wrong if "the head" in words]


@needs_shim
@pytest.mark.timeout(300)
def test_a_disk_that_fails_at_some_request_loses_nothing():
    words = [sys.executable, "-m", "tests.crash.disk", "--every", "9", "--commits", "4"]
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_disk_keeps_what_was_synced_and_perhaps_the_rest():
    disk = Disk()
    for operation in (
        Operation("C", "a", 0),
        Operation("W", "a", 0, b"x" * 600),
        Operation("S", "a", 0),
        Operation("C", "b", 0),
        Operation("W", "b", 0, b"y"),
        Operation("W", "a", 0, b"z" * 600),
    ):
        disk.take(operation)
    assert disk.after("nothing", None) == {"a": b"x" * 600}
    assert disk.after("all", None) == {"a": b"z" * 600, "b": b"y"}
    disk.take(Operation("D", "", 0))
    assert disk.after("nothing", None) == {"a": b"x" * 600, "b": b""}


class Half:
    """Chance that takes the first of every two."""

    def __init__(self):
        self.turn = 0

    def random(self):
        self.turn += 1
        return 0.5 if self.turn == 1 else float(self.turn % 2)

    def choice(self, among):
        return among[-1]


def test_a_write_is_torn_where_sectors_begin():
    disk = Disk({"a": bytearray(2000)})
    disk.take(Operation("W", "a", 100, b"z" * 1500))
    content = disk.after("some", Half())["a"]
    assert content == bytes(100) + b"z" * 412 + bytes(512) + b"z" * 512 + bytes(464)
