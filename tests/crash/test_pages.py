"""The rig of the pages in its short form; `make rig-web N=200` is the long one."""

import pytest

from tests.crash import pages


@pytest.mark.timeout(600)
def test_the_pages_are_killed_raced_crowded_flooded_and_fed_with_nonsense_and_no_run_notices(capsys):
    assert pages.main(["--times", "1", "--channels", "4"]) == 0, capsys.readouterr().out
    assert capsys.readouterr().out.count("; 0 wrong") == 7
