"""Replies of a BTS client, as values: those of a poll together by one regular expression, each by an XML parser where in doubt.

A poll brings thousands of records that are all written alike. Where every byte of the replies is what the expression says, they
are columns at a fifth of the parser's cost; anything else, be it damaged or only written otherwise, is the parser's to judge.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from labctl.errors import WireError
from labctl.sample import Floats

END: Final = b"#\r\n"
MOST: Final = 1000  # records of one download
TOGETHER: Final = 32  # replies that an expression is laid on at once: a processor's cache holds what comes of them
LARGEST: Final = 1e15  # of a number in a record
NEEDED: Final = ("seqid", "stepid", "cycleid", "testtime", "volt", "curr", "cap")
ENERGY: Final = "eng"  # not of every version
NUMERALS: Final = b"0123456789+-.eE,"

_TEXT: Final = rb"[^\"<>&\x00-\x1f]*"
_MINUS_ZERO: Final = re.compile(rb"(?<=[,\[])-0(?=[,\]])")  # a whole number that has no sign in JSON
_STRANGE: Final = b"<>&" + bytes(range(32))  # in the value of an attribute
_SPACE: Final = rb"[ \t\r\n]*"
_ATTRIBUTES: Final = rb"(?:[ \t\r\n]+[A-Za-z]\w*=\"" + _TEXT + rb"\")*" + _SPACE
_NAME: Final = re.compile(rb" ([A-Za-z]\w*)=\"")
_BEFORE: Final = _SPACE.join(
    (b"", rb"(?:<\?xml" + _ATTRIBUTES + rb"\?>)?", rb"<bts" + _ATTRIBUTES + b">", b"<cmd>%b_resp</cmd>", b"")
)
_LIST: Final = _SPACE.join((rb"<list" + _ATTRIBUTES + rb"(?:/>|>", rb"(.*)</list>)", b"</bts>", END))
_DOWNLOAD: Final = re.compile(
    _BEFORE % rb"do(?:nw|wn)load" + rb"(?:<download" + _ATTRIBUTES + b"/>" + _SPACE + b")?" + _LIST, re.DOTALL
)
_STATES: Final = re.compile(_BEFORE % b"getchlstatus" + _LIST, re.DOTALL)
_STATE: Final = re.compile(b"<status(" + _ATTRIBUTES + b")>([a-z]*)</status>(" + _SPACE + b")")


@dataclass(frozen=True, slots=True)
class Records:
    """Records of downloads, those of one reply after those of another.

    Attributes:
        columns: By the name of the attribute, a number a record, as it is written: `NEEDED`, and `ENERGY` where all have it.
        ends: Place behind the last record of each reply.
    """

    columns: Mapping[str, Floats]
    ends: NDArray[np.intp]

    def __len__(self) -> int:
        """Return the number of records."""
        return int(self.ends[-1])

    @property
    def counts(self) -> list[int]:
        """Return how many records each reply has."""
        counts: list[int] = np.diff(self.ends, prepend=0).tolist()
        return counts

    def of(self, reply: int) -> "Records":
        """Return the records of one reply."""
        begin, end = (self.ends[reply - 1] if reply else 0), self.ends[reply]
        return Records({name: column[begin:end] for name, column in self.columns.items()}, np.array([end - begin]))


def parsed(raw: bytes, accepted: tuple[str, ...]) -> ET.Element:
    """Return the root of one framed reply.

    Raises:
        WireError: It is not XML, or none of the accepted replies.
    """
    text = raw.removesuffix(END).decode("utf-8", "replace").strip()
    try:
        root = ET.fromstring(re.sub(r"^<\?xml[^>]*\?>", "", text).strip())  # noqa: S314 - external entities are not resolved
    except ET.ParseError as error:
        raise WireError(f"wanted an XML reply, found {text[:60]!r}: {error}") from error
    if root.findtext("cmd") not in accepted:
        raise WireError(f"wanted {' or '.join(accepted)}, found {root.findtext('cmd')}")
    return root


def whole(element: ET.Element, name: str) -> int:
    """Return a number of a reply.

    Raises:
        WireError: It is none.
    """
    text = element.get(name, "0")
    if re.fullmatch(r"\d{1,18}", text, re.ASCII) is None:
        raise WireError(f"wanted a number in {name}, found {text[:40]!r}")
    return int(text)


def records_in(root: ET.Element) -> Records:
    """Return the records of one download.

    Raises:
        WireError: What should be a finite number is none.
    """
    block = root.findall(".//data")
    names = (*NEEDED, ENERGY) if all(ENERGY in row.attrib for row in block) else NEEDED
    return Records({name: _column(block, name) for name in names}, np.array([len(block)]))


def _column(block: Sequence[ET.Element], name: str) -> Floats:
    try:
        values = np.array([float(row.get(name, "nan")) for row in block])
    except ValueError as error:
        raise WireError(f"wanted numbers in {name}, found {error}") from error
    if not _are_numbers(values):
        raise WireError(f"wanted finite numbers in {name}, found {[row.get(name) for row in block][:5]}")
    return values


def _are_numbers(values: Floats) -> bool:
    return bool((np.abs(values) <= LARGEST).all())


def records_at_once(replies: Sequence[bytes]) -> Records | None:
    """Return the records of whole, framed downloads, or None where not every byte of them is as always.

    What is returned is what `records_in` gives of each of them.
    """
    bodies = []
    for reply in replies:
        match = _DOWNLOAD.fullmatch(reply)
        if match is None:
            return None
        bodies.append(match[1] or b"")
    ends = np.cumsum([body.count(b"<data ") for body in bodies], dtype=np.intp)
    first = next(filter(None, bodies), b"").partition(b">")[0]
    form = _form(tuple(_NAME.findall(first)), b" />" if first.endswith(b" /") else b"/>")
    texts: list[list[bytes]] = [[] for _ in range(len(form.names) + 1)]
    for begin in range(0, len(bodies), TOGETHER):
        found = form.expression.findall(b"".join(bodies[begin : begin + TOGETHER]))
        for kept, column in zip(texts, zip(*found, strict=True), strict=False):
            kept.append(b",".join(column))
    columns = form.columns([b",".join(kept) for kept in texts], int(ends[-1]), sum(map(len, bodies)))
    return None if columns is None else Records(columns, ends)


@dataclass(frozen=True, slots=True)
class RecordForm:
    """How records are written.

    Attributes:
        names: Of the attributes of each, in order.
        expression: Finds one and the space behind it: a group for each value, and one for the space.
        literal: Bytes of one that are in no group.
    """

    names: tuple[str, ...]
    expression: re.Pattern[bytes]
    literal: int

    def columns(self, texts: Sequence[bytes], count: int, size: int) -> dict[str, Floats] | None:
        """Return the numbers of records by name, None where they are not all numbers, or not all that was written.

        Args:
            texts: Of each group, what was found of all records, with a comma between two.
            count: Of the records.
            size: Bytes of all of them and the spaces between them.
        """
        if not count:
            return None if size else {name: np.empty(0) for name in (*NEEDED, ENERGY)}
        if sum(map(len, texts)) - len(texts) * (count - 1) + self.literal * count != size:
            return None  # something else stands there, or a record of another form
        named = dict(zip(self.names, texts, strict=False))
        if len(named) < len(self.names) or any(
            len(text.translate(None, _STRANGE)) < len(text) for text in named.values()
        ):
            return None
        columns = {name: _numbers(named.get(name, b""), count) for name in (*NEEDED, *({ENERGY} & named.keys()))}
        whole = {name: column for name, column in columns.items() if column is not None}
        return whole if len(whole) == len(columns) else None


@lru_cache(maxsize=16)
def _form(names: tuple[bytes, ...], end: bytes) -> RecordForm:
    """Return the form of records with attributes in some order and a certain end."""
    literals = [b"<data", *(b' %b=""' % name for name in names), end]
    values = b"".join(b' %b="([^"]*)"' % name for name in names)
    expression = re.compile(b"<data" + values + end + b"(" + _SPACE + b")")
    return RecordForm(tuple(map(bytes.decode, names)), expression, sum(map(len, literals)))


def _numbers(text: bytes, count: int) -> Floats | None:
    """Return numbers between commas, None where they are not so many, or not all finite."""
    if text.translate(None, NUMERALS):
        return None
    listed = b"[%b]" % text
    if b"-" in text and (b"-0," in listed or b"-0]" in listed):
        listed = _MINUS_ZERO.sub(b"-0.0", listed)
    try:
        values = np.array(orjson.loads(listed), np.float64)
    except orjson.JSONDecodeError:
        return None
    return values if len(values) == count and _are_numbers(values) else None


def states_in(reply: bytes) -> list[str]:
    """Return the states of channels that one framed reply says, in its order.

    Raises:
        WireError: It is not such a reply.
    """
    match = _STATES.fullmatch(reply)
    if match is not None:
        body = match[1] or b""
        found = _STATE.findall(body)
        attributes, states, spaces = zip(*found, strict=True) if found else ((), (), ())
        literal = len(b"<status></status>") * len(found)
        if sum(map(len, (*attributes, *states, *spaces))) + literal == len(body):
            return [state.decode().strip() for state in states]
    root = parsed(reply, ("getchlstatus_resp",))
    return [(row.text or "").strip() for row in root.findall(".//list/status")]
