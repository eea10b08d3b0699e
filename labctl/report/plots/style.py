"""What all figures share: the style file, shades that read in black and white, labels in the field's form (`Voltage / V`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

import numpy as np
from matplotlib import colormaps, rc_context, rc_params_from_file
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from labctl.analysis.impedance.model import Complex
from labctl.sample import Floats

STYLE: Final = Path(__file__).with_name("labctl.mplstyle")
LEAST_SPAN: Final = 0.01  # of the value in the middle of an axis
POINTS: Final = 4000  # of a curve that is drawn
MARKERS: Final = ("o", "s", "^", "D", "v", "P")
GREY: Final = "#7f7f7f"
LABELLED: Final = 12  # curves whose names find room in a legend
WIDE: Final = (7.2, 3.9)

P = ParamSpec("P")
R = TypeVar("R")
Color: TypeAlias = "tuple[float, float, float, float]"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure with the name by which it is asked for, and a caption that says what it shows and what was done to it."""

    name: str
    figure: Figure
    caption: str


@cache
def parameters() -> Any:
    """Return the settings of the style file, read once."""
    return rc_params_from_file(STYLE, use_default_template=False)


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Let a function draw, or save, in the one style."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with rc_context(parameters()):
            return draw(*args, **kwargs)

    return inside


def axes_of(size: tuple[float, float] | None = None) -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes."""
    figure = Figure(figsize=size)
    axes: Axes = figure.subplots()
    return figure, axes


def shades(count: int) -> list[Color]:
    """Return colours of falling darkness, so that their order is seen in grey too; the lightest only where there are many."""
    lightest = min(0.85, 0.45 + 0.08 * count)
    return [colormaps["viridis"](lightest * at / max(count - 1, 1)) for at in range(count)]


def legend(axes: Axes, count: int, title: str = "", **more: Any) -> None:
    """Name curves where their names find room."""
    if 0 < count <= LABELLED:
        axes.legend(title=title or None, **more)


def envelope(time: Floats, values: Floats, most: int = POINTS) -> tuple[Floats, Floats]:
    """Return the lowest and highest of each of `most` / 2 stretches of rows, in order of time: no peak is lost."""
    if len(time) <= most:
        return time, values
    edges = np.linspace(0, len(time), most // 2 + 1).astype(np.int64)
    pairs = [(low + np.argmin(values[low:high]), low + np.argmax(values[low:high])) for low, high in pairwise(edges)]
    at = np.sort(np.array(pairs, dtype=np.int64), axis=1).ravel()
    return time[at], values[at]


def thinned(values: Sequence[Any], most: int) -> list[Any]:
    """Return at most `most` of some values, evenly, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[at] for at in np.unique(np.linspace(0, len(values) - 1, most).astype(int))]


def calm(axes: Axes) -> None:
    """Let no vertical axis show rounding noise: it spans a hundredth of its values at least."""
    low, high = axes.get_ylim()
    middle = (low + high) / 2
    if high - low < LEAST_SPAN * abs(middle):
        half = LEAST_SPAN * abs(middle) / 2
        axes.set_ylim(middle - half, middle + half)


def whole_numbers(axes: Axes) -> None:
    """Let a horizontal axis of cycles have whole numbers alone."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_minor_locator(NullLocator())


def complex_plane(axes: Axes, values: Sequence[Complex], *, crop: bool = False) -> None:
    """Give an axes the labels and limits of the complex plane, both axes alike.

    Args:
        axes: With impedances drawn as Re against -Im.
        values: All of them, ohm.
        crop: Show the high-frequency end alone: of a cell that blocks the rest is a vertical line.
    """
    every = np.concatenate(values)
    right, top, bottom = float(every.real.max()), float(-every.imag.min()), float(-every.imag.max())
    if crop:
        right = 2.5 * max(float(each.real.min()) for each in values)
        top, bottom = right, 0.0
    margin = 0.05 * max(right, top)
    axes.set_xlim(min(0.0, float(every.real.min()) - margin), right + 2 * margin)
    axes.set_ylim(min(-margin, bottom - margin), top + 3 * margin)
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlabel("Re Z / Ω")
    axes.set_ylabel("−Im Z / Ω")


def title(name: str) -> str:
    """Return a column's name with a capital, its unit set as a paper sets it."""
    quantity, _, unit = name.partition(" / ")
    symbol = quantity[1:2].isupper()  # dQ/dV
    return (quantity if symbol else f"{quantity[:1].upper()}{quantity[1:]}") + (f" / {printed(unit)}" if unit else "")


def printed(unit: str) -> str:
    """Return a unit as it is printed: `uAh/cm2/um` as µAh cm⁻² µm⁻¹.

    >>> printed("uAh/cm2/um")
    'µAh cm⁻² µm⁻¹'
    >>> printed("mA/cm2"), printed("ohm"), printed("%")
    ('mA cm⁻²', 'Ω', '%')
    """
    first, *rest = unit.split("/")
    words = [_sign(first), *(_inverse(part) for part in rest)]
    return " ".join(word for word in words if word)


def _sign(word: str) -> str:
    greek = f"µ{word[1:]}" if len(word) > 1 and word[0] == "u" and (word[1].isupper() or word[1] == "m") else word
    return greek.replace("ohm", "Ω").replace("degC", "°C").replace("cm2", "cm²")


def _inverse(word: str) -> str:
    base, power = (word[:-1], word[-1]) if word[-1:].isdigit() else (word, "1")
    if "^" in base:
        return "s⁻⁰·⁵"
    return f"{_sign(base)}⁻{'⁰¹²³⁴⁵⁶⁷⁸⁹'[int(power)]}"
