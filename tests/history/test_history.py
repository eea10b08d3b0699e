"""Stored runs fold to the state they had, bit for bit; see record.py."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from labctl.driver import Capabilities
from labctl.engine.fold import begin, fold
from labctl.engine.state import capabilities_from_json, state_from_json, state_to_json
from labctl.plan.codec import plan_from_json
from labctl.sample import Batch
from labctl.store.codec import input_from_json

RUNS = sorted(Path(__file__).parent.glob("*.json"))
TYPES = {"quality": np.uint8}


def given(found: dict[str, object]) -> object:
    if "input" in found:
        return input_from_json(found["input"], found["data"])
    columns = {name: np.array(column, TYPES.get(name, float)) for name, column in found["rows"].items()}
    return Batch(**columns, step=found["step"])


def test_there_are_stored_runs():
    assert len(RUNS) >= 7


def test_there_are_runs_of_both_editions():
    editions = [orjson.loads(path.read_bytes())["plan"].get("edition", 1) for path in RUNS]
    assert set(editions) == {1, 2}


@pytest.mark.parametrize("path", RUNS, ids=[path.stem for path in RUNS])
@pytest.mark.parametrize("pieces", [None, 1, 7])
def test_a_stored_run_folds_to_its_state(path, pieces):
    stored = orjson.loads(path.read_bytes())
    plan = plan_from_json(orjson.dumps(stored["plan"]))
    capabilities: Capabilities = capabilities_from_json(orjson.dumps(stored["capabilities"]).decode())
    outcome = begin(plan, capabilities, stored["roles"])
    events = list(outcome.events)
    for each in stored["told"]:
        told = given(each)
        for part in parts(told, pieces):
            outcome = fold(plan, outcome.state, part)
            events += outcome.events
    known = state_from_json(orjson.dumps(stored["state"]))
    # an instrument may have learnt to say more of itself since: what it said then is in the stored state
    assert state_to_json(replace(outcome.state, channel="")) == state_to_json(replace(known, channel=""))
    assert (
        orjson.loads(orjson.dumps([[e.kind, e.record_index, e.time, dict(e.data)] for e in events])) == stored["events"]
    )


def parts(told: object, pieces: int | None) -> list[object]:
    if not isinstance(told, Batch) or pieces is None:
        return [told]
    return [told.rows(begin, begin + pieces) for begin in range(0, len(told), pieces)]
