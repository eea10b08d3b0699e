from labctl.driver import RecordRule
from labctl.plan.description import limits, record, rows

STEPS = """- rest: {for: 2 h, until: abs(dV/dt) < 1 mV/h over 10 min}
- name: rates
  each: {r: [C/10, 1C, 2C]}
  cycle: true
  stop_if: retention of max < 80 %
  steps:
  - charge: {current: $r, to: 4.2 V, hold_until: current < C/20, for: 20 h}
  - discharge: {current: 1C, to: 2.5 V}
- hold: {voltage: 20 mV vs ocv, for: 1 h}
- eis: {from: 1 MHz, to: 0.1 Hz, amplitude: 10 mV, at: 3.5 V}
- cv: {from: 3 V, to: 4 V, rate: 0.5 mV/s}
- prompt: Press hard
- bend: {angle: 90 deg, times: 3}
"""


def test_rows_say_what_a_plan_does(plan):
    found = [(row.depth, row.line, row.word, row.setting, row.ends) for row in rows(plan(STEPS).root)]
    assert found == [
        (0, 1, "rest", "", "|dV/dt| < 1 mV/h over 10 min; time ≥ 2 h"),
        (0, 0, "3 × cycles", "r = C/10, 1C, 2C", "stop if retention of max < 80 % for 2 cycles running"),
        (1, 0, "one step", "", "time ≥ 20 h"),
        (2, 2, "charge", "100 uA, 1 mA, 2 mA", "voltage ≥ 4.2 V"),
        (2, 3, "hold", "4.2 V, at most 100 uA, 1 mA, 2 mA", "current < 50 uA"),
        (1, 4, "discharge", "-1 mA", "voltage ≤ 2.5 V"),
        (0, 5, "hold", "20 mV vs ocv, at most 10 mA", "time ≥ 1 h"),
        (0, 6, "eis", "1 MHz → 100 mHz, 71 points, 10 mV at 3.5 V", ""),
        (0, 0, "cycle", "", ""),
        (1, 7, "cv", "3 V → 4 V at 500 uV/s", ""),
        (1, 8, "cv", "4 V → 3 V at 500 uV/s", ""),
        (0, 9, "prompt", "Press hard", ""),
        (0, 10, "bend", "angle 90 deg, 3 times", ""),
    ]


def test_many_passes_show_their_begin_and_end(plan):
    made = plan(
        "- each: {j: {from: 1 mA, to: 9 mA, by: 1 mA}}\n  steps:\n  - strip: {current: $j, for: 1 h}", "symmetric"
    )
    assert [row.setting for row in rows(made.root)] == ["j = 1 mA, 2 mA … 9 mA", "1 mA, 2 mA … 9 mA"]


def test_many_passes_that_go_up_and_down_show_their_lowest_and_highest(plan):
    made = plan(
        "- each: {j: [1 mA, 3 mA, 9 mA, 2 mA, 1 mA]}\n  steps:\n  - strip: {current: $j, for: 1 h}\n"
        "  - plate: {current: $j, for: 1 h}",
        "symmetric",
    )
    assert [row.setting for row in rows(made.root)][1:] == ["1 mA … 9 mA", "-9 mA … -1 mA"]


def test_a_block_named_by_a_variable_of_a_loop_around_it_shows_its_values(plan):
    inner = "  - name: two at $r\n    repeat: 2\n    every: 1 h\n    steps:\n    - charge: {current: $r, for: 1 min}"
    found = [(row.word, row.name) for row in rows(plan(f"- each: {{r: [C/10, 1C]}}\n  steps:\n{inner}").root)]
    assert found[1] == ("2 × every 1 h", "two at C/10, 1C")


def test_limits_in_words(plan):
    assert limits(plan("- rest: 1 h").root.children[0].bounds) == (
        ("voltage", "2 V … 4.3 V"),
        ("current", "-10 mA … 10 mA"),
        ("capacity of a step", "at most 2 mAh"),
    )


def test_record_rules_in_words():
    rules = (RecordRule(every=0.1, until=10.0), RecordRule(every=10.0, voltage=2e-3, current=1e-6))
    assert record(rules) == "every 0.1 s until 10 s, then every 10 s or 2 mV apart or 1 uA apart"


def test_a_block_that_is_asked_for_shows_what_in_absolute_quantities(plan):
    made = plan(
        "- if: voltage > $(2 * half) and current < C/20\n  steps: [{rest: 1 h}]", head="params: {half: 1.5 V}\n"
    )
    assert next(rows(made.root)).word == "if voltage > 3 V and current < 50 uA"


def test_a_block_that_is_named_by_its_variable_shows_its_values(plan):
    made = plan("- name: at $r\n  each: {r: [0.5C, 1C]}\n  steps:\n  - discharge: {current: $r, to: 2.5 V}")
    assert [row.name for row in rows(made.root) if not row.line] == ["at 0.5C, 1C"]
