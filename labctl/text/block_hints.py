"""Slips that are seen only with the lines around: a key without its colon, a tab, an opened brace, a second protocol."""

import re
from typing import Final

from labctl.finding import Finding, Mark, clip
from labctl.text.nodes import BROKEN, Document

MOST_OF_LINE: Final = 1000  # characters that the rules look at


def without_colon(document: Document, lines: list[str], line: int) -> tuple[Finding, int] | None:
    """Find a key without its colon, or a name alone above the keys of its block, and mend its line; give also which it is."""
    text = lines[line]
    if len(text) > MOST_OF_LINE:
        return None
    below = next((each for each in lines[line + 1 :] if each.strip()), "")
    top = next((at for at, each in enumerate(lines[:line]) if each.strip() and not each.lstrip().startswith("#")), None)
    if top is not None and (
        version := re.fullmatch(r"()(labctl|labctl_cell|labctl_station)(?: +| *= *)(\d+) *", lines[top])
    ):
        return _mended(document, lines, top, version, f": {version[3]}")
    if (match := re.fullmatch(r"( *(?:- +)*)([a-z_]+) *", text)) and re.match(
        rf" {{{len(match[1])}}}(?: +\S|- )", below
    ):
        return _mended(document, lines, line, match, ":")
    if match := re.fullmatch(r"( *(?:- +)*)([a-z_]+) *=(?![=<>]) *([^=<>]+)", text):
        return _mended(document, lines, line, match, f": {match[3]}")
    if match := re.fullmatch(
        r"()(name|about|source|record|limits|requires|analyse|kind|area|active_mass|model) +([^:]+?) *", text
    ):
        return _mended(document, lines, line, match, f": {match[3]}")
    if match := re.fullmatch(r"( *(?:- +)*)([a-z_]+) +([{\[].*)", text):
        return _mended(document, lines, line, match, f": {match[3]}")
    valued = (
        re.fullmatch(r"( *- +)(repeat|each|if|cycle|use|name) +([^:]+?) *", lines[line - 1][:MOST_OF_LINE])
        if line
        else None
    )
    if valued is not None and re.match(rf" {{{len(valued[1])}}}[a-z_]+:(?: |$)", text):
        return _mended(document, lines, line - 1, valued, f": {valued[3]}")
    above = re.fullmatch(r"( *- +)([A-Za-z]\w*) *", lines[line - 1][:MOST_OF_LINE]) if line else None
    if above is not None and re.match(rf" {{{len(above[1])}}}[a-z_]+:(?: |$)", text):
        return _mended(document, lines, line - 1, above, "")
    return None


def steps_left_out(document: Document, lines: list[str], line: int) -> tuple[Finding, int] | None:
    """Find the steps of a block without `steps:` above them, or with one that stands too far to the left, and mend it."""
    own = re.match(r"( *)(- |steps:\s*$)", lines[line][:MOST_OF_LINE])
    stray = re.fullmatch(r"( *)- steps:\s*", lines[line][:MOST_OF_LINE])
    above = next((text for text in reversed(lines[:line]) if text.strip()), "")
    items = [item for text in lines[:line] if (item := re.match(r"( *)- ([a-z_]+):", text)) is not None]
    if (
        own is None
        or not items
        or not re.match(r" *(?:- +)?(?:repeat|each|if|cycle|name|stop_if|abort_if|for|every): *\S", above)
    ):
        return None
    level = len(items[-1][1])
    if stray is not None and len(stray[1]) == level + 2:
        mark = Mark(document.file, line + 1, len(stray[1]) + 1)
        lines[line] = f"{stray[1]}steps:"
        message = "wanted steps: as a key of its block, found a - in front of it"
        return document.finding("yaml.indent", message, mark, "leave the - in front of steps: out"), line
    if own[2] == "- " and len(own[1]) > level and _is_block(lines[:line], level):
        mark = Mark(document.file, line + 1, len(own[1]) + 1)
        for at in range(line, len(lines)):
            if lines[at].strip() and len(lines[at]) - len(lines[at].lstrip()) < len(own[1]):
                break
            lines[at] = ""
        lines[line] = f"{' ' * (level + 2)}steps: {BROKEN}"
        message = f"wanted steps: between {items[-1][2]} and the steps of its block, found them alone"
        return document.finding("yaml.indent", message, mark, f"write steps: above, {level + 2} spaces before it"), line
    if own[2] != "- " and level <= len(own[1]) < level + 2:
        mark = Mark(document.file, line + 1, len(own[1]) + 1)
        lines[line] = f"{' ' * (level + 2)}steps:"
        found, more = (
            ("it below the -", "two more spaces") if len(own[1]) == level else ("one space less", "one more space")
        )
        message = f"wanted steps: as far to the right as {items[-1][2]}, found {found}"
        return document.finding("yaml.indent", message, mark, f"put {more} in front of steps:"), line
    return None


