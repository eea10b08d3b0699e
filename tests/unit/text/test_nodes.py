import pytest

from labctl.finding import Finding, Mark, with_lines
from labctl.text.compose import compose
from labctl.text.nodes import BROKEN, Entries, Items, Scalar


def root(text):
    document = compose(text, "f.yaml")
    assert document.findings == []
    return document.root


def test_scalars_stay_text():
    entries = root("a: no\nb: 1e3\nc: 12:30:00\nd: 017\ne: 2025-01-01\nf: =\n")
    assert isinstance(entries, Entries)
    assert [value.text for _, value in entries.entries] == ["no", "1e3", "12:30:00", "017", "2025-01-01", "="]


def test_every_value_has_its_place():
    entries = root("a:\n  - {b: µ, c: [1, 2]}\n")
    listing = entries.entries[0][1]
    assert isinstance(listing, Items)
    inner = listing.items[0]
    assert inner.mark == Mark("f.yaml", 2, 5)
    assert inner.entries[1][1].items[1].mark == Mark("f.yaml", 2, 19)


def test_a_place_inside_a_text():
    entries = root("a: 'x y'\nb: x y\nc: |\n  x y\n")
    plain = {key.text: value for key, value in entries.entries}
    assert plain["a"].at(2).column == 7
    assert plain["b"].at(2).column == 6
    assert plain["c"].at(2) == plain["c"].mark


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (b"a: \xff", "yaml.encoding"),
        ("a: \x07", "yaml.character"),
        ("a" * 300_000, "yaml.size"),
        ("[" * 70, "yaml.depth"),
        ("- a\n" * 20_001, "yaml.nodes"),
        ("", "yaml.empty"),
    ],
)
def test_what_is_too_much_is_refused(source, code):
    assert [finding.code for finding in compose(source, "f").findings] == [code]


def test_byte_order_mark_and_windows_newlines_are_read():
    assert root(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n").entries[1][1].mark.line == 2


def test_a_line_that_is_no_yaml_hides_no_other():
    document = compose("a: x: y\nb: [1, 2] mA\nc: 1\nd: > 4 V\n", "f")
    assert [finding.mark.line for finding in document.findings] == [1, 2, 4]
    assert [key.text for key, _ in document.root.entries] == ["a", "b", "c", "d"]
    assert document.root.entries[0][1] == Scalar(BROKEN, Mark("f", 1, 4), "", (3, 4))


def test_a_finding_shows_place_sentence_line_caret_and_hint():
    finding = Finding("unit.bare", "wanted a unit, found 5", Mark("f.yaml", 3, 9), "5 mA?", "  rest: 5")
    assert str(finding).splitlines() == [
        "f.yaml:3:9: error[unit.bare]: wanted a unit, found 5",
        " 3 |   rest: 5",
        "   |         ^",
        "  hint: 5 mA?",
    ]
    assert finding.as_json()["line"] == 3


def test_a_long_line_is_cut_around_its_caret():
    finding = Finding("form", "wanted", Mark("f", 1, 5000), "", "x" * 4999 + "!" + "x" * 5000)
    _, line, caret = str(finding).splitlines()
    assert len(line) < 130
    assert line[caret.index("^")] == "!"


def test_findings_get_their_lines_in_order():
    found = with_lines(
        [Finding("form", "b", Mark("f", 2, 1)), Finding("form", "a", Mark("f", 1, 1))], {"f": "one\ntwo"}
    )
    assert [finding.line for finding in found] == ["one", "two"]
