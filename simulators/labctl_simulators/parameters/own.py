"""Parameter files of a user's own: the text, with the line of everything in it.

Nothing in a submitted text can be large for a small file: aliases, tags and merge keys are refused, and so are keys that
stand twice.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from labctl_simulators import parameters
from labctl_simulators.parameters import ParameterError, ParameterSet
from labctl_simulators.parameters.keys import MODELS, NumberKey, Word, meaning
from labctl_simulators.parameters.kinds import UNITS

T = TypeVar("T")

LARGEST: Final = 4 * 1024 * 1024
"""Characters of a parameter file."""
DEEPEST: Final = 40
_KEYS: Final = (
    "labctl_model",
    "name",
    "like",
    "model",
    "kind",
    "about",
    "electrolyte",
    "double_layers",
    "sources",
    "values",
)
_SWITCHES: Final = {"electrolyte": "on", "double_layers": "off"}
"""What may be switched on or off, and what it is where a file does not say."""
_ON: Final[tuple[object, ...]] = ("on", True)
_OFF: Final[tuple[object, ...]] = ("off", False)


def read_text(text: str, file: str) -> ParameterSet:
    """Return the parameter set of a text: one of ours in YAML, or in JSON a BPX file, a cell of BattMo or an export of PyBaMM.

    Args:
        text: of the file.
        file: its name, for messages.

    Raises:
        ParameterError: with the line and the reason.
    """
    if len(text) > LARGEST:
        raise ParameterError(
            f"{file}: wanted a parameter file of at most {LARGEST >> 20} MB, found {len(text) >> 20} MB"
        )
    if text.lstrip()[:1] in {"{", "["}:
        return foreign(text)[0](file)
    document, lines = composed(text, file)
    name = document.get("name")
    if not isinstance(name, str) or not name:
        raise _at(file, lines.get("name", 1), f"wanted a name, found {name!r}")
    with placed(file, name, lines):
        return _set(document, name)


def foreign(text: str) -> tuple[Callable[[str], ParameterSet], Callable[[], list[str]]]:
    """Return what reads a JSON text of another program under a file's name, and what lists what of it is not taken."""
    from labctl_simulators.parameters import battmo, bpx, pybamm_export  # noqa: PLC0415 - few files are

    for reader in (battmo, pybamm_export):
        document = reader.document_of(text)
        if document is not None:
            return partial(reader.read, document), partial(reader.left_out, document)
    return partial(bpx.read, text), partial(bpx.left_out, text)


def template() -> str:
    """Return the text of a commented parameter file to start from."""
    return (Path(__file__).parent / "template.txt").read_text(encoding="utf-8")


def whole(text: str, file: str, build: Callable[[ParameterSet], T]) -> T:
    """Return what `build` makes of the set of a file's text; what it refuses is told with the line.

    Raises:
        ParameterError: with the line and the reason.
    """
    parameter_set = read_text(text, file)
    lines = {} if text.lstrip()[:1] in {"{", "["} else composed(text, file)[1]
    with placed(file, parameter_set.name, lines):
        return build(parameter_set)


@contextmanager
def placed(file: str, name: str, lines: Mapping[str, int]) -> Iterator[None]:
    """Tell with its line what is refused within, in a message that begins with a name and a path of keys."""
    try:
        yield
    except ParameterError as error:
        path, _, words = str(error).partition(": ")
        keys = path.removeprefix(name).removeprefix(".") if path.startswith(name) else ""
        if not words or (path != name and not keys):
            raise
        line = _line(keys, lines)
        message = f"{keys}: {words}" if keys else words
        error.args, error.line, error.words = (f"{file}:{line}: {message}",), line, message
        raise


def _line(keys: str, lines: Mapping[str, int]) -> int:
    """Return the line of the nearest key that stands in the file; 1 where none does."""
    place = f"values.{keys}" if keys.partition(".")[0] in _children(lines) else keys
    while place and place not in lines:
        place = place.rpartition(".")[0]
    return lines.get(place, 1)


def _children(lines: Mapping[str, int]) -> set[str]:
    return {path.split(".")[1] for path in lines if path.startswith("values.")}


def _set(document: Mapping[str, Any], name: str) -> ParameterSet:
    """Return the set of a document; where it says `like`, it is laid over a shipped one.

    Raises:
        ParameterError: in words that begin with the name and the path of keys.
    """
    wrong = [key for key in document if key not in _KEYS]
    if wrong:
        raise ParameterError(f"{name}.{wrong[0]}: wanted one of {', '.join(_KEYS)}, found {wrong[0]!r}")
    switches = {key: document.get(key, usual) for key, usual in _SWITCHES.items()}
    for key, value in switches.items():
        if value not in _ON + _OFF:
            raise ParameterError(f"{name}.{key}: wanted on or off, found {value!r}")
    base = document.get("like")
    full: Mapping[str, Any] = {key: value for key, value in document.items() if key not in {"like", *_SWITCHES}}
    if base is not None:
        full = parameters.laid_over(parameters.whole_document(str(base)), full)
    _checked(full, name)
    parameter_set = parameters.parse(full, name)
    electrolyte, layers = (switches[key] in _ON for key in ("electrolyte", "double_layers"))
    return parameter_set._replace(electrolyte=electrolyte, double_layers=layers)


