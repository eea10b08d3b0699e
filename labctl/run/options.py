"""The options of a driver, against what the constructor of its class declares: which there are, and of which kind each is."""

import inspect
import re
import types
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from labctl.driver.option_range import Between, Form
from labctl.errors import Misread, StationError
from labctl.finding import clip
from labctl.inputs import nearest
from labctl.quantity.dimension import Kind
from labctl.quantity.parse import parse
from labctl.text.fields import YES_NO

ADDRESSES: Final = ("resource", "host", "port", "address")
"""Options that say where an instrument is; most people's word for any of them is address."""
KINDS: Final[Mapping[str, Kind]] = {"seconds": "duration", "A": "current", "V": "voltage"}
"""Units in which an option is asked for, by the first word that its documentation says of it."""
WORDS: Final = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class OptionFault:
    """What is wrong with the options of an instrument: where, by the names that lead there, what, and what to write."""

    path: tuple[str, ...]
    message: str
    hint: str = ""
    meant: str = ""  # the option that one which the driver does not have most likely is


class OptionError(StationError):
    """An instrument cannot be made with its options."""

    def __init__(self, where: str, faults: Iterable[OptionFault]) -> None:
        """Take whose they are, and every fault."""
        self.faults = tuple(faults)
        said = (f"{fault.message}{f' ({fault.hint})' if fault.hint else ''}" for fault in self.faults)
        super().__init__(f"{where}: {'; '.join(said)}")


def option_faults(kind: type[object], driver: str, options: Mapping[str, object]) -> list[OptionFault]:
    """Return what is wrong with options before a driver's class is made with them."""
    accepted = inspect.signature(kind).parameters
    faults = [_unknown(key, driver, accepted) for key in options if key not in accepted]
    documents, meant = documented(kind), {fault.meant for fault in faults}
    for key, item in accepted.items():
        if (
            item.default is inspect.Parameter.empty
            and options.get(key, "") == ""
            and key not in meant
            and not _variadic(item)
        ):
            found = f"{key}: with nothing" if key in options else ", ".join(options) or "nothing"
            faults.append(OptionFault((key,), f"wanted {key} of driver {driver}, found {found}", _said(key, documents)))
    declared = _declared(kind)
    for key, value in options.items():
        if key in accepted and key in declared and (key,) not in {fault.path for fault in faults}:
            usual = accepted[key].default
            said = "" if usual in {inspect.Parameter.empty, None, ""} else f"leave it out for {_setting(usual)}"
            faults += _Option(key, documents.get(key, ""), said).faults((key,), value, declared[key])
    return faults


def documented(kind: type[object]) -> dict[str, str]:
    """Return what the documentation of a driver's class says of each of its options."""
    _, _, arguments = (inspect.getdoc(kind) or "").partition("Args:\n")
    return dict(re.findall(r"^ {4}(\w+): (.+)$", arguments, re.MULTILINE))


def _declared(kind: type[object]) -> dict[str, Any]:
    """Return the types that a constructor declares; none where they cannot be told."""
    try:
        return typing.get_type_hints(kind.__init__, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}


def _variadic(item: inspect.Parameter) -> bool:
    return item.kind in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


def _said(key: str, documents: Mapping[str, str]) -> str:
    return f"{key}: {documents[key]}" if key in documents else f"write {key}: ..."


def _unknown(key: str, driver: str, accepted: Collection[str]) -> OptionFault:
    """Return the fault of an option that the driver does not have, with the one that is most likely meant."""
    close = nearest(key, accepted)
    if not close and nearest(key.lower(), (*ADDRESSES, "ip", "url", "visa", "device", "tty")):
        close = next((each for each in ADDRESSES if each in accepted), "")
    hint = f"write {close}" if close else f"it has {', '.join(accepted) or 'none'}"
    return OptionFault((key,), f"wanted an option of driver {driver}, found {clip(key)!r}", hint, close)


