"""Files with tabs: every hint followed literally, all at once, makes a file that is read."""

import re

import pytest

from labctl.protocol.load import read

HEAD = "labctl: 1\nname: T\nrequires: {cell: full}\nlimits: {voltage: [3 V, 4.2 V]}\nsteps:\n"
CHARGE, DISCHARGE = "- charge: {current: C/2, to: 4.1 V, for: 4 h}", "- discharge: {current: C/2, to: 3.1 V, for: 4 h}"
EDITED = [
    ["\t- rest: 1 h", "\t- repeat: 5", "\t  cycle: true", "\t  steps:", f"\t\t{CHARGE}", f"\t\t{DISCHARGE}", "\t- rest: 1 h"],
    ["\t- repeat: 5", "\t\tsteps:", "\t\t\t- charge:", "\t\t\t\t\tcurrent: C/2", "\t\t\t\t\tto: 4.1 V", "\t\t\t\t\tfor: 4 h", "\t- rest: 2 h"],
    ["  - rest: 1 h", "  - charge:", "\tcurrent: C/2", "\tto: 4.1 V", "\tfor: 4 h", "  - rest: 1 h"],
    ["  - repeat: 3", "\tsteps:", f"\t  {CHARGE}", f"\t  {DISCHARGE}", "  - rest: 1 h"],
    ["  - repeat: 5", "    cycle: true", "    steps:", f"  \t{CHARGE}", f"  \t{DISCHARGE}"],
]  # fmt: skip


@pytest.mark.parametrize("lines", EDITED)
def test_lines_with_the_same_tabs_get_the_same_spaces(lines):
    text = HEAD + "\n".join(lines) + "\n"
    found = read(text, "t.yaml").findings
    assert {finding.code for finding in found} == {"yaml.tab"}
    mended = text.split("\n")
    for finding in found:
        count = re.search(r"(?:begin the line with|write) (\d+) spaces", finding.hint)
        at = finding.mark.line - 1
        mended[at] = " " * int(count[1]) + mended[at].lstrip()
    assert read("\n".join(mended), "t.yaml").findings == ()
