"""Protocols of other programs: every one of the library there and back, equal or explained, and what a hand writes."""

import json
from dataclasses import replace
from functools import lru_cache

import pytest

from labctl.errors import UsageError
from labctl.exchange.methods.eclab_columns import told
from labctl.exchange.methods.find import METHODS, decoded, read, written
from labctl.exchange.methods.from_plan import method_of
from labctl.exchange.methods.loss import LOSSES
from labctl.exchange.methods.outline import MethodLoop, essence, steps_in
from labctl.exchange.vendor_test import VendorFileError
from labctl.inputs import beside, library
from labctl.plan.compile import compile_plan
from labctl.protocol.cellfile import load_cell
from labctl.protocol.load import load
from tests.system.test_library import CASES

ANY = """\
labctl_cell: 1
name: any
kind: full
area: 1 cm2
nominal: {capacity: 10 Ah}
limits: {voltage: [-10 V, 10 V], current: [-100 A, 100 A], temperature: [-40 degC, 200 degC]}
"""


def compiled(text, name, cell, values=None):
    return compile_plan(load(text, name, beside(library())), cell, None, None, values or {})


@lru_cache
def plan_of(protocol):
    cell, values = CASES[protocol]
    file = library() / "cells" / f"{cell}.yaml"
    path = library() / f"{protocol}.yaml"
    return compiled(path.read_text(), str(path), load_cell(file.read_bytes(), str(file)), values)


@pytest.mark.parametrize("to", METHODS)
@pytest.mark.parametrize("protocol", CASES)
def test_every_protocol_of_the_library_comes_back_equal_or_explained(protocol, to):
    plan = plan_of(protocol)
    ours, general = method_of(plan, to)
    text, losses = METHODS[to].write(ours)
    told = {each.where for each in (*general, *losses)}
    if not any(True for _ in steps_in(ours.items)):
        assert told
        return
    theirs, _ = METHODS[to].read(text, "theirs")
    assert METHODS[to].write(theirs)[0].splitlines()[1:] == text.splitlines()[1:]  # there and back is the same file
    if essence(theirs.items) != essence(ours.items):
        there = set(map(str, essence(tuple(steps_in(theirs.items)))))
        assert losses
        for step in steps_in(ours.items):
            assert step.where in told or str(essence((step,))[0]) in there, step
    yaml, _ = read(text, "theirs.txt")
    again, _ = method_of(compiled(yaml, "again.yaml", load_cell(ANY.encode(), "any.yaml")), to)
    assert essence(_unbounded(again.items)) == essence(_unbounded(theirs.items))


def _unbounded(items):
    """Return items whose held voltages draw what they will: unsaid, that is the limit of the file or the cell."""
    return tuple(
        replace(item, items=_unbounded(item.items)) if isinstance(item, MethodLoop) else replace(item, most=None)
        for item in items
    )


def test_the_table_of_losses_names_formats_that_there_are():
    assert {to for reasons in LOSSES.values() for to in reasons} <= {"*", *METHODS}


@pytest.mark.parametrize("to", METHODS)
def test_rules_of_recording_by_step_time_are_told_with_the_one_that_is_written(to):
    text = """labctl: 1
name: pulse
steps:
  - discharge: {current: 1 A, for: 60 s}
    record: [{every: 0.2 s, for: 10 s}, {every: 2 s, dV: 5 mV}]
  - rest: 60 s
    record: {every: 2 s}
"""
    _, losses = written(compiled(text, "pulse.yaml", load_cell(ANY.encode(), "any.yaml")), to)
    (told,) = [each for each in losses if each.what.startswith("record every")]
    assert told.what == (
        "record every 0.2 s until 10 s, then every 2 s or 5 mV apart; the finest of each is every 0.2 s or 5 mV apart"
    )
    assert "left out" in told.reason if to == "battinfo" else "the finest is written" in told.reason
    assert told.where == "pulse.yaml:4"


def test_a_change_at_which_pybamm_cannot_record_is_told_with_its_value():
    text = "labctl: 1\nname: x\nsteps:\n  - rest: 1 h\n    record: {every: 1 min, dV: 1 mV}\n"
    _, losses = written(compiled(text, "x.yaml", load_cell(ANY.encode(), "any.yaml")), "pybamm")
    assert [each.what for each in losses if each.what.startswith("record")] == ["record 0.001 V apart"]


