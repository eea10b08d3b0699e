"""What else the kinds of cells are called, and which kind two electrodes make."""

import re
from collections.abc import Mapping
from typing import Final

from labctl.protocol.cell import CELL_KINDS
from labctl.text.fields import near
from labctl.text.nodes import Node, Scalar

_METALS: Final = frozenset({"li", "na", "k", "zn", "mg", "in", "liin", "lithium", "sodium"})
_BARE: Final = frozenset({"cu", "al", "ss", "ni", "copper", "steel"})
_HOUSING: Final = re.compile(r"[a-z]{0,4}[ -]?\d{4,5}\w?|.*(?:coin|pouch|swagelok|cylindrical|prismatic).*")
_EACH: Final = (
    "full has two electrodes that store charge, half_cathode and half_anode one against its metal, symmetric twice the same "
    "metal, asymmetric a bare collector, blocking no reaction"
)
_ELECTRODES: Final = re.compile(r"[/|\u2016:\u2225]+| vs\.? ")


def kind_words(node: Node | None) -> Mapping[str, str]:
    """Return hints at the kind of a cell; where two electrodes are named, at the kind that they make."""
    if not isinstance(node, Scalar):
        return CELL_WORDS
    text = node.text.lower()
    if text in CELL_KINDS:  # in capitals
        return {text: f"write {text}"}
    plain = CELL_WORDS.get(re.sub(r"[ -]", "_", text)) or (CELL_WORDS["coin"] if _HOUSING.fullmatch(text) else None)
    sides = [side.strip() for side in _ELECTRODES.split(text) if side.strip()]
    if plain or len(sides) < 2:
        return {**CELL_WORDS, text: plain or CELL_WORDS.get(text) or ("" if near(text, CELL_KINDS) else _EACH)}
    return {text: _of_sides(set(sides)), **CELL_WORDS}


def words_of_kinds(node: Node | None) -> Mapping[str, str]:
    """Return hints at the kinds of cells that a protocol requires: of several in one text, the list that they are."""
    kinds = re.split(r"\s*[,;/|]\s*|\s+(?:or|and|oder|und)\s+", node.text) if isinstance(node, Scalar) else []
    if isinstance(node, Scalar) and len(kinds) > 1 and all(kind in CELL_KINDS for kind in kinds):
        return {node.text.lower(): f"of several, a list: write cell: [{', '.join(kinds)}]"}
    return kind_words(node)


def _of_sides(sides: set[str]) -> str:
    if len(sides) == 1:
        return "did you mean blocking?" if sides <= _BARE else "did you mean symmetric?"
    if sides <= _METALS | _BARE:
        return "did you mean asymmetric?"
    if sides & _METALS:
        return "half_cathode or half_anode: which electrode is studied against the metal"
    return "write kind: full for two electrodes that store charge; their names go below about:"


_MATERIAL: Final = "full, or against a metal half_cathode or half_anode; the material goes below about:"
CELL_WORDS: Final = {
    **dict.fromkeys(
        ("full_cell", "li_ion", "li-ion", "lithium-ion", "lib", "na-ion", "nmc", "lfp"), "did you mean full?"
    ),
    **dict.fromkeys(("nca", "lco", "lmo", "lnmo", "ncm", "lto", "graphite", "nmc811", "nmc622"), _MATERIAL),
    **dict.fromkeys(("vollzelle", "pile_complète", "全电池", "全電池", "フルセル"), "did you mean full?"),
    **dict.fromkeys(
        ("halbzelle", "demi_pile", "demi_cellule", "半电池", "半電池", "ハーフセル", "扣式半电池"),
        "half_cathode or half_anode: which electrode is studied",
    ),
    **dict.fromkeys(
        ("symmetrisch", "symétrique", "simétrica", "对称电池", "对称", "対称セル"), "did you mean symmetric?"
    ),
    **dict.fromkeys(("asymmetrisch", "不对称电池"), "did you mean asymmetric?"),
    **dict.fromkeys(("knopfzelle", "扣式电池", "コインセル"), "say what the electrodes are, such as half_cathode"),
    "half": "half_cathode or half_anode: which electrode is studied",
    "half_cell": "half_cathode or half_anode: which electrode is studied",
    "cathode": "did you mean half_cathode?",
    "anode": "did you mean half_anode?",
    "sym": "did you mean symmetric?",
    "symmetrical": "did you mean symmetric?",
    **dict.fromkeys(("li|li", "li‖li", "li||li", "na|na", "na‖na", "na||na"), "did you mean symmetric?"),
    **dict.fromkeys(("li|cu", "li‖cu", "li||cu", "na|al", "na‖al"), "did you mean asymmetric?"),
    **dict.fromkeys(("ss|ss", "ss‖ss", "ss||ss", "conductivity"), "did you mean blocking?"),
    **dict.fromkeys(
        (
            "coin",
            "coin_cell",
            "pouch",
            "pouch_cell",
            "cylindrical",
            "18650",
            "battery",
            "cell",
            "any",
            "swagelok",
            "three_electrode",
        ),
        "say what the electrodes are, such as full; the housing goes below about: of the cell file",
    ),
}
