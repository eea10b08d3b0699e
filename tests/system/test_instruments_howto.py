"""The how-to about drivers: its files are what they claim to be, a driver that passes the contract suite."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "write-a-driver.md"
BLOCK = re.compile(r"^```python file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_driver_of_the_page_passes_the_contract_suite(tmp_path):
    files = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    assert list(files) == ["meter.py", "emulated.py", "conftest.py", "test_meter.py"]
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    words = [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider", str(tmp_path)]
    found = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr
    assert " passed" in found.stdout
