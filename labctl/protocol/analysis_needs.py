"""What an analysis works on, and the files that have nothing of it."""

from collections.abc import Iterable, Iterator
from typing import Final

from labctl.finding import Finding
from labctl.protocol.keys import DRIVES
from labctl.protocol.model import Protocol, Step, Use
from labctl.protocol.walk import every_item

_SPECTRA: Final = ("eis",)
_DRIVEN: Final = tuple(DRIVES)
_NEEDS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    **dict.fromkeys(("impedance", "conductivity", "activation"), (_SPECTRA,)),
    "transference": (_SPECTRA, ("hold",)),
    **dict.fromkeys(("voltammetry", "b_value"), (("cv",),)),
    **dict.fromkeys(("window", "limiting_current"), (("lsv", "cv"),)),
    "exchange_current": (("lsv", "cv"),),
    **dict.fromkeys(("gitt", "interruption", "dcir"), (_DRIVEN, ("rest",))),
    "pitt": (("hold", *_DRIVEN),),
    "electronic": (("hold",),),
    "bending": (("bend",),),
    **dict.fromkeys(("ccd", "life", "reservoir"), (("strip", "profile"), ("plate", "profile"))),
    "nucleation": (("plate", "discharge", "profile"),),
    "open_circuit": (("rest",),),
    **dict.fromkeys(("capacity", "retention", "rate", "differential", "capacitance"), ((*_DRIVEN, "profile"),)),
}
"""For each analysis groups of verbs, of each of which it needs one."""
_BETWEEN: Final = frozenset({"gitt", "interruption"})
"""Analyses of pulses between which the cell rests: the first rest of a file is none of these."""


def without_matter(protocol: Protocol, files: Iterable[Protocol]) -> Iterator[Finding]:
    """Warn of each analysis of a protocol for which the steps of its files leave nothing to analyse."""
    items = [item for file in files for item in every_item(file.children)]
    if any(isinstance(item, Use) and not isinstance(item.file, str) for item in items):
        return  # a file whose name is not known yet may have it
    verbs = [item.word for item in items if isinstance(item, Step)]
    for request in protocol.analyses:
        lacking = [group for group in _NEEDS.get(request.name, ()) if not set(group) & set(verbs)]
        if request.name in _BETWEEN and not lacking:
            begun = next((at for at, verb in enumerate(verbs) if verb in DRIVES), 0)
            lacking = [] if "rest" in verbs[begun:] else [("rest",)]
        for group in lacking[:1]:
            what = " or ".join(dict.fromkeys(group))
            between = " between its pulses" if request.name in _BETWEEN and group == ("rest",) else ""
            message = f"wanted {what}{between} for the analysis {request.name}, found none"
            hint = "add the steps, or leave the analysis out: it will have nothing to tell"
            yield Finding("analyse.nothing", message, request.mark, hint, severity="warning")
