"""What is said of words that a verb does not take: where they belong."""

import pytest

from labctl.cli.main import VERBS, main
from labctl.cli.terminal.usage_hint import OTHER_WORDS, usage_hint


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("labctl_cell: 1\nname: c\nkind: full\n", encoding="utf-8")
    (tmp_path / "p.yaml").write_text("labctl: 1\nsteps: [{rest: 1 h}]\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (
            "plan p.yaml",
            "say for which cell: labctl plan p.yaml --cell CELL; labctl new cell cell.yaml writes a cell file",
        ),
        ("plan p.yaml --cell c.yaml n=2", "a parameter is given with --set: --set n=2"),
        ("check", "name what is checked: labctl check protocol.yaml, or a name of the library"),
        ("plan rate-test chen2020", "a cell is given with --cell: --cell chen2020"),
        ("plan p.yaml c.yaml", "a cell is given with --cell: --cell c.yaml"),
        ("start p.yaml S1 --cell c.yaml", "a channel is given with --channel: --channel S1"),
        ("simulate p.yaml --cell c.yaml --set rate 2", "one word: --set rate=2"),
        ("simulate p.yaml --cell c.yaml --set rate = 2", "one word, without spaces: --set rate=2"),
        ("serve station.yml", "the station file is given with --station: labctl serve --station station.yml"),
    ],
)
def test_words_in_a_wrong_place_are_told_where_they_belong(folder, capsys, line, hint):
    assert main(line.split()) == 2
    assert capsys.readouterr().err.rstrip().endswith(hint)


def test_other_slips_have_no_hint(folder):
    assert usage_hint("plan", ["p.yaml", "--cell", "c.yaml"]) == usage_hint("doctor", []) == ""


def test_verbs_of_other_programs_are_no_verbs_here_and_name_one_that_is(capsys):
    known = {verb for group in VERBS.values() for verb in group}
    for word, hint in OTHER_WORDS.items():
        assert word not in known
        assert hint.split()[0].rstrip(",") in known
    assert main(["run"]) == 2
    assert "did you mean start (on a channel) or simulate (the dry run)?" in capsys.readouterr().err


def test_files_in_the_wrong_order_are_told_which_stands_first(folder, capsys):
    assert main(["plan", "c.yaml", "--cell", "p.yaml"]) == 1
    assert "a cell is given behind --cell, the protocol stands first" in capsys.readouterr().err
    assert main(["plan", "chen2020", "--cell", "rate-test"]) == 1
    assert "found the name of a cell of the library" in capsys.readouterr().err