@dataclass(frozen=True, slots=True)
class _Option:
    """An option: its name, what the documentation says of it, and how its usual value is had."""

    name: str
    document: str
    usual: str

    def faults(self, path: tuple[str, ...], value: object, declared: Any) -> Iterator[OptionFault]:
        """Yield what keeps a value from being of the declared type; a type that no setting can be is not looked at."""
        kinds = [each for each in _alternatives(declared) if each is not type(None)]
        bare = [_bare(each) for each in kinds]
        origins = [_plain(typing.get_origin(each) or each) for each in bare]
        ranges = {
            origin: _declared_with(each) for each, origin in zip(kinds, origins, strict=True) if origin is not None
        }
        if None in origins or typing.Any in origins or object in origins:
            return
        for each, origin in zip(kinds, origins, strict=True):
            if origin in WORDS and _is(value, origin):
                yield from self._range(path, value, ranges.get(origin))
                return
            if origin is dict and isinstance(value, dict):
                for key, item in value.items():
                    yield from self.faults((*path, key), item, _last(each))
                return
            if origin is tuple and isinstance(value, tuple):
                for item in value:
                    yield from self.faults(path, item, _last(each))
                return
        number = self._number(value) if isinstance(value, str) and {int, float} & set(origins) else None
        beyond = None if number is None else next(self._range(path, number, ranges.get(origins[0])), None)
        yield beyond or self._wrong(path, value, bare, origins)

    def _range(self, path: tuple[str, ...], value: object, allowed: Between | Form | None) -> Iterator[OptionFault]:
        """Yield that a number lies beyond the range that the driver declares, or a text is not of its form."""
        if isinstance(allowed, Form):
            if isinstance(value, str) and value and re.fullmatch(allowed.pattern, value) is None:
                hint = f"for example {self.name}: {allowed.example.format(value)}"
                yield OptionFault(path, f"wanted {self.name} as {allowed.name}, found {clip(value)!r}", hint)
            return
        if allowed is None or not isinstance(value, (int, float)) or allowed.holds(value):
            return
        unit = self._unit()
        what = "a TCP port" if self.name == "port" else f"{self.name} in {unit}" if unit else self.name
        yield OptionFault(path, f"wanted {what} {allowed}, found {value}", self.usual)

    def _wrong(self, path: tuple[str, ...], value: object, kinds: list[Any], origins: list[Any]) -> OptionFault:
        first = origins[0]
        named = " of ".join(reversed(path)) if len(path) > 1 else self.name
        wanted = {dict: "names and values in braces", tuple: "a list"}.get(first) or self._word(first)
        return OptionFault(
            path, f"wanted {named} as {wanted}, found {_shown(value)}", self._hint(value, kinds[0], first)
        )

    def _word(self, kind: type[object]) -> str:
        unit = self._unit()
        return f"{WORDS[kind]} of {unit}" if unit and kind in {int, float} else WORDS[kind]

    def _unit(self) -> str:
        """Return the unit in which the documentation begins to ask for an option, or ""."""
        match = re.match(r"(?:Whole )?(Seconds|seconds|A|V|mm/min)\b", self.document)
        return match[1].replace("S", "s") if match else ""

    def _hint(self, value: object, declared: Any, kind: Any) -> str:
        """Return what to write in place of a value, or an example of the documentation."""
        example = re.search(r"(?:^|[:,] )`([^`]+)`", self.document)
        shown = f"for example {self.name}: {example[1]}" if example else self.usual
        if kind is dict and not isinstance(value, dict):
            return self._named(value, declared) or shown
        if isinstance(value, tuple) and len(value) == 1 and kind in WORDS and _is(value[0], kind):
            return f"write {value[0]}"
        if kind is bool:
            word = str(value).lower()
            return f"write {word}" if word in {"true", "false"} else YES_NO.get(word, "write true or false")
        if kind is int and isinstance(value, float) and value.is_integer():
            return f"write {value:.0f}"
        if kind in {int, float} and isinstance(value, str):
            number = self._number(value)
            return f"write {number:g}" if number is not None and (kind is float or number.is_integer()) else shown
        if kind is str and isinstance(value, (int, float)) and not shown:
            return f'where that is the text, quote it: "{_setting(value)}"'
        return shown

    def _named(self, value: object, declared: Any) -> str:
        """Return texts with names for them, where a mapping of names to texts is wanted."""
        items = value if isinstance(value, tuple) else (value,)
        if _last(declared) is not str or not items or not all(isinstance(item, str) and item for item in items):
            return ""
        if len(items) == 1:
            example = re.search(r"`(\{[^`]+\})`", self.document)
            return f"write {example[1]}" if example and f": {items[0]}" in example[1] else f"write {{c1: {items[0]}}}"
        return f"write {{{', '.join(f'c{number}: {item}' for number, item in enumerate(items, 1))}}}"

    def _number(self, text: str) -> float | None:
        """Return the number of a text in the option's own unit, None where it cannot be told."""
        if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text):
            return float(text)
        kind = KINDS.get(self._unit())
        try:
            return parse(text, kind).value_si if kind else None
        except Misread:
            return None


def _alternatives(declared: Any) -> tuple[Any, ...]:
    if typing.get_origin(declared) in {typing.Union, types.UnionType}:
        return typing.get_args(declared)
    return (declared,)


def _plain(origin: Any) -> Any:
    """Return which of the forms of a setting an annotation stands for, None for none of them."""
    if origin in WORDS or origin in {dict, tuple, typing.Any, object}:
        return origin
    if not isinstance(origin, type) or issubclass(origin, (str, bytes)):
        return None
    return dict if issubclass(origin, Mapping) else tuple if issubclass(origin, Collection) else None


def _bare(declared: Any) -> Any:
    """Return a type without the range that is declared with it."""
    return typing.get_args(declared)[0] if typing.get_origin(declared) is typing.Annotated else declared


def _declared_with(declared: Any) -> Between | Form | None:
    """Return the range or form that is declared with a type, None where none is."""
    if typing.get_origin(declared) is not typing.Annotated:
        return None
    return next((each for each in typing.get_args(declared)[1:] if isinstance(each, Between | Form)), None)


def _last(declared: Any) -> Any:
    """Return the type of what a mapping or a list holds."""
    inner = [each for each in typing.get_args(declared) if each is not Ellipsis]
    return inner[-1] if inner else typing.Any


def _is(value: object, kind: type[object]) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _setting(value: object) -> str:
    """Return a value as a station file has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: object) -> str:
    match value:
        case dict():
            return "keys in braces"
        case tuple():
            return "a list"
        case bool():
            return _setting(value)
        case "":
            return "nothing"
    return clip(repr(value))
