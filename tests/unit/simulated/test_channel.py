import math

import numpy as np
import orjson
import pytest

from labctl.driver import (
    Bend,
    Bounds,
    Chamber,
    ConstantLoad,
    ConstantPower,
    Ended,
    Fault,
    Galvanostatic,
    Potentiostatic,
    Profile,
    Program,
    ProgramStep,
    RecordRule,
    Rest,
    Sweep,
    Threshold,
)
from labctl.errors import SettingRefused
from labctl.sample import Batch
from labctl_drivers.simulated import Simulated
from labctl_simulators.cell import Segment

RULES = (RecordRule(every=10.0, voltage=2e-3),)
LIMITS = Bounds(voltage=(2.5, 4.3))


def for_(seconds):
    return (Threshold("time", above=True, value=seconds, number=0),)


def put_in(model="marquis2019", seed=0, **options):
    source = Simulated(**options)
    source.insert("1", {"model": model}, seed)
    return source


def begin(source, mode, ends, rules=RULES, bounds=LIMITS):
    source.begin("1", Program(1, (ProgramStep(1, mode, ends, rules, bounds),)))


def read_all(source, most=4096, until=float("inf")):
    """Return the columns as one matrix, and what was said."""
    rows, said = [], []
    for _ in range(10_000):
        readings = source.advance("1", until, most)
        for reading in readings:
            if isinstance(reading, Batch):
                rows.append(
                    np.stack(
                        [reading.time, reading.voltage, reading.current, reading.charging_ah, reading.discharging_ah]
                    )
                )
            else:
                said.append(reading)
        if not readings or (said and isinstance(said[-1], Ended | Fault)):
            break
    return (np.concatenate(rows, axis=1) if rows else np.empty((5, 0))), said


def test_a_charge_ends_at_its_voltage_and_counts_its_charge():
    source = put_in()
    begin(source, Galvanostatic(0.5), (Threshold("voltage", above=True, value=4.1, number=3), *for_(36_000.0)))
    rows, said = read_all(source)
    assert said == [Ended(0, rows[0, -1], 3, "voltage above 4.1")]
    assert rows[1, -1] == pytest.approx(4.1, abs=5e-5)
    assert rows[3, -1] == pytest.approx(0.5 * rows[0, -1] / 3600.0, rel=1e-9)
    assert (np.diff(rows[0]) > 0).all()
    assert (rows[4] == 0.0).all()


@pytest.mark.parametrize(
    ("mode", "ends"),
    [
        (Rest(), for_(600.0)),
        (Potentiostatic(4.0, most=1.0), (Threshold("current", above=False, value=0.1, number=1), *for_(7200.0))),
        (ConstantPower(-1.0), for_(600.0)),
        (ConstantLoad(10.0), for_(600.0)),
        (Galvanostatic(-0.3), (Threshold("charge", above=True, value=60.0, number=1), *for_(7200.0))),
        (Sweep(3.85, 3.8, 1e-3), ()),
        (Profile((0.0, 10.0, 25.0, 40.0), (0.1, -0.2, 0.3, 0.0)), ()),
        (Chamber(302.0, soak=60.0), ()),
    ],
)
def test_every_mode_comes_to_its_end(mode, ends):
    source = put_in()
    begin(source, mode, ends)
    rows, said = read_all(source)
    assert isinstance(said[-1], Ended), said
    assert said[-1].time == pytest.approx(rows[0, -1])
    assert np.isfinite(rows).all()


def test_a_cell_that_cannot_bend_says_so():
    rigid = put_in("marquis2019")
    begin(rigid, Bend(angle=1.0, radius=5e-3, times=3), ())
    assert "bend angle" in read_all(rigid)[1][-1].why


