"""The analyses that a protocol asks for: names and their options."""

import re
from typing import Final

from labctl.document import BROKEN, Entries, Items, Node, Scalar, clip
from labctl.protocol.keys import ANALYSES
from labctl.protocol.model import Analysis
from labctl.protocol.steps import StepFields
from labctl.reading import near
from labctl.units import AREA, CURRENT


class AnalysisFields(StepFields):
    """Reads what stands behind `analyse`; options become texts in the unit that their analysis wants."""

    def analyses(self, node: Node | None) -> tuple[Analysis, ...]:
        """Return the analyses that a list, or one alone, names."""
        items = node.items if isinstance(node, Items) else () if node is None else (node,)
        found = [self._analysis(item) for item in items]
        return tuple(analysis for analysis in found if analysis is not None)

    def _analysis(self, node: Node) -> Analysis | None:
        if isinstance(node, Entries):
            if len(node.entries) != 1:
                self.report(
                    "form",
                    "wanted one analysis in each pair of braces, found more",
                    node.mark,
                    "[gitt, {retention: {of: max}}]",
                )
                return None
            key, value = node.entries[0]
            return Analysis(key.text, self._options(key.text, value), key.mark) if self._known(key) else None
        scalar = self.scalar(node, "the name of an analysis")
        return Analysis(scalar.text, {}, scalar.mark) if scalar is not None and self._known(scalar) else None

    def _known(self, name: Scalar) -> bool:
        if name.text in ANALYSES:
            return True
        if name.text != BROKEN:
            hint = (
                ANALYSIS_WORDS.get(name.text.lower()) or near(name.text, ANALYSES) or "known are " + ", ".join(ANALYSES)
            )
            self.report(
                "analyse.unknown", f"wanted the name of an analysis, found {clip(name.text)!r}", name.mark, hint
            )
        return False

    def _options(self, analysis: str, node: Node) -> dict[str, str]:
        entries = self.entries(node, f"the options of {analysis} in braces", "for example {retention: {of: max}}")
        if entries is None:
            return {}
        values = self.keys(entries, ANALYSES[analysis], f"the analysis {analysis}")
        found = {name: self._option(name, value) for name, value in values.items()}
        return {name: value for name, value in found.items() if value is not None}

    def _option(self, name: str, node: Node) -> str | None:
        match name:
            case "below":
                quantity = self.quantity(node, "fraction")
                return None if quantity is None else f"{100 * quantity.value_si:g}"
            case "length":
                quantity = self.quantity(node, "length")
                return None if quantity is None else repr(quantity.value_si)
            case "longest":
                quantity = self.quantity(node, "duration")
                return None if quantity is None else repr(quantity.value_si)
            case "threshold":
                return self._density(node)
            case "last":
                quantity = self.quantity(node, "count")
                return None if quantity is None else f"{quantity.value_si:.0f}"
        return self._of(node)

    def _density(self, node: Node) -> str | None:
        """Return a current density in mA/cm2."""
        quantity = self.quantity(node, "current")
        if quantity is None:
            return None
        if quantity.dimension != CURRENT / AREA:
            message = f"wanted a current density, found {quantity.text}"
            self.report("unit.kind", message, quantity.mark or node.mark, "for example 10 uA/cm2")
            return None
        return repr(quantity.value_si / 10.0)

    def _of(self, node: Node) -> str | None:
        scalar = self.scalar(node, "first, max or the number of a cycle")
        match = re.fullmatch(r"first|max|(?:cycle )?(\d{1,6})", scalar.text) if scalar else None
        if scalar is not None and match is None:
            self.report(
                "word.unknown", f"wanted first, max or the number of a cycle, found {clip(scalar.text)!r}", scalar.mark
            )
        return (match[1] or match[0]) if match else None


ANALYSIS_WORDS: Final = {
    "ce": "did you mean capacity? it tells the efficiency of each cycle",
    "efficiency": "did you mean capacity? it tells the efficiency of each cycle",
    "coulombic_efficiency": "did you mean capacity? it tells the efficiency of each cycle",
    "cycle_life": "did you mean retention?",
    "fade": "did you mean retention?",
    "rate_test": "did you mean rate?",
    "critical_current": "did you mean ccd?",
    "short": "did you mean life or ccd?",
    "diffusion": "did you mean gitt?",
    **dict.fromkeys(("resistance", "hppc", "pulse", "pulses", "ir"), "did you mean dcir?"),
    **dict.fromkeys(("lsv", "stability"), "did you mean window?"),
}