def dash_left_out(document: Document, lines: list[str], line: int) -> tuple[Finding, int] | None:
    """Find the first step of a list without its -, as those below it have theirs, and mend it."""
    own = re.match(r"( *)- ", lines[line][:MOST_OF_LINE])
    begin = next((at for at in range(line - 1, -1, -1) if re.fullmatch(r" *(?:- )?steps:\s*", lines[at])), None)
    if own is None or begin is None:
        return None
    first = next(
        (at for at in range(begin + 1, line) if lines[at].strip() and not lines[at].lstrip().startswith("#")), line
    )
    key = re.match(r"( +)([a-z_]+):(?:\s|$)", lines[first][:MOST_OF_LINE])
    if key is None or first == line or any(re.match(r" *- ", lines[at]) for at in range(begin + 1, line)):
        return None
    lines[first] = f"{own[1]}- {lines[first].lstrip()}"
    message = f"wanted - in front of {key[2]}, as in front of the steps below it, found none"
    hint = f"write - {key[2]}: with the - below that of the other steps"
    return document.finding("yaml.indent", message, Mark(document.file, first + 1, len(key[1]) + 1), hint), first


def braces_below(document: Document, lines: list[str], line: int) -> tuple[Finding, int] | None:
    """Find braces or brackets that stand on the line below their key, no deeper than it, and mend it."""
    for at in (line, line - 1):
        own = re.fullmatch(r"( *)([{\[].*)", lines[at][:MOST_OF_LINE]) if at > 0 else None
        key = re.fullmatch(r"( *(?:- +)*)([A-Za-z_]\w*): *", lines[at - 1][:MOST_OF_LINE]) if at > 0 else None
        if own is not None and key is not None and len(own[1]) <= len(key[1]):
            lines[at - 1], lines[at] = f"{key[1]}{key[2]}: {own[2]}", ""
            message = f"wanted the braces beside {key[2]}:, found them on the line below"
            hint = f"write them behind {key[2]}: on its line, or two spaces deeper"
            return document.finding("yaml.indent", message, Mark(document.file, at + 1, len(own[1]) + 1), hint), at - 1
    return None


def too_far_in(document: Document, lines: list[str], line: int) -> tuple[Finding, int] | None:
    """Find a key of the file that stands deeper than the one above it, which has its value beside it, and mend it."""
    own = re.match(r"( +)([a-z_]+):(?:\s|$)", lines[line][:MOST_OF_LINE])
    above = next((text for text in reversed(lines[:line]) if text.strip() and not text.lstrip().startswith("#")), "")
    level = re.match(r"( *(?:- +)?)[a-z_]+: +[^\s|>#]", above)
    if own is None or level is None or BROKEN in above or len(level[1]) >= len(own[1]):
        return None
    if level[1] and own[2] not in {"steps", "cycle", "stop_if", "abort_if", "record", "with", "every", "repeat"}:
        return None
    count = len(own[1]) - len(level[1])
    lines[line] = " " * len(level[1]) + lines[line].lstrip()
    message = f"wanted {own[2]} on the level of the keys above, found it {count} space{'s' if count > 1 else ''} deeper"
    hint = f"remove {count} space{'s' if count > 1 else ''} in front of {own[2]}:"
    return document.finding("yaml.indent", message, Mark(document.file, line + 1, len(own[1]) + 1), hint), line


def of_the_file(document: Document, lines: list[str], line: int) -> tuple[Finding, int] | None:
    """Find a key of the file that stands below `steps:`, beside the hyphens, and mend it."""
    own = re.match(r"( +)(analyse|params|requires|limits|on_interruption|record|source|about):(?:\s|$)", lines[line])
    if own is None or not any(re.match(rf"{own[1]}- ", text) for text in lines[:line]):
        return None
    for at in range(line + 1, len(lines)):  # what is below it goes along
        if lines[at].strip() and not lines[at].startswith(f"{own[1]} "):
            break
        lines[at] = lines[at].removeprefix(own[1])
    lines[line] = lines[line].lstrip()
    message = f"wanted {own[2]} at the left margin, found it among the steps"
    hint = f"{own[2]} is a key of the file: remove the spaces in front of it"
    return document.finding("yaml.indent", message, Mark(document.file, line + 1, len(own[1]) + 1), hint), line


