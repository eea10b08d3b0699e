"""Keys in braces whose colon lacks its space or is an =, which YAML takes for a key without a value: `{driver:simulated}`."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from labctl.finding import Mark, clip
from labctl.text.decimal_comma import Report
from labctl.text.nodes import Node, Scalar

_STUCK: Final = re.compile(r"-?([A-Za-z_]\w*)(?::(?!//)(?=[^\s:])| *= *(?=[^=<>]+$))(.+)", re.DOTALL)


def parted_entries(nodes: Sequence[Node], report: Report) -> list[Node]:
    """Return keys and values in turn, each key that holds its value as both, and that reported."""
    parted: list[Node] = []
    for key, value in zip(nodes[::2], nodes[1::2], strict=True):
        match = _STUCK.fullmatch(key.text) if isinstance(key, Scalar) and not key.style else None
        if match is None or not isinstance(key, Scalar) or not isinstance(value, Scalar) or not value.missing:
            parted += [key, value]
            continue
        message = f"wanted a space after {match[1] + ':'!r}, found {clip(key.text)!r}"
        if "=" in key.text[match.end(1) : match.start(2)]:
            message = f"wanted a colon after {match[1]!r}, found ="
        report("yaml.colon", message, key.mark, f"write {match[1]}: {clip(match[2])}")
        begin = key.span[0] + match.start(2)
        mark = Mark(key.mark.file, key.mark.line, key.mark.column + match.start(2))
        parted += [replace(key, text=match[1]), Scalar(match[2], mark, "", (begin, key.span[1]), key.folded)]
    return parted