def test_an_experiment_written_by_hand_becomes_a_protocol():
    text = """
experiment = [
    ("Discharge at C/10 for 10 hours or until 3.3 V", "Rest for 1 hour",
     "Charge at 1 A until 4.1 V", "Hold at 4.1 V until 50 mA (1 minute period)"),
] * 3 + ["Discharge at 2.5 Ohm until 2.5 V"]
"""
    yaml, losses = read(text, "hand.py")
    assert losses == ()
    assert "discharge: {current: 0.1C, for: 36000 s, to: 3.3 V}" in yaml
    assert 'hold: {voltage: 4.1 V, until: "current < 50 mA"}\n        record: {every: 60 s}' in yaml
    method, _ = method_of(compiled(yaml, "hand.yaml", load_cell(ANY.encode(), "any.yaml")), "pybamm")
    assert isinstance(method.items[0], MethodLoop)
    assert (method.items[0].passes, method.items[0].cycle) == (3, True)


def test_strings_one_a_line_are_an_experiment():
    yaml, _ = read("Charge at 1 mA for 30 minutes\nRest for 5 minutes\n", "lines.txt")
    assert yaml.endswith("  - charge: {current: 1 mA, for: 1800 s}\n  - rest: 300 s\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Run US06 (A)\n", "hand:1: wanted a step"),
        ("[('Rest for 1 hour', open('x'))]", "hand:1: wanted lists and tuples of strings, found open"),
        ("['Charge at 1 A']", "hand:1: wanted a step"),
        ("['Charge at 1 bar for 1 hour']", "wanted a number in A, C, V, W or Ohm"),
        ('{"method": [{"step": "loop", "loop_to": "x", "cycle_count": 2}]}', "step 1: wanted a tag before it"),
        ('{"method": [{"step": "constant_current", "until_time_s": 5}]}', "step 1: wanted constant_current"),
        ('{"method": [{"step": "dance"}]}', "step 1: wanted a step that is known"),
        ('{"method": 3', "wanted JSON"),
        ("[]", "wanted steps, found none"),
    ],
)
def test_what_is_none_of_them_is_refused_with_its_place(text, words):
    with pytest.raises(VendorFileError, match=words.replace("(", r"\(")):
        read(text, "hand")


def test_a_unicycler_protocol_with_nested_loops_keeps_them():
    steps = [
        {"step": "tag", "tag": "a"},
        {"step": "tag", "tag": "b"},
        {"step": "constant_current", "rate_C": "D/2", "until_voltage_V": 3.0},
        {"step": "loop", "loop_to": "b", "cycle_count": 2},
        {"step": "open_circuit_voltage", "until_time_s": 60},
        {"step": "loop", "loop_to": "a", "cycle_count": 5},
    ]
    yaml, _ = read(json.dumps({"record": {"time_s": 1}, "method": steps}), "x.json")
    assert (
        "  - repeat: 5\n    steps:\n      - repeat: 2\n        steps:\n          - discharge: {current: 0.5C, to: 3 V}"
        in yaml
    )


def test_a_format_that_there_is_not_is_refused():
    with pytest.raises(UsageError, match="did you mean pybamm"):
        written(plan_of("activation"), "pybam")


NEWARE = """\
<?xml version="1.0"?>
<root><config type="Step File" version="17">
<Head_Info><Remark Value="cells"/></Head_Info>
<Whole_Prt><Protect><Main><Volt><Upper Value="42000"/><Lower Value="30000"/></Volt></Main></Protect>
<Record><Main><Time Value="10000"/></Main></Record></Whole_Prt>
<Step_Info Num="5">
<Step1 Step_ID="1" Step_Type="7"><Limit><Main><Curr Value="500"/><Volt Value="41000"/><Stop_Curr Value="50"/></Main></Limit></Step1>
<Step2 Step_ID="2" Step_Type="4"><Limit><Main><Time Value="60000"/></Main></Limit></Step2>
<Step3 Step_ID="3" Step_Type="2"><Limit><Main><Curr Value="500"/><Stop_Volt Value="30000"/><Cap Value="3600000"/></Main></Limit></Step3>
<Step4 Step_ID="4" Step_Type="5"><Limit><Other><Start_Step Value="2"/><Cycle_Count Value="3"/></Other></Limit></Step4>
<Step5 Step_ID="5" Step_Type="6"/>
</Step_Info></config></root>
"""


