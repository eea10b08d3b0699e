"""Whatever is thrown at the loader is answered by a finding, with work bounded by the size of the file."""

import pytest

from labctl.plan.check import check
from labctl.protocol.load import read
from labctl.text.compose import MOST_BYTES, compose
from labctl.text.fields import MOST_FINDINGS

HEAD = "labctl: 1\nsteps:\n"
ABUSE = {
    "brackets": "[" * MOST_BYTES,
    "braces": "{" * MOST_BYTES,
    "hyphens": "- " * (MOST_BYTES // 2),
    "question marks": "? " * (MOST_BYTES // 2),
    "quotes": '"' * MOST_BYTES,
    "bars": "|" * MOST_BYTES,
    "bangs": "!" * MOST_BYTES,
    "anchors": "&a " * (MOST_BYTES // 3),
    "aliases": "a: &a [x]\n" + "b: [*a, *a]\n" * 20_000,
    "colons": "a: " * (MOST_BYTES // 3),
    "newlines": "\n" * MOST_BYTES,
    "hashes": "#" * MOST_BYTES,
    "NUL": "\x00" * MOST_BYTES,
    "digits": HEAD + "  - rest: " + "9" * 250_000,
    "letters": HEAD + "  - " + "b" * 250_000 + ": 1",
    "errors": HEAD + "  - rest: 1\n" * 6500,
    "unknown keys": HEAD + "  - charge: {" + ", ".join(f"k{at}: 1" for at in range(9000)) + "}",
    "unknown verbs": HEAD + "  - wiat: 1\n" * 6500,
    "units outside": "x: [1, 2] mA\n" * 20_000,
    "open braces": "- a: {b:\n" * 20_000,
    "dashes": "– rest: 1\n" * 20_000,
    "condition": HEAD + '  - rest: {for: 1 h, until: "' + "voltage > 3 V and " * 10_000 + 'time > 1 h"}\n',
    "expression": HEAD + "  - rest: $(" + "(" * 100_000,
    "references": HEAD + "  - mark: " + "$a " * 80_000,
    "loops": HEAD + "  - each: {t: {from: 1 s, to: 19999 s, by: 1 s}}\n    steps: [{rest: $u}]\n" * 900,
    "nested blocks": HEAD + "  - " + "{repeat: 2, steps: [" * 30,
    "parameters": "labctl: 1\nparams: {" + ", ".join(f"a{at}: 1 mA" for at in range(8000)) + "}\nsteps: [{rest: 1}]",
}


@pytest.mark.parametrize("name", ABUSE)
def test_abuse_is_answered(name):
    found = check(read(ABUSE[name][:MOST_BYTES], "f.yaml"))
    assert 1 <= len(found) <= MOST_FINDINGS + 1
    assert all(len(str(finding)) < 2000 for finding in found)


def test_a_file_too_large_is_not_looked_at():
    assert [finding.code for finding in compose(b"[" * (MOST_BYTES + 1), "f").findings] == ["yaml.size"]
