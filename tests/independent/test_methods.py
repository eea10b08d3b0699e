"""Protocols of the library as aurora-unicycler reads them, and its words for PyBaMM read by us."""

import json
from dataclasses import replace

import pytest
from aurora_unicycler import CyclingProtocol

from labctl.exchange.methods import battinfo, eclab, neware, pybamm, unicycler
from labctl.exchange.methods.find import written
from labctl.exchange.methods.from_plan import method_of
from labctl.exchange.methods.outline import MethodStep, essence
from labctl.inputs import beside, library
from labctl.plan.compile import compile_plan
from labctl.protocol.cellfile import load_cell
from labctl.protocol.load import load

CASES = {
    "cccv-cycling": ("marquis2019", {"cycles": "3"}),
    "rate-test": ("phlt-ncm811", {}),
    "ccd-time-constant": ("phlt-symmetric", {}),
    "galvanostatic-cycling": ("voc1", {"cycles": "3"}),
    "eis-in-cycling": ("phlt-symmetric", {"spectra": "2", "cycles": "2"}),
    "cyclic-voltammetry": ("voc1", {"low": "2.15 V", "high": "3.8 V", "cycles": "1"}),
}


def plan_of(protocol):
    cell, values = CASES[protocol]
    path, file = library() / f"{protocol}.yaml", library() / "cells" / f"{cell}.yaml"
    loaded = load(path.read_text(), str(path), beside(library()))
    return compile_plan(loaded, load_cell(file.read_bytes(), str(file)), None, None, values)


@pytest.mark.parametrize("protocol", CASES)
def test_unicycler_takes_what_is_written_for_it_word_for_word(protocol):
    text, _ = written(plan_of(protocol), "unicycler")
    ours = json.loads(text)
    theirs = CyclingProtocol.from_dict(ours).to_dict(exclude_none=True)
    assert len(theirs["method"]) == len(ours["method"])
    for mine, other in zip(ours["method"], theirs["method"], strict=True):
        assert {key: other[key] for key in mine} == mine


def test_its_words_for_pybamm_say_what_ours_say():
    plan = plan_of("cccv-cycling")
    text, _ = written(plan, "unicycler")
    theirs = CyclingProtocol.from_dict(json.loads(text)).to_pybamm_experiment()
    read, _ = pybamm.read("\n".join(theirs), "theirs")
    ours, _ = method_of(plan, "pybamm")
    again, _ = pybamm.read(pybamm.write(ours)[0], "ours")
    assert essence(read.items) == essence(tuple(_flat(again.items)))


def test_its_step_file_for_neware_is_what_we_read():
    plan = plan_of("cccv-cycling")
    text, _ = written(plan, "unicycler")
    theirs, losses = neware.read(CyclingProtocol.from_dict(json.loads(text)).to_neware_xml(), "theirs")
    ours, _ = unicycler.read(text, "ours")
    assert losses == ()
    assert essence(tuple(_flat(theirs.items, most=None))) == essence(tuple(_flat(ours.items, most=None)))


def _flat(items, **changed):
    for item in items:
        if isinstance(item, MethodStep):
            yield replace(item, **changed)
        else:
            for _ in range(item.passes):
                yield from _flat(item.items, **changed)


@pytest.mark.parametrize("protocol", ["cccv-cycling", "eis-in-cycling", "cyclic-voltammetry"])
def test_its_settings_for_ec_lab_are_what_we_write_and_read(protocol):
    plan = plan_of(protocol)
    text, _ = written(plan, "unicycler")
    theirs = CyclingProtocol.from_dict(json.loads(text)).to_biologic_mps(sample_name="x", range_V=(-5.0, 5.0))
    from_theirs, losses = eclab.read(theirs, "theirs")
    ours, _ = unicycler.read(text, "ours")
    assert losses == ()
    from_ours, losses = eclab.read(eclab.write(ours)[0], "ours")
    assert losses == ()
    pairs = list(zip(_flat(from_theirs.items), _flat(from_ours.items), strict=True))
    for one, other in pairs:  # theirs rounds to three decimals of a milliampere
        assert (one.kind, one.galvanostatic, one.per_decade, one.versus) == (
            other.kind, other.galvanostatic, other.per_decade, other.versus
        )  # fmt: skip
        numbers = [(each.value, each.start, each.rate, each.stop, each.amplitude) for each in (one, other)]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-3)
        ends = [[(end.quantity, end.above) for end in each.ends] for each in (one, other)]
        assert ends[0] == ends[1]
        assert [end.value for end in one.ends] == pytest.approx([end.value for end in other.ends], rel=1e-3)


def test_our_step_file_for_neware_is_read_as_its_own_is():
    plan = plan_of("cccv-cycling")
    text, _ = written(plan, "unicycler")
    theirs, _ = neware.read(CyclingProtocol.from_dict(json.loads(text)).to_neware_xml(), "theirs")
    ours, losses = neware.read(neware.write(unicycler.read(text, "ours")[0])[0], "ours")
    assert losses == ()
    assert essence(tuple(_flat(theirs.items, most=None))) == essence(tuple(_flat(ours.items, most=None)))


def test_its_battinfo_workflow_is_what_we_write_and_read():
    text, _ = written(plan_of("cccv-cycling"), "unicycler")
    theirs, losses = battinfo.read(
        json.dumps(CyclingProtocol.from_dict(json.loads(text)).to_battinfo_jsonld()), "theirs"
    )
    ours, _ = battinfo.read(battinfo.write(unicycler.read(text, "ours")[0])[0], "ours")
    assert losses == ()
    assert essence(tuple(_flat(theirs.items))) == essence(tuple(_flat(ours.items)))
