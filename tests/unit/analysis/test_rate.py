import pytest

from labctl.analysis.rate import analyse_rate

MEASURED = ((0.1, 231.0), (1.0, 183.5), (5.0, 90.1), (0.1, 220.0))  # C, mAh/g: falling with the rate, then back


def run(record, cycles=5):
    steps, table = [], []
    for rate, specific in MEASURED:
        for _ in range(cycles):
            number, charge = len(table) + 1, specific * 1e-6  # Ah in a milligram
            steps.append({"step_type": "discharge", "cycle_count": number, "discharging_capacity_ah": charge,
                          "step_time_second": charge * 3600 / (rate * 1e-3)})  # fmt: skip
            table.append({"cycle_count": number, "discharging_capacity_ah": charge})
    return analyse_rate(record(steps, table), {})


def test_groups_cycles_by_their_current(record):
    found = run(record)
    assert found.table["rate / C"] == pytest.approx([rate for rate, _ in MEASURED])
    assert found.table["mean capacity / mAh/g"] == pytest.approx([specific for _, specific in MEASURED])
    assert found.table["cycles"] == (5, 5, 5, 5)


def test_recovery_compares_the_same_rate(record, value):
    assert value(run(record), "recovery") == pytest.approx(100 * 220.0 / 231.0)
    assert value(run(record), "capacity at the highest rate") == pytest.approx(90.1)
