"""What is said of words that a verb does not take: where they belong."""

import pytest

from labctl.cli.main import VERBS, main
from labctl.cli.terminal.usage_hint import OTHER_WORDS, usage_hint


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("labctl_cell: 1\nname: c\nkind: full\n", encoding="utf-8")
    (tmp_path / "p.yaml").write_text("labctl: 1\nsteps: [{rest: 1 h}]\n", encoding="utf-8")
    (tmp_path / "q.yaml").write_text("labctl: 1\nparams: {rate: C/2}\nsteps: [{rest: 1 h}]\n", encoding="utf-8")
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
        ("simulate p.yaml --cell c.yaml --set low 3 V", "one word: --set 'low=3 V'"),
        ("simulate p.yaml --cell c.yaml --set rate 2 --seed 1", "one word: --set rate=2"),
        ("simulate p.yaml --cell c.yaml --set rate = 2", "one word, without spaces: --set rate=2"),
        ("simulate p.yaml --cell c.yaml --set rate=1 C", "one word: --set 'rate=1 C'"),
        ("check --protocol p.yaml --cell c.yaml", "the file stands by itself: labctl check p.yaml --cell c.yaml"),
        ("plan -f p.yaml --cell c.yaml", "the file stands by itself: labctl plan p.yaml --cell c.yaml"),
        ("simulate p.yaml -c c.yaml", "a cell is given with --cell: --cell c.yaml"),
        ("simulate p.yaml -cell c.yaml", "write --cell c.yaml"),
        ("simulate p.yaml \u2014cell c.yaml", "\u2014 is a dash of print: write --cell with two hyphens"),
        ("simulate q.yaml --cell c.yaml --rate 1C", "rate is a parameter: write --set rate=1C"),
        (
            "simulate p.yaml --cell c.yaml -o x.csv",
            "rows go into a database: --db FILE, labctl.db without; then labctl export 1 -o x.csv",
        ),
        (
            "plan p.yaml --cell c.yaml --output x.txt",
            "the answer is printed: labctl plan ... > x.txt keeps it, or --json for programs",
        ),
        ("plan p.yaml --cell c.yaml --json x.json", "--json is printed: labctl plan ... --json > x.json"),
        ("simulate p.yaml --cell c.yaml --plot", "labctl report 1 -o page.html makes a page with the plots of a run"),
        ("plan p.yaml --cell c.yaml --verbose", "nothing is held back; --json has all of it"),
        (
            "simulate p.yaml --cell c.yaml --quiet",
            "> /dev/null takes the words away; the exit code tells whether it went well",
        ),
        ("simulate p.yaml --cell c.yaml --dry-run", "leave it out: labctl simulate drives no instrument"),
        (
            "simulate p.yaml --cell c.yaml --speed 10",
            "leave it out: a dry run goes as fast as it can; --clock belongs to labctl serve",
        ),
        (
            "start p.yaml --dry-run",
            "--check looks at everything and starts nothing; labctl simulate runs it on a simulated cell",
        ),
        ("start p.yaml --yes", "leave it out: nothing is asked on the command line"),
        (
            "start p.yaml --station s.yaml",
            "the daemon knows its station: name the channel; labctl plan takes --channel and --station",
        ),
        (
            "simulate p.yaml --cell c.yaml --channel S1",
            "labctl simulate needs no channel; labctl plan and check take --channel",
        ),
        ("simulate p.yaml --cell c.yaml -T 45", "a temperature is a step of the protocol: - temperature: 45 degC"),
        ("fmt p.yaml -i", "leave it out: labctl fmt writes the file in its place; --check writes nothing"),
        ("show", "say which run: labctl show 1; labctl runs lists them"),
        ("show --run 2", "the run stands by itself: labctl show 2"),
        ("analyse 1 --analysis cv", "analyses stand by themselves behind the run: labctl analyse 1 cv"),
        ("export 1 x.csv", "say into which file: labctl export 1 -o x.csv"),
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
    assert "chen2020 is a cell and rate-test a protocol" in capsys.readouterr().err
    assert main(["check", "chen2020", "--cell", "p.yaml"]) == 2
    assert "write labctl check p.yaml --cell chen2020" in capsys.readouterr().err
    assert main(["plan", "chen2020", "--cell", "marquis2019"]) == 1
    assert "found the name of a cell of the library" in capsys.readouterr().err


def test_a_cell_of_the_library_is_checked_by_its_name(capsys):
    assert main(["check", "phlt-lfp"]) == 0
    assert main(["check", "phlt-lpf"]) == 2
    assert "did you mean phlt-lfp?" in capsys.readouterr().err


def test_a_spreadsheet_is_told_to_open_csv(capsys):
    assert main(["export", "1", "--format", "xlsx", "-o", "run.xlsx"]) == 2
    assert "Excel opens CSV: labctl export 1 --format csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("verb", "hint"),
    [
        ("p.yaml", "; a file stands behind its verb: labctl check p.yaml, labctl simulate p.yaml --cell CELL"),
        ("--cell", "; the verb stands first, its options behind it: labctl check FILE --cell CELL"),
        ("Check", "; did you mean check?"),
        ("gui", "; did you mean web (the pages)?"),
        ("\x1b[31m", ""),
    ],
)
def test_a_word_that_is_no_verb_is_told_which_one_is_meant(capsys, verb, hint):
    assert main([verb]) == 2
    out = capsys.readouterr().err
    assert f"{hint}\nlabctl --help" in out
    assert "\x1b" not in out
