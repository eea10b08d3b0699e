"""Every code of a finding: what it says, why the language wants it so, a wrong and a right example.

An example is a step (`- rest: 2 h`), or a key of the file. `docs/reference/errors.md` is written from this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from labctl.protocol import codes_plan, codes_protocol, codes_yaml


@dataclass(frozen=True, slots=True)
class Code:
    """One code: one line about it, the reason, and examples where one can be given."""

    about: str
    why: str = ""
    wrong: str = ""
    right: str = ""

    def text(self, name: str) -> str:
        """Return the explanation as people read it on a terminal."""
        parts = [f"{name}: {self.about}"]
        parts += [self.why] if self.why else []
        parts += [f"wrong:\n{_indented(self.wrong)}"] if self.wrong else []
        parts += [f"right:\n{_indented(self.right)}"] if self.right else []
        return "\n\n".join(parts)


def _indented(text: str) -> str:
    return "\n".join("  " + line for line in text.splitlines())


CODES: Final[Mapping[str, Code]] = {
    name: Code(*entry)
    for table in (codes_yaml.CODES, codes_protocol.CODES, codes_plan.CODES)
    for name, entry in table.items()
}


def markdown() -> str:
    """Return the page of the reference that lists every code."""
    parts = [
        "# Codes of findings",
        "Every finding about a file has a code that does not change. `labctl explain CODE` prints its entry.",
        "This page is written from the same table: `labctl explain --markdown`.",
    ]
    for code, entry in CODES.items():
        parts += [f"## {code}", entry.about[0].upper() + entry.about[1:] + "."]
        parts += [entry.why] if entry.why else []
        parts += [f"Wrong:\n\n```yaml\n{entry.wrong}\n```"] if entry.wrong else []
        parts += [f"Right:\n\n```yaml\n{entry.right}\n```"] if entry.right else []
    return "\n\n".join(parts) + "\n"
