"""The cases of `labctl bench`."""

import inspect

import pytest

from labctl.cli.bench import cases
from labctl.errors import UsageError


def test_every_case_measures_without_being_told_more():
    modules = cases([])
    assert {"benchmarks.instruments", "benchmarks.store"} <= {module.__name__ for module in modules}
    for module in modules:
        assert not inspect.signature(module.figures).parameters


def test_what_only_helps_a_case_is_none():
    with pytest.raises(UsageError, match="wanted a case"):
        cases(["laboratory"])
