import re
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from labctl.errors import InternalError
from labctl.plan.codec import CLASSES, VERSION, digest, plan_from_json, plan_to_json
from labctl.plan.step import Carried, Plan

STEPS = (
    "- rest: 1 min\n- each: {j: [1 mA, 2 mA]}\n  cycle: true\n  stop_if: retention of cycle 3 < 80 % or abs(voltage) > 4 V\n  steps:\n"
    "  - charge: {current: $j, to: 4.2 V, hold_until: current < C/20}\n  - prompt: {say: Press $j, state: {pressure: 5 MPa, by: me}}\n"
    "- hold: {voltage: 20 mV vs ocv, for: 1 h}"
)


def test_a_plan_reads_back_equal_and_to_the_same_text(plan):
    made = replace(plan(STEPS), carried=Carried(3, 0.1, 0.2, {"first": 3.6}, 2, ((1, 1),)))
    text = plan_to_json(made)
    again = plan_from_json(text)
    assert again == made
    assert plan_to_json(again) == text
    assert digest(again) == digest(made)


def test_the_hash_changes_with_the_plan(plan):
    made = plan(STEPS)
    assert re.fullmatch(r"[0-9a-f]{64}", digest(made))
    assert digest(made) != digest(plan(STEPS.replace("4.2 V", "4.1 V")))
    assert digest(made) == digest(plan(STEPS))


def test_numbers_and_flags_are_always_written(plan):
    text = plan_to_json(plan("- rest: 1 min")).decode()
    assert '"over":60.0' in text
    assert '"fused":false' in text
    assert "null" not in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "wanted a plan as JSON"),
        ("[]", f"wanted a plan of version {VERSION}, found version None"),
        ('{"$": "Plan", "version": 99}', f"wanted a plan of version {VERSION}, found version 99"),
        ('{"$": "Term", "version": 1}', "wanted the fields of Term, found version"),
        ('{"$": "Pickle", "version": 1}', "wanted a part of a plan, found Pickle"),
        ('{"$": "Plan", "version": 1}', "wanted a whole Plan"),
        ('{"version": 1}', "wanted a plan, found dict"),
    ],
)
def test_what_is_not_a_plan_is_refused(text, message):
    with pytest.raises(InternalError, match=re.escape(message)):
        plan_from_json(text)


def test_a_strange_value_is_not_written(plan):
    with pytest.raises(InternalError, match="wanted a value of a plan, found object"):
        plan_to_json(replace(plan("- rest: 1 min"), analyses=object()))


def test_every_class_that_a_plan_is_made_of_is_known():
    assert CLASSES["Plan"] is Plan
    assert all(name == kind.__name__ for name, kind in CLASSES.items())


def test_a_plan_made_now_is_of_the_second_edition(plan):
    made = plan(STEPS)
    assert made.edition == 2
    assert plan_from_json(plan_to_json(made)).edition == 2


def test_a_plan_stored_before_the_second_edition_is_of_the_first_and_keeps_its_hash():
    stored = orjson.loads((Path(__file__).parents[2] / "history" / "tripped.json").read_bytes())["plan"]
    text = orjson.dumps(stored, option=orjson.OPT_SORT_KEYS)
    assert plan_from_json(text).edition == 1
    assert plan_to_json(plan_from_json(text)) == text
