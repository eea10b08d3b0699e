"""What stands where a condition was wanted: a list, keys, brackets, a bare value; and the condition that it means."""

import html
import re
from collections.abc import Callable, Mapping
from typing import Final

from labctl.errors import Misread
from labctl.finding import clip
from labctl.protocol.quantity_words import QUANTITY_WORDS, change_hint
from labctl.protocol.sign import MINUS
from labctl.quantity.dimension import Kind
from labctl.quantity.units import number, reads
from labctl.text.nodes import Entries, Items, Node, Scalar

NO_BRACKETS: Final = "there are no brackets but those of abs( ); `and` binds before `or`"
_COMPARED: Final[tuple[tuple[Kind, str], ...]] = (
    ("current", "current <"),
    ("potential", "voltage >"),
    ("duration", "time >"),
    ("capacity", "capacity >"),
)
MOST_LENGTH: Final = 1000  # of a text that is looked at
_BESIDE: Final = re.compile(
    r"(?<!\bor)(?<!\band)(?<=[\w%])()\s+((?:voltage|current|temperature|time|capacity|power|energy)\s*[<>\u2264\u2265])"
)
_SIGN: Final = re.compile(r"[<>\u2264\u2265]")


def meant(text: str, error: Misread, stands: Callable[[str], bool]) -> str:
    """Return the whole condition that a text with an error most likely means, or ""; `stands` tells whether one can be read."""
    if len(text) > MOST_LENGTH:
        return ""
    for right in (with_or(text), in_plain_signs(text)):
        if right != text and stands(right):
            return right
    if (both := between(text)) and stands(both):
        return both
    if error.hint == NO_BRACKETS:
        return without_needless_brackets(text)
    return all_compared(text) if error.code == "condition.comparison" else ""


def of_a_page(text: str) -> Misread | None:
    """Return what is wrong with a condition that came with the signs of a web page, `voltage &gt; 4 V`; None of any other."""
    entity = re.search(r"&#?\w{1,10};", text)
    if entity is None or (shown := html.unescape(entity[0])) == entity[0]:
        return None
    whole = " ".join(re.sub(r"&&?", " and ", html.unescape(text)).split())
    message = f"wanted {shown.strip() or 'a space'}, found {entity[0]}, which a web page shows as that"
    return Misread("condition.word", message, f"write {clip(whole, 80)}", entity.start())


_SIGNS: Final = (
    (r"\\(?:geq?|geqslant)\b|[\uff1e\u2a7e\u2267\u2273]\s*=?(?<=[\u2a7e\u2267\u2273=])|>\s+=|=\s*>", ">="),
    (r"\\(?:leq?|leqslant)\b|[\u2a7d\u2266\u2272]|<\s+=|=\s*<", "<="),
    (r"\\gt\b|[\uff1e\u203a\u3009]|>{2,}|-+>|[\u2192\u21d2]", ">"),
    (r"\\lt\b|[\uff1c\u2039\u3008]|<{2,}", "<"),
    (r"\$\s*(?=[<>])|(?<=[<>=])\s*\$", ""),
    (
        r"\s+(?:is\s+)?(?:above|over|exceeds?|(?:greater|more|higher|larger) than|(?:gr\u00f6\u00dfer|mehr) als|\u00fcber)\s+",
        " > ",
    ),
    (
        r"\s+(?:is\s+|drops\s+|falls\s+)?(?:below|under|(?:less|lower|smaller) than|(?:kleiner|weniger) als|unter)\s+",
        " < ",
    ),
    (r"\s+(?:reaches|hits|gets to|erreicht|is at least|at least)\s+", " >= "),
    (r"\s+(?:is )?at most\s+", " <= "),
    (r"\band ?/ ?or\b|\b(?:oder|ou|o)\b|\s*(?:\u6216\u8005|\u6216|\u307e\u305f\u306f)\s*", " or "),
    (r"\b(?:und|et|y)\b|\s*(?:\u5e76\u4e14|\u4e14|\u548c|\u304b\u3064)\s*", " and "),
)
"""Signs and words of other keyboards, languages and of LaTeX, and what they are in a condition."""


def in_plain_signs(text: str) -> str:
    """Return a condition with the signs and words of this language for those of others: `voltage \u2265 4 V oder time > 1 h`."""
    for pattern, right in _SIGNS:
        text = re.sub(pattern, right, text)
    return " ".join(re.sub(r"[^\W\d_]{2,}", _in_our_word, text).split())


def _in_our_word(match: re.Match[str]) -> str:
    meant = QUANTITY_WORDS.get(match[0].lower(), "")
    return meant if meant.isidentifier() and not (match[0].isascii() and len(match[0]) < 4) else match[0]


