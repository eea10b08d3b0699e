"""The papers' measurements: every file is a protocol, every published number has its experiment, and some are measured again."""

import json
import math
import re
from dataclasses import replace

import pytest

from labctl.analysis.run_record import Analysis, Figure
from labctl.cli.main import main
from labctl.driver import ParameterOrigin
from labctl.errors import UsageError
from labctl.inputs import library
from labctl.report.published import Published, fitted_to, read_published, simulated
from labctl.report.published_page import FORMATS
from labctl.report.reproduce import Reproduced, experiments, hours, judgement, papers, run, run_all, size
from labctl.report.worker_pool import processes

FILES = sorted((library() / "papers").glob("*/*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_measurement_is_a_short_protocol_without_errors(path, capsys):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 12
    assert main(["check", str(path)]) == 0, capsys.readouterr().err


def test_every_published_number_has_its_protocol_and_its_cell():
    numbers = [each for folder in papers().values() for each in read_published(folder)]
    assert len(numbers) >= 60
    for each in numbers:
        assert (papers()[each.paper] / f"{each.protocol}.yaml").is_file(), each
        assert (library() / "cells" / f"{each.cell}.yaml").is_file(), each
        assert each.allowed(each.value) > 0


def test_published_conductivities_are_measured_again(capsys, tmp_path):
    page = tmp_path / "published.html"
    assert main(["reproduce", "phlt", "D1", "D2", "--workers", "1", "--json", "-o", str(page)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["row"] for each in found] == ["D1", "D2", "D2"]
    assert all(each["met"] for each in found)
    assert not any(each["predicted"] for each in found)  # the models quote these conductivities
    text = page.read_text(encoding="utf-8")
    assert "fitted: 3 of 3 met" in text
    assert "predicted: none" in text


def test_simulated_hours_count_each_run_once(capsys):
    assert main(["reproduce", "phlt", "D1", "D2", "--workers", "1"]) == 0
    assert re.search(r"\d+ s for \d+ simulated hours, \d+ a second", capsys.readouterr().out)
    number = Published("p", "D1", "D1", "c", "a: b", "V", 1.0, "5 %")
    both = [
        Reproduced(number, 1.0, 0.05, hours=10.0),
        Reproduced(replace(number, figure="a: c"), 1.0, 0.05, hours=10.0),
    ]
    assert hours([*both, Reproduced(replace(number, cell="d"), 1.0, 0.05, hours=5.0)]) == 15.0


def test_the_longest_experiments_begin_first_and_the_share_that_is_done_grows_to_all():
    wanted = experiments("phlt", ["D1", "D2", "D15"])
    shares = []
    numbers = list(run_all(wanted, processes(1), lambda one, count, share: shares.append((one, count, share))))
    assert shares[0][0] == max(wanted, key=size)
    assert [count for _, count, _ in shares] == list(range(1, len(wanted) + 1))
    assert shares[-1][2] == pytest.approx(1.0)
    assert list(dict.fromkeys(each.published.row for each in numbers)) == ["D1", "D2", "D15"]


def test_the_charge_transfer_of_a_film_is_read_out_of_its_spectrum():
    (number,) = run(experiments("voc1", ["B1"])[0])
    assert number.met, number
    assert number.value == pytest.approx(62.45, rel=0.01)  # the arc alone, without the diffusion behind it
    assert "working.exchange" in number.fitted


def test_a_paper_that_is_none_is_told_what_there_is():
    with pytest.raises(UsageError, match="wanted a paper out of msi-c, n-lvo"):
        experiments("nature")
    with pytest.raises(UsageError, match="found Z9"):
        experiments("phlt", ["Z9"])


@pytest.mark.parametrize(
    ("figure", "unit", "value"),
    [
        ("rate: capacity at the lowest rate", "mAh/g", 231.0),
        ("rate: mean capacity where rate / C = 2", "mAh/g", 157.0),
        ("rate: mean capacity where rate / C = 3", "mAh/g", math.nan),
        ("rate: mean capacity where rate / C ~ 2.2", "mAh/g", 157.0),
        ("rate: mean capacity where rate / C ~ 3", "mAh/g", math.nan),
        ("rate: mean capacity where speed = 2", "mAh/g", math.nan),
        ("gitt: anything", "V", math.nan),
    ],
)
def test_where_a_number_is_found(figure, unit, value):
    table = {"rate / C": (0.1, 2.0), "mean capacity / mAh/g": (231.0, 157.0)}
    analyses = [Analysis("rate", (Figure("capacity at the lowest rate", 231.0, "mAh/g"),), table)]
    published = Published("p", "D15", "D15", "c", figure, unit, 200.0, "5 %")
    assert simulated(published, analyses) == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize(
    ("within", "unit", "allowed"),
    [("5 %", "mAh/g", 5.0), ("2 mV", "mV", 2.0), ("0.3 %", "%", 0.3), ("5 % of the largest", "mAh/g", 10.0)],
)
def test_how_far_off_a_number_may_be(within, unit, allowed):
    assert Published("p", "r", "r", "c", "a: b", unit, 100.0, within).allowed(200.0) == pytest.approx(allowed)


def test_a_deviation_in_another_unit_is_refused():
    with pytest.raises(UsageError, match="wanted a deviation in % or V, found '20 mV'"):
        Published("p", "E7", "E7", "c", "a: b", "V", 0.56, "20 mV").allowed(0.56)


def origin(source, words, status="fitted", given="1"):
    return ParameterOrigin("working.x", status, source, words, given)


@pytest.mark.parametrize(
    ("source", "words", "fitted"),
    [
        ("D15", "231.0 to 90.1 mAh/g from 0.1C to 5C", True),  # a range holds what is between its ends
        ("D15", "231.0 and 90.1 mAh/g at 0.1C and 5C", False),  # two ends alone: the middle is a prediction
        ("D15", "157.1 mAh/g at 2C", True),
        ("D14", "157.1 mAh/g at 2C", True),  # another row of the paper names the number
        ("E15", "157.1 mAh/g at 2C", False),  # another paper
    ],
)
def test_which_numbers_a_parameter_was_fitted_to(source, words, fitted):
    number = Published("phlt", "D15", "D15", "c", "rate: x", "mAh/g", 157.1, "5 %")
    assert bool(fitted_to(number, [origin(source, words)])) is fitted
    assert not fitted_to(number, [origin(source, words, status="assumed")])


def test_a_quoted_number_is_no_prediction_whatever_its_prefix():
    number = Published("phlt", "D1", "D1", "c", "conductivity: x", "S/cm", 1.29e-3, "2 %")
    assert fitted_to(number, [origin("D1", "", "quoted", "1.29")]) == ("working.x",)


def test_fitted_and_predicted_numbers_are_judged_apart():
    number = Published("p", "D1", "D1", "c", "a: b", "V", 1.0, "5 %")
    both = [Reproduced(number, 1.02, 0.05, "", "working.x of c"), Reproduced(number, 1.5, 0.05, "no such mode")]
    assert judgement(both) == (
        "fitted: 1 of 1 met; deviation 2.0 % in the median, 2 % at most",
        "predicted: 0 of 1 met; deviation 50.0 % in the median, 50 % at most",
    )
    for write in FORMATS.values():
        assert "no such mode" in write(both)
