"""What verbs print on: a terminal as wide as it is, or a pipe or file, where lines are as long as they need be."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.progress import Progress

WIDE = 240  # columns where nobody looks


def console() -> "Console":
    """Return a console on stdout that breaks lines only where a terminal would, and takes brackets of a name as they are."""
    from rich.console import Console
    from rich.segment import Segment

    from labctl.inputs import printable

    class Paper(Console):
        """Shows the control characters of what it prints: only its own styles reach the terminal."""

        def _render_buffer(self, buffer: "Iterable[Segment]") -> str:
            return super()._render_buffer(
                [each if each.control else Segment(printable(each.text, lines=True), each.style) for each in buffer]
            )

    return Paper(width=None if sys.stdout.isatty() else WIDE, highlight=False, markup=False)


def progress() -> "Progress":
    """Return a bar on stderr that vanishes when done, and that is not there where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, transient=True, console=Console(stderr=True), disable=not sys.stderr.isatty())
