"""No text breaks the loader: it gives a protocol or findings with places, whatever a file holds."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labctl.errors import LabctlError
from labctl.plan.check import check
from labctl.protocol.cellfile import load_cell, read_cell
from labctl.protocol.format import format_text
from labctl.protocol.load import read
from labctl.protocol.template import template
from labctl.station.load import read_station
from labctl.text.compose import compose

ROOT = Path(__file__).parents[3]
TEXTS = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "protocols").glob("*.yaml"))]
TEXTS += [template(name) for name in ("protocol", "cell", "station")]
PIECES = [
    *(
        "$j",
        "$(1/0)",
        "[",
        "]",
        "{",
        "}",
        ": ",
        " #",
        ",",
        "\n",
        "- ",
        "  ",
        "ocv",
        "C/10",
        "5 mV",
        "vs Li",
        "|",
        ">",
        "&a",
        "*a",
        "!x",
    ),
    *(
        '"',
        "'",
        "\t",
        "µA",
        "repeat: 3",
        "steps:",
        "use: gitt",
        "1e999",
        "-1",
        "0",
        "%",
        "~",
        "é",
        "9" * 50,
        "$(((",
        "abs(",
        " over ",
    ),
    *(
        "retention < 80 %",
        "short",
        "50 %",
        "25 degC",
        "until: ",
        "cycle: true",
        "if: ",
        "to: ",
        "{from: 1, to: 5, by: 1}",
        "\x00",
        "\u2028",
    ),
]
CELL = load_cell(template("cell"), "cell.yaml")


def library(name: str) -> str | None:
    path = ROOT / "protocols" / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """Return a good file with some pieces put in and some characters taken out."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(PIECES)) + text[at + draw(st.integers(0, 12)) :]
    return text


RELAXED = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def judge(text: str) -> None:
    loaded = read(text, "f.yaml", library)
    for finding in (
        *check(loaded),
        *check(loaded, CELL),
        *read_cell(text, "f.yaml")[1],
        *read_station(text, "f.yaml")[1],
    ):
        assert finding.message.startswith("wanted ")
        assert finding.mark.line >= 1
        assert finding.mark.column >= 1
        assert str(finding)


@RELAXED
@given(damaged())
def test_a_damaged_file_is_answered(text):
    judge(text)


@RELAXED
@given(st.text(max_size=300))
def test_any_text_is_answered(text):
    judge(text)
    judge("labctl: 1\nsteps:\n  - " + text)


@RELAXED
@given(st.binary(max_size=200))
def test_any_bytes_are_answered(source):
    assert read(source, "f.yaml").findings


@RELAXED
@given(damaged())
def test_the_usual_form_says_the_same_and_is_usual(text):
    try:
        once = format_text(text, "f")
    except LabctlError:
        return
    assert compose(once, "f").findings == []
    loaded, again = read(text, "f", library), read(once, "f", library)
    assert [finding.code for finding in again.findings] == [finding.code for finding in loaded.findings]
    assert format_text(once, "f") == once