def of_word(word: str, offset: int) -> Misread:
    """Return what is wrong with a word that joins or turns comparisons in other languages."""
    words = {"&&": "and", "&": "and", "AND": "and", "||": "or", "OR": "or"}
    hint = f"write {words.get(word, 'the opposite comparison')}"
    return Misread("condition.word", f"wanted `and` or `or`, found {word}", hint, offset)


def one_condition(node: Node | None) -> str:
    """Return the hint at a list of ends, or at an end by its key, as the one text that it means; or ""."""
    parts: list[str] = []
    if isinstance(node, Items):
        parts = [item.text if isinstance(item, Scalar) else "" for item in node.items]
    elif isinstance(node, Entries):
        parts = [f"{key.text} {item.text}" if isinstance(item, Scalar) else "" for key, item in node.entries]
        parts = [_by_key(part) for part in parts]
    texts = [part if _SIGN.search(part) else compared(part) for part in parts]
    return f"one text: write {' or '.join(texts)}" if texts and all(texts) else ""


def all_compared(text: str) -> str:
    """Return `4.1 V or 12 h` as the comparisons that its bare values stand for, "" where one of them is none."""
    parts = [part.strip() for part in re.split(r"\bor\b", text)]
    right = [part if _SIGN.search(part) else compared(part) for part in parts]
    return " or ".join(right) if len(parts) > 1 and all(right) else ""


def _by_key(part: str) -> str:
    """Return `voltage 4.1 V` or `voltage > 4.1 V` as a comparison."""
    name, _, value = part.partition(" ")
    bare = compared(value)
    if not bare or _SIGN.search(value):
        return part if _SIGN.search(value) else ""
    quantity, comparison, _ = bare.split(" ", 2)
    return f"{name} {comparison} {value}" if quantity == name else ""


def of_sign(sign: str, part: str) -> str:
    """Return what is written for a sign of comparison that is none here."""
    if sign in {"=", "=="} and (count := re.fullmatch(r"cycle\s*==?\s*(\d+)", part)):
        return f"write cycle in [{count[1]}], which is for if; stop_if: cycle >= {count[1]} ends after that many"
    right = {"=<": "write <=", "=>": "write >=", "!=": "write < or >"}
    return right.get(sign, "a measured value meets no equality: write >= or <=")


def as_magnitude(quantity: str, comparison: str, value: str) -> str:
    """Return how a comparison of a magnitude with a negative value is written, "" for any other value."""
    if not value.startswith(tuple(MINUS)):
        return ""
    turned = comparison.translate(str.maketrans("<>", "><"))
    return f"a {quantity} is a magnitude, in either direction: write {quantity} {turned} {value.lstrip(MINUS)}"


def with_or(text: str) -> str:
    """Return a condition with `or` for the commas that stand between its parts, those in brackets left alone."""
    text = re.sub(r"\s*[,;]\s*(?:or\b\s*)?(?=[A-Za-z])(?![^\[(]*[\])])", " or ", text)
    return _BESIDE.sub(r"\1 or \2", text)


def without_needless_brackets(text: str) -> str:
    """Return a condition without the brackets around its single comparisons, "" where they join several."""
    plain = re.sub(r"(?<![A-Za-z$])\(([^()]*)\)", lambda match: match[1] if _SIGN.search(match[1]) else match[0], text)
    joined = re.search(r"(?<![A-Za-z$])\([^()]*\b(?:and|or)\b[^()]*\)", text)
    left = re.sub(r"(?:abs\s*|\$)\([^()]*\)", "", plain)
    return "" if joined or "(" in left or plain == text else " ".join(plain.split())


def compared(part: str) -> str:
    """Return the comparison that a bare value stands for, or "": `C/20` is where a current has fallen to."""
    return next((f"{quantity} {part}" for kind, quantity in _COMPARED if reads(part, kind)), "")


def state_of_charge(text: str, verb: str) -> str:
    """Return the comparison that stands for a state of charge in a step that charges or discharges, or "" of another text.

    Of a cell marked full, 80 % are a net charge of -20 %, or 20 % discharged; charge of less than a whole is counted from
    empty as well.
    """
    match = _SOC.search(text)
    if match is None or verb not in {"charge", "discharge"}:
        return ""
    share = float(match[1]) * (1.0 if match[2] else 100.0)
    if not 0.0 <= share <= 100.0:
        return ""
    left = f"{100.0 - share:g} %"
    of_full = "behind - mark: full, where the cell is full"
    if verb == "discharge":
        return f"write discharged since full >= {left} {of_full}; of this step alone capacity >= {left}"
    since_empty = f"charged since empty >= {share:g} % behind - mark: empty, where the cell is empty"
    of_net = f", or net since full >= -{left} {of_full}" if share < 100.0 else ""
    return f"write {since_empty}{of_net}"


