"""Files and orders from outside: whatever the bytes, an error of ours or a value."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.control import dispatch
from labctl.control.order_table import ORDERS
from labctl.errors import LabctlError
from tests.property.outside.fuzz import ODD, PARSERS, Deaf
from tests.property.wire.fuzz import fuzz


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_inputs_raise_errors_of_ours_only(name, seed):
    assert fuzz(200, seed, parsers={name: PARSERS[name]}, odd=ODD) == []


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_raise_errors_of_ours_only(name, data):
    with contextlib.suppress(LabctlError):
        PARSERS[name][0](data)


@pytest.mark.parametrize("verb", ORDERS)
def test_every_order_that_gets_through_is_obeyed(verb):
    values = {
        "name": "x",
        "file": "x",
        "text": "x",
        "step": 1,
        "count": 1,
        "values": {"a": "b"},
        "time": 1.0,
        "flag": True,
    }
    keys = {key: values[kind] for key, kind in ORDERS[verb].keys.items()}
    for some in ({key: keys[key] for key in ORDERS[verb].required} | {"channel": "A1"}, keys):
        asked = {key: value for key, value in some.items() if key in ORDERS[verb].keys}
        with contextlib.suppress(LabctlError):
            asyncio.run(dispatch.obey(Deaf(), dispatch.check(verb, asked)))


@pytest.mark.parametrize("name", ["protocol files", "cell files", "station files"])
def test_there_is_something_to_damage(name):
    assert PARSERS[name][1]