def too_far_out(document: Document, lines: list[str], line: int) -> tuple[Finding, int] | None:
    """Find a key that stands between two levels of the keys above it, and mend it: on the nearer one, of two the deeper."""
    own = re.match(r"( +)([A-Za-z_]\w*):(?:\s|$)", lines[line][:MOST_OF_LINE])
    if own is None or any(re.match(rf"{own[1]}- ", text) for text in lines[:line]):  # below a -, which it may lack
        return None
    at, levels = len(own[1]), _levels_above(lines, line)
    deeper = min((level for level in levels if level > at), default=None)
    outer = max((level for level in levels if level < at), default=None)
    if at in levels or deeper is None or outer is None:
        return None
    nearer_out = at - outer < deeper - at or (at - outer == deeper - at and own[2] in _OF_BLOCKS)
    level = outer if nearer_out else deeper
    count = f"{abs(level - at)} space{'s' if abs(level - at) > 1 else ''}"
    lines[line] = " " * level + lines[line].lstrip()
    message = (
        f"wanted {own[2]} on the level of the keys above, found it {count} {'deeper' if nearer_out else 'less deep'}"
    )
    more = f"{abs(level - at)} more space{'s' if abs(level - at) > 1 else ''}".replace("1 more", "one more")
    hint = f"remove {count} in front of {own[2]}:" if nearer_out else f"put {more} in front of {own[2]}:"
    return document.finding("yaml.indent", message, Mark(document.file, line + 1, at + 1), hint), line


_OF_BLOCKS: Final = frozenset({"steps", "cycle", "stop_if", "abort_if", "with", "every", "repeat"})


def _levels_above(lines: list[str], line: int) -> set[int]:
    """Return the levels of keys that are open above a line: its own item's, and those of what is around it."""
    levels: set[int] = set()
    least = MOST_OF_LINE
    for text in reversed(lines[:line]):
        match = re.match(r"( *)((?:- +)*)[A-Za-z_]\w*:", text[:MOST_OF_LINE])
        if match is None or not text.strip() or len(match[1]) >= least:
            continue
        levels.add(len(match[1]) + len(match[2]))
        least = len(match[1]) + (1 if match[2] else 0)
        if not match[1] and not match[2]:
            break
    return levels


def _is_block(lines: list[str], level: int) -> bool:
    """Tell whether the last list item of a level has the keys of a block and no steps yet."""
    item: list[str] = []
    for text in reversed(lines):
        item.append(text)
        if re.match(rf" {{{level}}}- ", text):
            break
    keys = {match[1] for text in item if (match := re.match(r" *(?:- +)?([a-z_]+):", text)) is not None}
    return bool(keys & {"repeat", "each", "if"}) and "steps" not in keys


def _mended(document: Document, lines: list[str], line: int, match: re.Match[str], behind: str) -> tuple[Finding, int]:
    """Write what a line means in its place, and return what it lacked."""
    right = f"{match[2]}{behind}" if behind else f"name: {match[2]}"
    lines[line] = f"{match[1]}{right}"
    message = f"wanted a colon after {match[2]!r}, found none" if behind else f"wanted a key, found {match[2]!r}"
    mark = Mark(document.file, line + 1, len(match[1]) + 1)
    return document.finding("yaml.colon_missing", message, mark, f"write {right}"), line


def spaces_for_tab(document: Document, lines: list[str], line: int) -> str:
    """Return the hint at how many spaces the level of a line with a tab needs; or at two for each where that is not sure."""
    text = lines[line]
    if re.match(r" *-[ \t]*\t", text):
        return "write one space in place of the tab"
    count = level_of(document, lines, line)
    if count is None:
        return "use two spaces for each level"
    if text[: len(text) - len(text.lstrip())].strip("\t"):
        return f"begin the line with {count} spaces and no tab"
    return f"write {count} spaces in place of the tab" if count else "remove the tab"


