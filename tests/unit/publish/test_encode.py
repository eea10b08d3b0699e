import json
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.publish.encode import encode, iso, stamped


def test_time_is_written_for_machines_and_for_people():
    assert iso(1_700_000_000.25) == "2023-11-14T22:13:20.250Z"
    assert json.loads(stamped(1_700_000_000.25, {"run": "7"})) == {
        "unix_time_second": 1_700_000_000.25,
        "time": "2023-11-14T22:13:20.250Z",
        "run": "7",
    }


def test_what_is_unknown_is_left_out():
    assert json.loads(encode({"a": None, "b": math.nan, "c": math.inf, "d": np.float64("nan"), "e": 0.0})) == {"e": 0.0}


def test_nested_mappings_become_flat():
    assert json.loads(encode({"state": {"pressure": 5e6, "deep": {"er": 1}}})) == {
        "state_pressure": 5e6,
        "state_deep_er": 1,
    }


def test_spectra_carry_arrays():
    assert json.loads(encode({"frequency_hertz": np.array([1e6, 0.1, math.nan])[::-1]})) == {
        "frequency_hertz": [None, 0.1, 1e6]
    }


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.dictionaries(st.text(), inner),
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(), values))
def test_no_payload_holds_nan_or_nests(fields):
    def refuse(word):
        raise AssertionError(word)

    found = json.loads(encode(fields), parse_constant=refuse)
    assert not any(isinstance(value, dict) for value in found.values())
