"""The how-to about drivers: its files are what they claim to be, a driver that passes the contract suite, and may be named."""

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from labctl.driver import Capabilities, Instrument

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "write-a-driver.md"
BLOCK = re.compile(r"^```python file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


STATION = """\
labctl_station: 1
instruments:
  m1: {driver: meter, port: 5025}
channels:
  one: {cell: {instrument: m1, at: 1}}
"""


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the files of the page, and what pip notes of an installed package whose entry point names the class."""
    files = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    assert list(files) == ["meter.py", "emulated.py", "conftest.py", "test_meter.py"]
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "station.yaml").write_text(STATION)
    return tmp_path


def install(folder):
    noted = folder / "labctl_meter-0.1.dist-info"
    noted.mkdir()
    (noted / "METADATA").write_text("Metadata-Version: 2.1\nName: labctl-meter\nVersion: 0.1\n")
    (noted / "entry_points.txt").write_text("[labctl.drivers]\nmeter = meter:Meter\n")


def run(folder, *words):
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}"}
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )


def test_the_driver_of_the_page_passes_the_contract_suite_and_is_listed(folder):
    words = ("pytest", "-q", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider", str(folder))
    found = run(folder, *words)
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr
    assert " passed" in found.stdout
    told = run(folder, *words, "-k", "off", "--labctl-quality=quality.json").stdout
    assert "nothing is written of meter: no driver of that name is installed" in told
    install(folder)
    assert "nothing is written" not in run(folder, *words, "--labctl-quality=quality.json").stdout
    listed = run(folder, "labctl", "drivers").stdout
    assert re.search(r"^meter +bronze .* of labctl-meter$", listed, re.MULTILINE), listed
    assert run(folder, "labctl", "check", "station.yaml").returncode == 0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("async def output_off", "async def switch_off", "found meter of the package labctl-meter without output_off"),
        ("class Meter:", "class Other:", "AttributeError: module 'meter' has no attribute 'Meter'"),
        ("class Meter:", "class Meter(:", "SyntaxError"),
        (
            "class Meter:",
            "from labctl.driver import Instrument\nclass Meter(Instrument):\n    pass\nclass Own:",
            "without open, close",
        ),
    ],
)
def test_a_package_with_a_fault_is_told_at_its_instrument(folder, old, new, words):
    install(folder)
    text = (folder / "meter.py").read_text()
    (folder / "meter.py").write_text(text.replace(old, new))
    found = run(folder, "labctl", "check", "station.yaml")
    assert found.returncode == 1
    assert "station.yaml:3:3: error[driver.unknown]" in found.stderr + found.stdout
    assert words in found.stderr + found.stdout


def test_the_page_names_every_verb_and_everything_that_a_driver_may_say_of_itself():
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in vars(Instrument) if not name.startswith("_") and f"`{name}" not in page] == []
    assert [each.name for each in fields(Capabilities) if f"`{each.name}`" not in page] == []
