"""Arithmetic on numbers that may differ between passes, or be relative to a nominal capacity that is measured."""

from labctl.plan.step import ByPass, Number, Relative, Setting


def values(number: Number) -> tuple[float, ...]:
    """Return a number in every pass; of one that is relative to a measured capacity, at both ends of what that may be."""
    if isinstance(number, Relative):
        return tuple(part * value for part in number.within for value in values(number.value))
    return number.values if isinstance(number, ByPass) else (number,)


def negative(number: Number) -> Number:
    """Return a number with its sign changed, in every pass."""
    return scaled(number, -1.0)


def scaled(number: Number, factor: float) -> Number:
    """Return a number times a factor, in every pass."""
    if isinstance(number, Relative):
        return Relative(_plain(scaled(number.value, factor)), number.within)
    if isinstance(number, ByPass):
        return ByPass(number.blocks, number.shape, tuple(factor * value for value in number.values))
    return factor * number


def magnitude(setting: Setting) -> Number:
    """Return the magnitude of a number, in every pass."""
    if isinstance(setting, Relative):
        return Relative(_plain(magnitude(setting.value)), setting.within)
    if isinstance(setting, ByPass):
        return ByPass(setting.blocks, setting.shape, tuple(abs(value) for value in setting.values))
    return abs(float(setting))  # type: ignore[arg-type]


def inverse(setting: Setting, over: float) -> Number:
    """Return a number divided by a setting, in every pass."""
    if isinstance(setting, ByPass):
        return ByPass(setting.blocks, setting.shape, tuple(over / value for value in setting.values))
    return over / float(setting)  # type: ignore[arg-type]


def _plain(number: Number) -> float | ByPass:
    assert not isinstance(number, Relative)
    return number


def as_filed(number: Number) -> float | ByPass:
    """Return a number as it is with the cell file's nominal capacity."""
    return number.value if isinstance(number, Relative) else number


def known(setting: object) -> tuple[float, ...]:
    """Return a setting in every pass, as it is with the cell file's nominal capacity; nothing of what is no number."""
    if isinstance(setting, bool) or not isinstance(setting, float | int | ByPass | Relative):
        return ()
    return values(as_filed(setting))
