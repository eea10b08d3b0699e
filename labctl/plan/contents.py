"""What a protocol holds: its files and their texts, its analyses, its cycles, marks and measured capacities."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from labctl.protocol import model
from labctl.protocol.cell import Cell


def analyses_of(protocol: model.Protocol) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Give the analyses of a file and of those it uses, each once."""
    seen: list[tuple[str, Mapping[str, str]]] = []
    for file in files_of(protocol):
        for analysis in file.analyses:
            pair = (analysis.name, dict(analysis.options))
            if pair not in seen:
                seen.append(pair)
                yield pair


def requests_of(protocol: model.Protocol) -> Iterator[model.AnalysisRequest]:
    """Give the analyses of a file and of those it uses, each as it was written."""
    for file in files_of(protocol):
        yield from file.analyses


def files_of(protocol: model.Protocol) -> Iterator[model.Protocol]:
    """Give a file and those it uses, in the order of the text."""
    yield protocol
    for item in all_items(protocol.children):
        if isinstance(item, model.Use):
            yield from files_of(item.protocol)


def all_items(items: Iterable[model.Item]) -> Iterator[model.Item]:
    """Give items at all depths, files that are used not entered."""
    for item in items:
        yield item
        if isinstance(item, model.WrittenBlock):
            yield from all_items(item.children)


def texts_of(protocol: model.Protocol) -> Iterator[tuple[str, str]]:
    """Give name and text of every file that a protocol was made from, tables included."""
    for file in files_of(protocol):
        yield file.file, file.text
        for item in all_items(file.children):
            verb = item.verb if isinstance(item, model.Step) else None
            if isinstance(verb, model.ProfileStep) and verb.table is not None and isinstance(verb.file, str):
                yield verb.file, verb.table.text


def sources_of(protocol: model.Protocol, cell: Cell) -> Iterator[tuple[str, str]]:
    """Give name and text of everything that a plan is made from, the cell file last."""
    yield from texts_of(protocol)
    if cell.text:
        yield cell.file, cell.text


def digest_of_text(text: str) -> str:
    """Return the SHA-256 of a text, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def measures_capacity(items: Iterable[model.Item]) -> bool:
    """Tell whether the nominal capacity is measured in some items."""
    return any(
        (isinstance(item, model.Step) and isinstance(item.verb, model.Nominal))
        or (isinstance(item, model.WrittenBlock) and measures_capacity(item.children))
        or (isinstance(item, model.Use) and measures_capacity(item.protocol.children))
        for item in items
    )


def marks_in(items: Iterable[model.Item]) -> frozenset[str]:
    """Return the names of the marks in a block, whenever they come."""
    names: set[str] = set()
    for item in items:
        match item:
            case model.Step(verb=model.MarkEvent(text=str() as text)):
                names.add(text)
            case model.WrittenBlock():
                names |= marks_in(item.children)
            case model.Use():
                names |= marks_in(item.protocol.children)
    return frozenset(names)


def cycles_of(items: Iterable[model.Item]) -> frozenset[str]:
    """Return which kinds of cycles items have: "check", and "cycles" for all others with capacities."""
    names: set[str] = set()
    for item in items:
        if isinstance(item, model.WrittenBlock):
            names |= {"check" if item.cycle == "check" else "cycles"} if item.cycle else cycles_of(item.children)
        elif isinstance(item, model.Use):
            names |= cycles_of(item.protocol.children)
    return frozenset(names)
