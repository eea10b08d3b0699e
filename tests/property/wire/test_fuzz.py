"""Framing parsers: whatever the bytes, an error of ours or a value."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.errors import LabctlError
from tests.property.wire.fuzz import PARSERS, fuzz


def test_damaged_replies_raise_errors_of_ours_only(seed):
    assert fuzz(2000, seed) == []


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.binary(max_size=200))
def test_any_bytes_raise_errors_of_ours_only(name, data):
    with contextlib.suppress(LabctlError):
        PARSERS[name][0](data)


@pytest.mark.parametrize("name", PARSERS)
def test_the_replies_that_are_damaged_are_good(name):
    parser, seeds = PARSERS[name]
    for data in seeds:
        parser(data)
