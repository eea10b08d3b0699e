"""The verbs of the command line that give orders are those of the table, with its arguments and its words."""

import re

import pytest

from labctl.cli.main import main, overview
from labctl.control.order_table import ORDERS

GIVEN = [verb for verb, order in ORDERS.items() if not order.asks]


@pytest.mark.parametrize("verb", ORDERS)
def test_the_overview_says_what_the_table_says(verb):
    assert f"  {verb:<10} {ORDERS[verb].about}" in overview().splitlines()


@pytest.mark.parametrize("verb", GIVEN)
def test_the_help_names_every_argument_of_the_table(verb, capsys):
    assert main([verb, "--help"]) == 0
    shown = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert ORDERS[verb].help in shown
    for argument in ORDERS[verb].arguments:
        assert argument.about in shown
        assert all(option in shown for option in argument.options)


@pytest.mark.parametrize("words", [["stop"], ["note", "A1"], ["start", "p.yaml"], ["resume", "A1", "--from", "-1"]])
def test_wrong_usage_is_two(words, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--mass", "12.3"], "--mass 12.3: wanted a mass, found '12.3' without a unit; 12.3 mg, 12.3 g or 12.3 ug?"),
        (["--mass", "-1 mg"], "--mass -1 mg: wanted a mass above nothing"),
        (["--mass", "12.3 mg", "--check"], "no daemon serves"),
    ],
)
def test_a_start_that_cannot_be_says_so_at_once(words, said, tmp_path, capsys):
    start = ["start", "p.yaml", "--channel", "A1", "--cell", "c.yaml", *words, "--data", str(tmp_path)]
    assert main(start) in {1, 2}
    assert said in (told := capsys.readouterr().err)
    assert "waiting" not in told


def test_a_corrected_area_is_read_before_it_is_sent(tmp_path, capsys):
    assert main(["correct", "A1", "--area", "1,539", "--data", str(tmp_path)]) == 2
    assert "--area 1,539: wanted an area" in capsys.readouterr().err