def test_a_neware_step_file_becomes_a_protocol():
    yaml, losses = read(NEWARE, "cells.xml")
    assert losses == ()
    assert yaml.splitlines()[1:] == [
        "labctl: 1",
        'name: "cells"',
        "limits: {voltage: [3 V, 4.2 V]}",
        "record: {every: 10 s}",
        "steps:",
        "  - charge: {current: 500 mA, to: 4.1 V}",
        '  - hold: {voltage: 4.1 V, until: "current < 50 mA"}',
        "  - repeat: 3",
        "    steps:",
        "      - rest: 60 s",
        "      - discharge: {current: 500 mA, capacity: 1 Ah, to: 3 V}",
    ]
    assert compiled(yaml, "cells.yaml", load_cell(ANY.encode(), "any.yaml")).root.children


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            ('"5"><Limit><Other><Start_Step Value="2"', '"5"><Limit><Other><Start_Step Value="9"'),
            "step 4: wanted steps to go back",
        ),
        (('Step_Type="7"', 'Step_Type="77"'), "step 1: wanted a type of step that is known, found 77"),
        (('Curr Value="500"', 'Curr Value="much"'), "step 1: wanted numbers"),
        (("<root>", "<!DOCTYPE x><root>"), "found a document type"),
        (("</root>", ""), "wanted XML"),
    ],
)
def test_a_damaged_step_file_is_refused_with_its_step(change, words):
    with pytest.raises(VendorFileError, match=words):
        read(NEWARE.replace(*change), "cells.xml")


def test_what_a_step_file_has_besides_is_told():
    yaml, losses = read(
        NEWARE.replace('<Stop_Curr Value="50"/>', '<Stop_Curr Value="50"/><dV Value="3"/>'), "cells.xml"
    )
    assert [str(each) for each in losses] == ["cells.xml: step 1: dV 3: left out on reading"]
    assert "# Not taken over: cells.xml: step 1: dV 3" in yaml


MPS = """\
BT-LAB SETTING FILE

Number of linked techniques : 1
Safety Limits :
\tEcell min = 2.00 V
\tEcell max = 4.50 V
\t|I| = 20.00000 mA
Comments : a pouch cell
Battery capacity : 10.000 mA.h

Technique : 1
Modulo Bat
Ns                  0                   1                   2                   3
ctrl_type           Rest                CC                  CV                  Loop
Apply I/C           I                   C / N               I                   I
ctrl1_val                                                   4.200
ctrl1_val_unit                                              V
N                   1.00                5.00                1.00                1.00
charge/discharge    Charge              Discharge           Charge              Charge
ctrl_seq            0                   0                   0                   1
ctrl_repeat         0                   0                   0                   9
lim_nb              1                   1                   2                   0
lim1_type           Time                Ecell               |I|                 Time
lim1_comp           >                   <                   <                   >
lim1_value          3.000               3.000               45.650              0.000
lim1_value_unit     h                   V                   µA                  s
lim1_action         Next sequence       Next sequence       Next sequence       Next sequence
lim1_seq            1                   2                   3                   4
lim2_type           Time                Time                Time                Time
lim2_comp           <                   <                   >                   <
lim2_value          0.000               0.000               5.000               0.000
lim2_value_unit     s                   s                   h                   s
lim2_action         Next sequence       Next sequence       Stop                Next sequence
lim2_seq            1                   2                   9999                4
rec_nb              1                   2                   0                   0
rec1_type           Time                Time                Time                Time
rec1_value          10.000              10.000              0.000               0.000
rec1_value_unit     s                   s                   s                   s
rec2_type           Time                Ecell               Time                Time
rec2_value          0.000               10.000              0.000               0.000
rec2_value_unit     s                   mV                  s                   s
"""