_SOC: Final = re.compile(r"\b(?:soc|state of charge)\s*[<>=]+\s*(\d+(?:\.\d+)?)\s*(%)?", re.IGNORECASE)


def in_drive(error: Misread, text: str, verb: str) -> Misread:
    """Return an error in a condition with the hint that is meant in a step that drives the voltage up or down, or in none."""
    if error.code == "condition.quantity" and (right := state_of_charge(text, verb)):
        return Misread(error.code, str(error), right, error.offset)
    return _falling(error) if verb in {"discharge", "plate"} else error


def _falling(error: Misread) -> Misread:
    """Return an error at a bare voltage in a step that lowers it, with the hint that is meant there."""
    hint = error.hint.replace("voltage >", "voltage <") if error.hint.startswith("write ") else error.hint
    return Misread(error.code, str(error), hint, error.offset)


def as_share(value: str, slope: str) -> str:
    """Return the hint at a change of current by a bare number, a share of what flows; "" of anything else."""
    share = number(value)
    if share is None or not 0.0 < share < 1.0 or slope != "dI/dt":
        return ""
    return f"write {100.0 * share:g} %; of a change in itself write the unit behind {value}"


OTHERS: Final = ("voltage", "current", "time", "capacity", "temperature", "power")


def other_quantity(value: str, comparison: str, kind: Kind, others: Mapping[str, Kind]) -> str:
    """Return the comparison that a value of another kind than its quantity's is of, `time > 4.2 V`, or ""."""
    if "$" in value or not value[:1].isdigit() or number(value) is not None or reads(value, kind):
        return ""
    if kind == "current" and value.endswith("%"):
        return ""  # percent of what is asked back
    quantity = next((name for name, each in others.items() if reads(value, each)), "")
    return f"write {quantity} {comparison} {value}" if quantity else ""


_NARROW: Final = str.maketrans("\uff08\uff09", "()")


def unnamed(text: str, offset: int) -> Misread:
    """Return the error of what stands where a quantity was wanted."""
    message = f"wanted a quantity such as voltage, found {clip(text)!r}"
    if hint := change_hint(text, ""):
        return Misread("condition.quantity", message, hint, offset)
    if "\uff08" in text or "\uff09" in text:
        plain = text.translate(_NARROW).strip()
        return Misread("condition.brackets", message, f"\uff08 and \uff09 are wide brackets: write {plain}", offset)
    if modulo := re.match(r"cycle\s*(?:%|mod)\s*(\d+)", text):
        return Misread("condition.quantity", message, f"write every {modulo[1]} cycles", offset)
    if text.startswith("|"):
        inner = QUANTITY_WORDS.get(text.strip("| ").lower(), text.strip("| "))
        magnitude = inner in {"current", "power", "capacity"}
        hint = f"write {inner}: it is a magnitude already" if magnitude else f"write abs({inner})"
        return Misread("condition.bars", message, hint, offset)
    if "(" in text or ")" in text:
        return Misread("condition.brackets", message, NO_BRACKETS, offset)
    if re.match(r"[-+.\d$]", text):
        return Misread("condition.order", message, "the quantity stands first: voltage > 3 V and voltage < 4 V", offset)
    return Misread("condition.quantity", message, "one quantity, a comparison, a value: voltage > 4.2 V", offset)


_TURNED: Final = str.maketrans("<>", "><")


def between(text: str) -> str:
    """Return `3 V < voltage < 3.1 V` as the two comparisons that it is, "" where it is none."""
    if reversed_ := re.fullmatch(r"([-+]?\d[^<>=]*?)\s*(<=?|>=?)\s*([A-Za-z_/]+)", text.strip()):
        return f"{reversed_[3]} {reversed_[2].translate(_TURNED)} {reversed_[1]}"
    match = re.fullmatch(r"([^<>=]+?)\s*(<=?|>=?)\s*([A-Za-z_/]+)\s*(<=?|>=?)\s*([^<>=]+)", text.strip())
    if match is None:
        return ""
    turned = match[2].translate(_TURNED)
    return f"{match[3]} {turned} {match[1]} and {match[3]} {match[4]} {match[5]}"


def asked_of_cycles(part: str) -> str:
    """Return what `every 50` and `cycle in 10, 20` stand for, or ""."""
    if count := re.fullmatch(r"every\s+(\d+)(?:\s*\w+)?", part):
        return f"every {count[1]} cycles"
    listed = re.fullmatch(r"cycles?\s+(?:in|is)?\s*[(\[]?\s*(\d+(?:\s*,\s*\d+)*)\s*[)\]]?", part)
    return f"cycle in [{listed[1]}]" if listed else ""
