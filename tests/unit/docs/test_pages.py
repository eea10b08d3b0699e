"""The pages say what there is: every verb has its line, every link leads somewhere, every example protocol is right."""

import re
from pathlib import Path

import pytest

from labctl.cli.main import VERBS, available
from labctl.protocol.load import load

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_verb_that_is_there_has_a_line_in_the_reference():
    page = (ROOT / "docs/reference/command-line.md").read_text(encoding="utf-8")
    missing = [verb for verb in sorted(available()) if f"labctl {verb}" not in page]
    assert missing == []


def test_every_verb_has_a_line_in_the_overview():
    told = {verb for verbs in VERBS.values() for verb in verbs}
    assert available() <= told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_verbs_that_are_named_exist(page):
    blocks = "\n".join(re.findall(r"```\w*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
    named = set(re.findall(r"^(?:\$ )?labctl ([a-z]+)", blocks, re.MULTILINE))
    assert named <= available()


def test_the_protocol_of_the_readme_is_right():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(labctl: 1\n.*?)```", text, re.DOTALL)
    assert load(example, "README.md", lambda _: None).name == "Critical current density, time-constant"


def test_the_first_hour_names_the_channels_of_the_template():
    template = (ROOT / "labctl/protocol/templates/station.yaml").read_text(encoding="utf-8")
    assert "\n  S[1-4]: {cell:" in template
    for page in ("README.md", "docs/tutorial/first-run.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        named = set(re.findall(r"labctl (?:start mine\.yaml --channel|why|pause|stop) (\w+)", text))
        assert named <= {"S1", "S2", "S3", "S4", "CH", "CHANNEL"}
        assert "S1" in named
