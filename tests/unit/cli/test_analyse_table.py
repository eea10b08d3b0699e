"""Tables of analyses on a terminal: what does not fit beside stands below, whole."""

from labctl.cli.analyse import beside, over_each_other, widths_of


def test_columns_that_do_not_fit_stand_below_the_first_one_again():
    assert beside([10, 20, 20, 20], 80) == [[0, 1, 2, 3]]
    assert beside([10, 20, 20, 20], 50) == [[0, 1, 2], [0, 3]]
    assert beside([10, 90, 20], 50) == [[0, 1], [0, 2]], "one that is too wide is told all the same"


def test_the_name_of_a_column_is_folded_with_its_unit_at_the_bottom():
    assert over_each_other("mean charge voltage / V") == "mean\ncharge\nvoltage\n/ V"
    assert over_each_other("cycle") == "cycle"
    assert widths_of(["mean\nvoltage\n/ V", "cycle"], [("3.7", "100000"), ("-", "2")]) == [11, 10]