@pytest.mark.parametrize("bend", [Bend(radius=5e-3), Bend(angle=math.pi)])
def test_a_radius_alone_is_a_fold_around_a_rod_and_an_angle_alone_one_at_the_radius_of_the_model(bend):
    shapes = []
    for mode in (bend, Bend(angle=math.pi, radius=5e-3)):
        source = put_in("voc1-atfb", voltage_noise=0.0)
        begin(source, Bend(angle=1.0, radius=2e-3), ())
        read_all(source)
        begin(source, mode, ())
        read_all(source)
        begin(source, Galvanostatic(-1e-6), for_(10.0))
        shapes.append(read_all(source)[0][1])
    assert np.array_equal(*shapes)


@pytest.mark.parametrize("most", [1, 7, 100])
def test_rows_of_a_counter_rule_do_not_depend_on_how_many_are_read_at_once(most):
    whole, parts = put_in(), put_in()
    for source in (whole, parts):
        begin(source, Galvanostatic(0.2), for_(1234.5), (RecordRule(every=3.0),))
    assert np.array_equal(read_all(whole)[0], read_all(parts, most)[0])


@pytest.mark.parametrize(
    "mode", [Galvanostatic(0.4), Potentiostatic(4.0), Profile(tuple(range(60)), tuple([0.1, -0.1] * 30))]
)
def test_going_back_to_a_row_gives_the_same_rows_again(mode):
    source = put_in()
    begin(source, mode, for_(300.0), (RecordRule(every=2.0),))
    first, _ = read_all(source)
    begin(source := put_in(), mode, for_(300.0), (RecordRule(every=2.0),))
    reading = source.advance("1", float("inf"), 4096)[0]
    source.rewind("1", float(reading.time[10]))
    again, said = read_all(source)
    assert np.array_equal(again[0], first[0, 11:])
    assert np.allclose(again, first[:, 11:], rtol=1e-12, atol=1e-12)
    assert isinstance(said[-1], Ended)


def test_a_new_program_begins_at_the_row_gone_back_to():
    source = put_in(voltage_noise=0.0, voltage_resolution=0.0)
    begin(source, Galvanostatic(0.5), for_(1000.0))
    rows = source.advance("1", float("inf"), 4096)[0]
    source.rewind("1", float(rows.time[20]))
    begin(source, Rest(), for_(1.0))
    rested, _ = read_all(source)
    charged = rows.charging_ah[20]
    begin(other := put_in(voltage_noise=0.0, voltage_resolution=0.0), Galvanostatic(0.5), for_(float(rows.time[20])))
    assert read_all(other)[0][3, -1] == pytest.approx(charged)
    begin(other, Rest(), for_(1.0))
    assert np.allclose(read_all(other)[0], rested, atol=1e-9)


@pytest.mark.parametrize(
    "mode",
    [
        Galvanostatic(0.4),
        Potentiostatic(3.95),
        Profile(tuple(range(60)), tuple([0.1, -0.1] * 30)),
        Chamber(303.15, 0.5, 60.0),  # saved on the way there, the ramp goes on from where it was
        Chamber(270.5, 0.5, 60.0),
    ],
)
@pytest.mark.parametrize("read", [0, 1, 4])
def test_a_saved_cell_goes_on_to_the_bit(mode, read):
    source = put_in(seed=5, current_noise=1e-6)
    begin(source, mode, for_(300.0))
    for _ in range(read):
        source.advance("1", float("inf"), 10)
    saved = source.save("1")
    other = put_in(seed=5, current_noise=1e-6)
    other.restore("1", saved)
    assert other.save("1") == saved
    one, other_rows = read_all(source)[0], read_all(other)[0]
    assert one.tobytes() == other_rows.tobytes()