def test_settings_of_ec_lab_become_a_protocol_and_a_limit_that_goes_elsewhere_is_told():
    yaml, losses = read(decoded(MPS.encode("cp1252")), "cell.mps")
    assert [str(each) for each in losses] == ["cell.mps: sequence 2: limit Time 5.000, Stop 9999: left out on reading"]
    assert yaml.splitlines()[2:] == [
        "labctl: 1",
        'name: "a pouch cell"',
        "limits: {voltage: [2 V, 4.5 V], current: [-20 mA, 20 mA]}",
        "steps:",
        "  - rest: 10800 s",
        "    record: {every: 10 s}",
        "  - repeat: 10",
        "    steps:",
        "      - discharge: {current: 0.2C, to: 3 V}",
        "        record: {every: 10 s, dV: 10 mV}",
        '      - hold: {voltage: 4.2 V, until: "current < 45.65 uA"}',
    ]


def test_a_positive_current_beside_the_word_discharge_is_a_discharge_and_told():
    text = (
        MPS.replace("C / N               I ", "I                   I ")
        .replace(
            "ctrl1_val                                                   4.200",
            "ctrl1_val                               0.500               4.200",
        )
        .replace(
            "ctrl1_val_unit                                              V",
            "ctrl1_val_unit                          A                   V",
        )
    )
    yaml, losses = read(text, "cell.mps")
    assert "discharge: {current: 500 mA, to: 3 V}" in yaml
    assert "cell.mps: sequence 1: 0.5 A, Discharge" in str(losses[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("Modulo Bat", "GCPL"), "wanted the technique Modulo Bat, found GCPL"),
        (("Rest      ", "Dance     "), "sequence 0: wanted Rest, CC"),
        (("3.000               3.000", "much                3.000"), "sequence 0: wanted its numbers and units"),
        (("h                   V ", "parsec              V "), "wanted its numbers and units, found the unit 'parsec'"),
        (("ctrl_seq            0                   0                   0                   1",
          "ctrl_seq            0                   0                   0                   7"), "wanted sequences to go back to"),
        (("Ns  ", "Nx  "), "wanted sequences, found none"),
    ],
)  # fmt: skip
def test_damaged_settings_are_refused_with_their_sequence(change, words):
    assert change[0] in MPS
    with pytest.raises(VendorFileError, match=words):
        read(MPS.replace(*change), "cell.mps")


def test_a_value_keeps_its_digits_in_a_smaller_unit_or_says_that_it_is_rounded():
    assert told(1.5, "current") == ("1.500", "A", True)
    assert told(4.2005, "voltage") == ("4200.500", "mV", True)
    assert told(-0.5e-6, "current") == ("-500.000", "nA", True)
    assert told(0.0, "voltage") == ("0.000", "V", True)
    assert told(1 / 3, "time") == ("333.333", "ms", False)


def maccor_step(kind, mode="", value="", limits="", ends=(), reports=""):
    """Return a step of a procedure as Maccor's program lays it out."""
    said = "".join(
        f"<EndEntry><EndType>{word}</EndType><SpecialType> </SpecialType><Oper>{oper}</Oper><Step>{step}</Step>"
        f"<Value>{text}</Value></EndEntry>" for word, oper, step, text in ends
    )  # fmt: skip
    return (
        f"<TestStep><StepType>{kind}</StepType><StepMode>{mode:8}</StepMode><StepValue>{value}</StepValue><Limits>{limits}</Limits>"
        f"<Ends>{said}</Ends><Reports>{reports}</Reports><Range>4</Range><StepNote></StepNote></TestStep>"
    )


SAFETY = (("Voltage ", "&gt;= ", "008", "4.4"), ("Voltage ", "&lt;= ", "008", "2.0"))
PROCEDURE = [
    maccor_step("  Rest  ", ends=(("StepTime", " = ", "002", "00:15:00"), *SAFETY)),
    maccor_step("  Do 1  "),
    maccor_step(
        " Charge ", "Current", "0.5C", "<Voltage>4.2</Voltage>", (("Current ", "&lt;= ", "004", "0.05C"), *SAFETY),
        "<ReportEntry><ReportType>StepTime</ReportType><Value>::.5</Value></ReportEntry>",
    ),
    maccor_step("Dischrge", "Current", "2.0", ends=(("Voltage ", "&lt;= ", "005", "3.0"), *SAFETY)),
    maccor_step("AdvCycle"),
    maccor_step(" Loop 1 ", ends=(("Loop Cnt", " = ", "007", "30"),)),
    maccor_step("  End   "),
    maccor_step("  End   "),
]  # fmt: skip