def _checked(full: Mapping[str, Any], name: str) -> None:
    """Check that every key of the values is one of the model's, in one of its units.

    Raises:
        ParameterError: with its path.
    """
    model, values = full.get("model"), full.get("values")
    if model not in MODELS:
        raise ParameterError(f"{name}.model: wanted {', '.join(MODELS)}, found {model!r}")
    if isinstance(values, Mapping):
        for path, words in _misread(str(model), values, ""):
            raise ParameterError(f"{name}.{path}: {words}")


def misread(text: str, file: str) -> list[tuple[int, str]]:
    """Return every key, word and unit of a file's values that its model does not have, each with its line.

    Raises:
        ParameterError: it is no document of keys; with the line.
    """
    document, lines = composed(text, file)
    base, values = document.get("like"), document.get("values")
    model = parameters.whole_document(str(base)).get("model") if base is not None else document.get("model")
    if model not in MODELS or not isinstance(values, Mapping):
        return []
    return [(lines.get(f"values.{path}", 1), f"{path}: {words}") for path, words in _misread(str(model), values, "")]


def _misread(model: str, branch: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Give what of a branch is no key of the model, or in no unit of it: the path, and in words."""
    for key, entry in branch.items():
        here = f"{path}{key}"
        known = meaning(model, here)
        if known is None:
            near = get_close_matches(key, list(_beside(model, path)), n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            yield here, f"wanted a key of {model} models, found {key!r}{hint}"
        elif not isinstance(entry, Mapping):
            if isinstance(known, Word) and known.choices and entry not in known.choices:
                yield here, f"wanted {' or '.join(known.choices)}, found {entry!r}"
        elif "value" not in entry:
            yield from _misread(model, entry, f"{here}.")
        else:
            number = meaning(model, f"{here}.points") if key == "entropy" else known
            units = UNITS[number.kind] if isinstance(number, NumberKey) else ()
            if entry.get("unit") not in units:
                yield here, f"wanted {' or '.join(units)}, found {entry.get('unit')!r}"


def _beside(model: str, path: str) -> Mapping[str, Any]:
    """Return the keys that may stand in a branch."""
    known = meaning(model, path.rstrip(".")) if path else MODELS[model]
    return known if isinstance(known, Mapping) else {}


def _at(file: str, line: int, words: str) -> ParameterError:
    return ParameterError(f"{file}:{line}: {words}", line, words)


def composed(text: str, file: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the document of a text, and the line of each key by its path, `values.area` for instance.

    Raises:
        ParameterError: it is no such document; with the line.
    """
    import yaml  # noqa: PLC0415 - start-up is a promise

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if isinstance(token, yaml.AliasToken | yaml.AnchorToken | yaml.TagToken):
                words = "wanted no aliases and no tags in a parameter file, found one"
                raise _at(file, token.start_mark.line + 1, words)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        words = f"wanted YAML, found {getattr(error, 'problem', None) or error}"
        raise _at(file, mark.line + 1 if mark else 1, words) from None
    except RecursionError:
        raise ParameterError(f"{file}: wanted a parameter file, found one that is nested too deeply") from None
    if not isinstance(root, yaml.MappingNode):
        raise ParameterError(f"{file}: wanted the keys of a parameter file, found none; begin with labctl_model: 1")
    lines: dict[str, int] = {}
    return _mapping(root, (file, ""), lines), lines


def _mapping(node: Any, place: tuple[str, str], lines: dict[str, int]) -> dict[str, Any]:
    """Return a mapping; `place` is the file and the path of keys that leads to it."""
    out: dict[str, Any] = {}
    file, path = place
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key.value, str):
            raise _at(file, line, "wanted a word as key, found none")
        here = f"{path}.{key.value}" if path else key.value
        if key.value in out:
            raise _at(file, line, f"wanted each key once, found {key.value!r} twice")
        lines[here] = line
        out[key.value] = _value(value, (file, here), lines)
    return out


def _value(node: Any, place: tuple[str, str], lines: dict[str, int]) -> Any:
    if place[1].count(".") > DEEPEST:
        raise ParameterError(f"{place[0]}: wanted a parameter file, found one that is nested too deeply")
    if node.id == "mapping":
        return _mapping(node, place, lines)
    if node.id == "sequence":
        return [_value(item, (place[0], f"{place[1]}.-"), lines) for item in node.value]
    return _scalar(node)


def _scalar(node: Any) -> object:
    """Return a scalar as YAML reads it: quoted is text, and so is what is neither number nor truth."""
    if node.style in {"'", '"', "|", ">"}:
        return node.value
    text = node.value
    if text in {"", "~", "null"}:
        return None
    if text in {"true", "false"}:
        return text == "true"
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text
