"""What the rigs found, written into `docs/reference/promises.md` between the marks of each."""

import re
import subprocess
import time
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "promises.md"


def write(name: str, text: str, page: Path = PAGE) -> None:
    """Put a rig's results between its two marks, `<!-- NAME: ... -->` and `<!-- end NAME -->`."""
    marks = re.compile(rf"(<!-- {name}:[^\n]* -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    whole = page.read_text("utf-8")
    if not marks.search(whole):
        raise ValueError(f"{page}: wanted the marks of {name}, found none")
    page.write_text(marks.sub(lambda match: f"{match[1]}\n{text}\n\n{match[2]}", whole), "utf-8")


def part(name: str, page: Path = PAGE) -> str:
    """Return what stands between the two marks of a rig."""
    found = re.search(rf"<!-- {name}:[^\n]* -->\n(.*?)<!-- end {name} -->", page.read_text("utf-8"), re.DOTALL)
    return found[1] if found else ""


def dated(text: str) -> str:
    """Return results with the day and the commit at which they were counted."""
    asked = ["git", "-C", str(PAGE.parents[2]), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=10).stdout.strip() or "a copy"
    return f"Counted {time.strftime('%Y-%m-%d', time.gmtime())} at {commit}:\n\n{text}"