def procedure(steps=PROCEDURE) -> str:
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<?maccor-application progid="Maccor Procedure File"?>\n'
    return f"{head}<MaccorTestProcedure><header/><ProcSteps>{''.join(steps)}</ProcSteps></MaccorTestProcedure>"


def test_a_maccor_procedure_becomes_a_protocol():
    yaml, losses = read(procedure(), "cell.000")
    assert losses == ()
    assert yaml.splitlines()[1:] == [
        "labctl: 1",
        'name: "cell.000"',
        "limits: {voltage: [2 V, 4.4 V]}",
        "steps:",
        "  - rest: 900 s",
        "  - repeat: 30",
        "    cycle: true",
        "    steps:",
        "      - charge: {current: 0.5C, to: 4.2 V}",
        "        record: {every: 0.5 s}",
        '      - hold: {voltage: 4.2 V, until: "current < 0.05C"}',
        "        record: {every: 0.5 s}",
        "      - discharge: {current: 2 A, to: 3 V}",
    ]
    assert compiled(yaml, "cell.yaml", load_cell(ANY.encode(), "any.yaml")).root.children


def test_ends_of_a_procedure_that_go_elsewhere_are_told():
    away = maccor_step(
        "Dischrge", "Current", "2.0", ends=(("Voltage ", "&lt;= ", "002", "2.7"), ("StepTime", " = ", "005", "1:00:00"))
    )
    _, losses = read(procedure([*PROCEDURE[:3], away, *PROCEDURE[4:]]), "cell.000")
    assert [str(each) for each in losses] == ["cell.000: step 4: end Voltage <= 2.7, step 2: left out on reading"]


def test_an_end_of_a_charge_at_a_lower_voltage_is_told_and_the_protocol_is_accepted():
    odd = maccor_step(
        " Charge ", "Current", "1", ends=(("StepTime", " = ", "002", "00:01:00"), ("Voltage ", "&lt;= ", "002", "2.5"))
    )
    yaml, losses = read(procedure([odd, maccor_step("  End   ")]), "cell.000")
    assert "voltage < 2.5 V: a voltage ends a step on the side" in str(losses[0])
    assert compiled(yaml, "cell.yaml", load_cell(ANY.encode(), "any.yaml")).root.children


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([maccor_step("FastWave")], "step 1: wanted a rest, charge or discharge by current or voltage, found FastWave"),
        ([*PROCEDURE[:5], PROCEDURE[6]], "found no end of Do 1"),
        ([PROCEDURE[0], PROCEDURE[5]], "step 2: wanted no end of a loop, found Loop 1"),
        ([maccor_step("Dischrge", "Current", "much", ends=SAFETY)], "step 1: wanted numbers, found 'much'"),
        ([maccor_step("  Rest  ", ends=(("StepTime", " = ", "002", "soon"),))], "step 1: wanted numbers, found 'soon'"),
        ([], "found none"),
    ],
)
def test_a_damaged_procedure_is_refused_with_its_step(steps, words):
    with pytest.raises(VendorFileError, match=words):
        read(procedure(steps), "cell.000")


def test_a_battinfo_workflow_becomes_a_protocol():
    text, _ = written(plan_of("cccv-cycling"), "battinfo")
    assert json.loads(text)["@type"] == "OpenCircuitHold"
    yaml, losses = read(text, "flow.jsonld")
    assert losses == ()
    assert "  - repeat: " in yaml


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"@context": [], "@type": "Dance"}', "task 1: wanted a rest, a current, a hold or a loop, found Dance"),
        ('{"@context": [], "@type": "VoltageHold"}', "task 1: wanted VoltageHold with its quantities"),
        ('{"@context": [], "@type": "OpenCircuitHold", "hasNext": 3}', "task 2: wanted a task in braces"),
        ('{"@context": [], "@type": "OpenCircuitHold", "hasInput": [{"@type": "Duration", "hasMeasurementUnit": "emmo:Parsec"}]}',
         "the unit emmo:Parsec"),
        ('{"@context": [', "wanted JSON"),
    ],
)  # fmt: skip
def test_a_damaged_workflow_is_refused_with_its_task(text, words):
    with pytest.raises(VendorFileError, match=words):
        read(text, "flow.jsonld")
