"""A parameter of a wrong kind, which every use of it shows: said once, where its value is written."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from labctl.finding import Finding
from labctl.protocol.model import Protocol
from labctl.quantity.units import Quantity


def at_definitions(findings: Iterable[Finding], protocol: Protocol) -> list[Finding]:
    """Return findings with one at the value of a parameter in place of those at its uses, where none of these is right."""
    kept: list[Finding] = []
    by_use: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        match = re.search(r" \(in \$(\w+)\)$", finding.message)
        if match is None or finding.mark.file != protocol.file:
            kept.append(finding)
        else:
            by_use[match[1], finding.code, finding.message].append(finding)
    values = {parameter.name: parameter.default for parameter in protocol.parameters}
    for (name, _, message), uses in by_use.items():
        value = values.get(name)
        marks = sorted({use.mark for use in uses})
        written = re.findall(rf"\${name}\b", re.sub(r"(?:^|\s)#.*", "", protocol.text))
        if len(marks) < 2 or len(marks) != len(written) or not isinstance(value, Quantity) or value.mark is None:
            kept += uses
            continue
        lines = ", ".join(str(line) for line in sorted({mark.line for mark in marks}))
        said = message.removesuffix(f" (in ${name})") + f"; ${name} stands in lines {lines}"
        kept.append(replace(uses[0], message=said, mark=value.mark, line=""))
    return kept
