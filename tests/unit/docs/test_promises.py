"""docs/reference/promises.md names a test for every promise; these see that each is there, and what mutations break."""

import re
from pathlib import Path

import pytest

from tests.crash import figures, mutants, promises
from tests.crash.counted import FOLDER
from tests.crash.mutants import MUTATIONS, ROOT, places

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "promises.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+)(?:\[[^`]*\])?)?`", PAGE)))
RIGS = sorted(set(re.findall(r"`make (rig-\w+)", PAGE)))


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_test_that_is_named_is_there(file, test):
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not test or re.search(rf"^(?:async )?def {test}\(", text, re.MULTILINE), f"{file} has no {test}"


def test_every_promise_has_a_test():
    for line in PAGE.splitlines():
        if line.startswith("| ") and not line.startswith(
            ("| promise", "| command", "| figure |", "| what is lost", "| fault", "| rig |", "|---")
        ):
            assert re.search(r"`(tests/|make rig-)", line), line


def test_rigs_that_are_named_can_be_made():
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(re.search(rf"^{rig}:", targets, re.MULTILINE) for rig in RIGS)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.name for mutation in MUTATIONS])
def test_what_a_mutation_breaks_is_still_there_once(mutation):
    assert len(places(mutation)) == 1, f"{mutation.text!r} stands in {places(mutation)}: say how the check looks now"
    assert f"| {mutation.name} | `{mutation.caught}` |" in PAGE


def test_every_mutation_was_caught():
    assert f"{len(MUTATIONS)} of {len(MUTATIONS)} were caught" in PAGE


def test_what_was_counted_is_what_the_page_says():
    again = "python -m tests.crash.promises writes the page anew"
    assert promises.part("counted") == promises.counted().strip(), again
    assert promises.part("mutants") == mutants.written().strip(), again
    assert promises.part("figures") == figures.written().strip(), again


def test_every_file_of_counts_has_its_row():
    names = {path.stem for path in FOLDER.glob("*.json")} - {"mutants", "figures"}
    assert names <= {row.name for row in promises.ROWS}


def test_there_are_twenty_mutations():
    assert len({mutation.name for mutation in MUTATIONS}) >= 20


def test_every_fault_of_the_list_has_its_line():
    numbers = [int(number) for number in re.findall(r"^\| (\d+): ", PAGE, re.MULTILINE)]
    assert numbers == list(range(1, 34))
