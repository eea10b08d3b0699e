"""The analyses that a protocol asks for: names and their options."""

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode

from labctl.errors import Misread, ProtocolError
from labctl.finding import Finding, Mark, clip, with_lines
from labctl.protocol.circuit import RESISTANCE, parse_circuit
from labctl.protocol.keys import ANALYSES
from labctl.protocol.model import AnalysisRequest
from labctl.protocol.steps import StepFields
from labctl.quantity.dimension import AREA, CURRENT, Kind
from labctl.quantity.units import display
from labctl.text.compose import compose
from labctl.text.fields import near
from labctl.text.nodes import BROKEN, Entries, Items, Node, Scalar


class AnalysisFields(StepFields):
    """Reads what stands behind `analyse`; options become texts in the unit that their analysis wants."""

    def analyses(self, node: Node | None) -> tuple[AnalysisRequest, ...]:
        """Return the analyses that a list, or one alone, names."""
        items = node.items if isinstance(node, Items) else () if node is None else (node,)
        requests = [self._analysis(item) for item in items]
        return tuple(analysis for analysis in requests if analysis is not None)

    def _analysis(self, node: Node) -> AnalysisRequest | None:
        if isinstance(node, Entries):
            if len(node.entries) != 1:
                self.report(
                    "form",
                    "wanted one analysis in each pair of braces, found more",
                    node.mark,
                    _as_list(node),
                )
                return None
            key, value = node.entries[0]
            return AnalysisRequest(key.text, self._options(key.text, value), key.mark) if self._known(key) else None
        scalar = self.scalar(node, "the name of an analysis")
        return AnalysisRequest(scalar.text, {}, scalar.mark) if scalar is not None and self._known(scalar) else None

    def _known(self, name: Scalar) -> bool:
        if name.text in ANALYSES:
            return True
        if name.text != BROKEN:
            several = re.split(r"\s*[,;]\s*|\s+", name.text.strip())
            hint = (
                f"write [{', '.join(several)}]"
                if len(several) > 1 and ANALYSES.keys() >= set(several)
                else (
                    ANALYSIS_WORDS.get(name.text.lower().replace(" ", "_").replace("-", "_"))
                    or near(name.text, ANALYSES)
                    or "known are " + ", ".join(ANALYSES)
                )
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
        read = {name: self.option(analysis, name, value) for name, value in values.items()}
        options = {name: value for name, value in read.items() if value is not None}
        if analysis == "activation" and "circuit" in options:
            self._resistance_in(
                options["circuit"], options.get("element", ""), values.get("element", values["circuit"])
            )
        return options

    def _resistance_in(self, circuit: str, element: str, node: Node) -> None:
        """Report a resistance that a circuit does not have: one that is named, or the one that is taken otherwise."""
        there = [name for name in parse_circuit(circuit).names if name.startswith("R")]
        if (element or RESISTANCE) not in there:
            found = f"found {clip(element)!r}" if element else f"found no {RESISTANCE}, and no element is named"
            hint = f"write element: {' or '.join(there)}" if there else "add one to the circuit"
            self.report("word.unknown", f"wanted a resistance of {circuit}, {found}", node.mark, hint)

    def option(self, analysis: str, name: str, node: Node) -> str | None:
        """Return one option of an analysis as that reads it."""
        known = _QUANTITIES.get(f"{analysis} {name}") or _QUANTITIES.get(name)
        if known is not None:
            kind, as_text = known
            quantity = self.quantity(node, kind)
            return None if quantity is None else as_text(quantity.value_si)
        match name:
            case "at":
                return self._times(node)
            case "threshold":
                return self._density(node)
            case "circuit":
                return self._circuit(node)
            case "element":
                return self.text(node, "the name of a resistance of the circuit")
            case "form":
                return self.choice(node, ("T/R", "1/R"))
        return self._of(node)

    def _times(self, node: Node) -> str | None:
        """Return one or several durations in s, joined by commas."""
        seconds = [self.quantity(item, "duration") for item in self.each_scalar(node, "a duration")]
        known = [quantity.value_si for quantity in seconds if quantity is not None]
        return ",".join(f"{second:g}" for second in sorted(set(known))) or None

    def _circuit(self, node: Node) -> str | None:
        scalar = self.scalar(node, "an equivalent circuit", 'quote it: "R0-p(R1,CPE1)"')
        if scalar is None:
            return None
        try:
            return parse_circuit(scalar.text).text
        except Misread as error:
            self.misread(error, scalar)
            return None

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


def as_word(analysis: str, given: Mapping[str, str]) -> str:
    """Return an analysis with options as one word without spaces, `impedance?circuit=R0-p%28R1%2CC1%29`, for an order."""
    return f"{analysis}?{urlencode(given)}" if given else analysis


def of_word(word: str) -> tuple[str, dict[str, str]]:
    """Return the analysis that a word of `as_word` names, and the texts of its options."""
    name, _, given = word.partition("?")
    return name, dict(parse_qsl(given, keep_blank_values=True))


def read_options(analysis: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return options of an analysis that are given one by one, as its protocol would give them.

    Args:
        analysis: A key of `ANALYSES`.
        given: Texts by name, each as it would stand in a protocol.

    Raises:
        ProtocolError: One is no option of it, or says what cannot be; its place is `NAME:1:COLUMN`.
    """
    options: dict[str, str] = {}
    findings: list[Finding] = []
    has = ANALYSES.get(analysis, {})
    for name, text in given.items():
        document = compose(text, name)
        fields = AnalysisFields(document)
        if name not in has:
            known = ", ".join(has) or "none"
            message = f"wanted an option of the analysis {analysis}, found {clip(name)!r}"
            fields.report("key.unknown", message, Mark(name, 1, 1), f"it has {known}")
        elif document.root is not None and (value := fields.option(analysis, name, document.root)) is not None:
            options[name] = value
        findings += with_lines(fields.findings, {name: text})
    if findings:
        raise ProtocolError(findings)
    return options


def option_shown(analysis: str, name: str, value: str) -> str:
    """Return the value of an option of an analysis as people read it, with its unit where it is a quantity."""
    kind, _ = _QUANTITIES.get(f"{analysis} {name}", _QUANTITIES.get(name, ("any", repr)))
    if name == "at":
        return ", ".join(display(float(second), "duration") for second in value.split(","))
    if name == "threshold":
        return f"{float(value):.4g} mA/cm2"
    try:
        number = float(value)
    except ValueError:
        return value
    match kind:
        case "any" | "count":
            return value
        case "fraction":
            return f"{value} %"
    return display(number, kind)


def _as_list(node: Entries) -> str:
    """Return names in braces as the list that they were meant to be."""
    names = [key.text for key, value in node.entries if isinstance(value, Scalar) and value.missing]
    return (
        f"write [{', '.join(names)}]" if names and len(names) == len(node.entries) else "[gitt, {retention: {of: max}}]"
    )


_QUANTITIES: Final[Mapping[str, tuple[Kind, Callable[[float], str]]]] = {
    "below": ("fraction", lambda value: f"{100 * value:g}"),
    "length": ("length", repr),
    "longest": ("duration", repr),
    "last": ("count", lambda value: f"{value:.0f}"),
    "leakage last": ("duration", repr),
    "window": ("voltage", repr),
}
"""Options that are quantities, with their analysis where it reads them by another kind: this, and the SI value as it reads it."""
ANALYSIS_WORDS: Final = {
    "ce": "did you mean capacity? it tells the efficiency of each cycle",
    "efficiency": "did you mean capacity? it tells the efficiency of each cycle",
    "coulombic_efficiency": "did you mean capacity? it tells the efficiency of each cycle",
    **dict.fromkeys(("aurbach", "reservoir_efficiency", "adams"), "did you mean reservoir?"),
    "cycle_life": "did you mean retention?",
    "fade": "did you mean retention?",
    **dict.fromkeys(("rate_test", "rate_capability", "c_rate", "rates"), "did you mean rate?"),
    **dict.fromkeys(("capacity_retention", "soh", "fading"), "did you mean retention?"),
    **dict.fromkeys(("hppc", "resistance", "ir"), "did you mean dcir?"),
    **dict.fromkeys(("eis", "nyquist", "spectra"), "did you mean impedance?"),
    **dict.fromkeys(("dqdv", "dq/dv", "dvdq", "ica", "dva"), "did you mean differential?"),
    **dict.fromkeys(("cv", "voltammogram"), "did you mean voltammetry?"),
    "critical_current": "did you mean ccd?",
    "short": "did you mean life or ccd?",
    "diffusion": "did you mean gitt, pitt or interruption?",
    **dict.fromkeys(("ocv", "drift", "relaxation"), "did you mean open_circuit?"),
    **dict.fromkeys(("float", "leak"), "did you mean leakage?"),
    **dict.fromkeys(("storage", "calendar"), "did you mean self_discharge?"),
    **dict.fromkeys(("ici", "current_interruption"), "did you mean interruption?"),
    **dict.fromkeys(("resistance", "hppc", "pulse", "pulses", "ir"), "did you mean dcir?"),
    **dict.fromkeys(("lsv", "stability"), "did you mean window?"),
    **dict.fromkeys(("eis", "nyquist", "drt", "kramers_kronig", "circuit"), "did you mean impedance?"),
    **dict.fromkeys(("bruce_vincent", "transport_number"), "did you mean transference?"),
    **dict.fromkeys(("arrhenius", "activation_energy"), "did you mean activation, or conductivity of a blocking cell?"),
    **dict.fromkeys(("cv", "peaks"), "did you mean voltammetry?"),
    **dict.fromkeys(("tafel",), "did you mean exchange_current?"),
    **dict.fromkeys(("dqdv", "dq_dv", "ica"), "did you mean differential?"),
}