@pytest.mark.parametrize("rules", [(RecordRule(every=1.0),), (RecordRule(every=1.0, voltage=1e-5),)])
@pytest.mark.parametrize("read", [3000, 3073, 8192])
def test_a_cell_that_was_saved_late_in_a_step_goes_on_to_the_bit_without_its_rows_before(rules, read, monkeypatch):
    source, other = put_in(seed=5, current_noise=1e-6), put_in(seed=5, current_noise=1e-6)
    begin(source, Galvanostatic(-0.1), for_(10_000.0), rules)
    while read > 0:
        read -= sum(map(len, source.advance("1", float("inf"), read)))
    saved = source.save("1")
    asked = []
    seen = Segment.rows
    monkeypatch.setattr(Segment, "rows", lambda segment, times: asked.append(min(times)) or seen(segment, times))
    other.restore("1", saved)
    assert not asked or min(asked) > 0.0, "the rows at the begin of the step were worked out again"
    one, other_rows = read_all(source)[0], read_all(other)[0]
    assert one.tobytes() == other_rows.tobytes()


def test_a_cell_that_was_saved_before_the_place_of_its_rows_was_kept_goes_on_to_the_bit():
    source, other = put_in(seed=5), put_in(seed=5)
    begin(source, Galvanostatic(-0.1), for_(3000.0), (RecordRule(every=1.0),))
    source.advance("1", float("inf"), 2500)
    saved = orjson.loads(source.save("1"))
    del saved["buffer"]
    other.restore("1", orjson.dumps(saved))
    assert read_all(source)[0].tobytes() == read_all(other)[0].tobytes()


def test_a_paced_cell_gives_what_there_is_and_no_more():
    source = put_in()
    begin(source, Galvanostatic(0.1), for_(3600.0), (RecordRule(every=0.1),))
    assert read_all(source, until=1.0)[0][0].tolist() == pytest.approx([0.1 * n for n in range(11)])
    assert source.advance("1", 1.05, 100) == []
    assert read_all(source, until=2.0)[0].shape[1] == 10


def test_output_off_rests_within_the_programs_time():
    source = put_in()
    begin(source, Galvanostatic(0.5), for_(3600.0))
    source.advance("1", 100.0, 4096)
    source.off("1")
    source.off("1")
    rows, _ = read_all(source, until=400.0)
    assert rows[0, 0] >= 100.0
    assert (rows[2, 1:] == 0.0).all()
    assert rows[3, -1] == pytest.approx(0.5 * 100.0 / 3600.0)


def test_a_limit_is_met_by_a_row_just_beyond_it():
    source = put_in(voltage_noise=0.0)
    begin(source, Galvanostatic(1.0), for_(36_000.0), (RecordRule(every=600.0),), Bounds(voltage=(3.0, 4.0)))
    rows, _ = read_all(source)
    beyond = rows[1][rows[1] > 4.0]
    assert beyond[0] == pytest.approx(4.0015, abs=1e-4)


def test_a_cell_that_gives_out_runs_to_the_rail_or_to_an_end():
    source = put_in()
    begin(source, Galvanostatic(-50.0), for_(360.0))
    rows, said = read_all(source)
    assert isinstance(said[-1], Fault)
    assert rows[1, -1] == -10.0
    source = put_in()
    begin(source, Galvanostatic(-50.0), (Threshold("voltage", above=False, value=-5.0, number=2), *for_(360.0)))
    rows, said = read_all(source)
    assert said[-1].end == 2


def test_what_cannot_be_put_in_is_refused_in_words():
    with pytest.raises(SettingRefused, match="names no `model`"):
        Simulated().insert("1", {})
    with pytest.raises(SettingRefused, match="'marquis'"):
        Simulated().insert("1", {"model": "marquis"})
    with pytest.raises(SettingRefused, match="no cell was put on channel 9"):
        put_in().save("9")
    with pytest.raises(SettingRefused, match="version 1"):
        put_in().restore("1", b'{"labctl_simulated": 7}')


def test_a_step_that_is_over_as_it_begins_is_one_row():
    source = put_in()
    begin(source, Rest(), for_(0.0))
    rows, said = read_all(source)
    assert rows[0].tolist() == [0.0]
    assert said == [Ended(0, 0.0, 0, "time above 0")]
    begin(source, Galvanostatic(0.5), for_(10.0))
    assert read_all(source)[0][3, -1] == pytest.approx(0.5 * 10.0 / 3600.0)