def level_of(document: Document, lines: list[str], line: int) -> int | None:
    """Return how many spaces the level of a line with a tab needs: as many as a line above got for the same; None where unsure."""
    own = _indentation(document.lines[line])
    alike = next(
        (at for at in range(line - 1, -1, -1) if _indentation(document.lines[at]) == own and lines[at].strip()), None
    )
    if alike is not None and "\t" not in _indentation(lines[alike]):
        return len(_indentation(lines[alike]))
    above = next((text for text in reversed(lines[:line]) if text.strip() and not text.lstrip().startswith("#")), "")
    text = lines[line].lstrip()
    match = re.match(r"( *)((?:- +)*)", above)
    if match is None or "\t" in above or not text:
        return None
    if text.startswith("- "):
        dashes = [len(item[1]) for each in lines[:line] if (item := re.match(r"( *)- ", each))]
        return len(match[1]) + len(match[2]) + 2 if above.rstrip().endswith(":") else dashes[-1] if dashes else 2
    return len(match[1]) + len(match[2]) + (2 if above.rstrip().endswith(":") else 0)


def _indentation(text: str) -> str:
    return text[: len(text) - len(text.lstrip())]


def quote_above(lines: list[str], line: int, column: int) -> tuple[int, int] | None:
    """Return line and column of the quote that a quote of this line closed, though it was meant to begin a text here."""
    before = lines[line][:column]
    quote = before[-1:]
    if quote not in {'"', "'"} or before.count(quote) % 2 == 0 or len(before) > MOST_OF_LINE:
        return None
    for at in range(line - 1, -1, -1):
        text = lines[at][:MOST_OF_LINE]
        if quote in text:
            begin = re.search(rf":\s+({quote})[^{quote}]*$", text)
            return (at, begin.start(1)) if begin is not None else None
    return None


def one_too_deep(lines: list[str], line: int) -> tuple[int, str, str, str] | None:
    """Find a list item that stands deeper than the items above it, or less deep but not on their level."""
    own = re.match(r"( *)- ", lines[line])
    above = next((match for at in range(line - 1, -1, -1) if (match := re.match(r"( *)- ", lines[at]))), None)
    if own is None or above is None or len(own[1]) == len(above[1]):
        return None
    count = len(own[1]) - len(above[1])
    spaces = f"{abs(count)} space{'s' if abs(count) > 1 else ''}"
    message = f"wanted the - below those above it, found it {spaces} {'deeper' if count > 0 else 'less deep'}"
    hint = f"put the - into column {len(above[1]) + 1}, or indent steps of a block below its steps:"
    return len(own[1]), "yaml.indent", message, hint


def ends_open(lines: list[str], line: int) -> str:
    """Return the bracket that closes what a line opened, if the next line begins with something else; or ""."""
    text = re.sub(r"\"[^\"]*\"|'[^']*'|(?:^|\s)#.*", "", lines[line][:MOST_OF_LINE])
    opened: list[str] = []
    for character in text:
        if character in "{[":
            opened.append({"{": "}", "[": "]"}[character])
        elif opened and character == opened[-1]:
            opened.pop()
    below = next((each for each in lines[line + 1 :] if each.strip()), "")
    beside = re.match(r"\s*(?:- +)?[A-Za-z_]\w*:(?:\s|$)|$", below)
    return "".join(reversed(opened)) if opened and beside and not text.rstrip().endswith(",") else ""


_COMMENT: Final = re.compile(r"\s*(<!--|-->|REM(?= )|\"\"\"|'(?= )|//|;|%|--(?= )|/\*|\*/|\.\.\.(?=\s*$)|…(?=\s*$))")


def comment_above(lines: list[str], line: int) -> int | None:
    """Return the line that other languages would take for a comment: the blamed one, or the nearest one above it."""
    for at in (line, next((at for at in range(line - 1, -1, -1) if lines[at].strip()), line)):
        if _COMMENT.match(lines[at]):
            return at
    return None


def comment_of_others(document: Document, lines: list[str], line: int) -> Finding:
    """Take a line that is a comment of another language away, and say how it is written here."""
    match = _COMMENT.match(lines[line])
    sign = match[1] if match else ""
    text = lines[line].replace(sign, "", 1).strip().removesuffix("-->").removesuffix('"""').removesuffix("*/").strip()
    lines[line] = ""
    message = f"wanted a step, a key or a comment, found {clip(f'{sign} {text}'.rstrip())!r}"
    column = len(document.lines[line]) - len(document.lines[line].lstrip())
    hint = f"a comment begins with a #: # {clip(text)}" if text else "write out what belongs there, or # in front of it"
    return document.finding("yaml.comment", message, Mark(document.file, line + 1, column + 1), hint)
