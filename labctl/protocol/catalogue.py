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


FAMILIES: Final[Mapping[str, str]] = {
    "yaml": "YAML itself, and what it makes of a chemist's hand",
    "form": "Forms, keys and words",
    "file": "Files",
    "unit": "Quantities",
    "reference": "References and expressions",
    "condition": "Conditions",
    "step": "Steps, blocks and uses",
    "safety": "Safety",
    "cell": "Cells",
    "station": "Stations",
    "plan": "Plans",
}

CODES: Final[Mapping[str, Code]] = {
    name: Code(*entry)
    for table in (codes_yaml.CODES, codes_protocol.CODES, codes_plan.CODES)
    for name, entry in table.items()
}
