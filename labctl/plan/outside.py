"""What a plan takes from outside when it is made: the seed of its draws, and what time it is where it runs."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from labctl.errors import Misread

Local: TypeAlias = Callable[[float], tuple[float, str]]
"""Returns how many seconds the local time is ahead of UTC at a local time (s since 1970 by its clock), and the zone's name."""

DAY: Final = 86400.0
_DATE: Final = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:T|\s+)(\d{1,2}):(\d{2})(?::(\d{2}))?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
)


_DAY_FIRST: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:,?\s+(\d{1,2}:\d{2}))?")

_MONTH_FIRST: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?:,?\s+(\d{1,2}):(\d{2})\s*(am|pm|AM|PM)?)?")


def utc(moment: float) -> tuple[float, str]:
    """Be the local time of a computer that keeps UTC."""
    del moment
    return 0.0, "UTC"


@dataclass(frozen=True, slots=True)
class Outside:
    """What a plan takes from outside.

    Attributes:
        seed: What draws without a seed of their own are drawn with.
        begins: When the run begins, s of Unix time.
        local: The local time of the computer that runs it.
    """

    seed: int = 0
    begins: float = 0.0
    local: Local = utc


def moment_of(text: str, local: Local) -> tuple[float, str]:
    """Return a date and time as s of Unix time, and as it is shown: with its zone, that of the computer if none is said.

    Raises:
        Misread: It is none.
    """
    match = _DATE.fullmatch(text.strip())
    example = "write 2026-12-01 08:00, also with UTC or +01:00 behind it"
    if match is None:
        written = _DAY_FIRST.fullmatch(text.strip())
        if written is not None and int(written[2]) <= 12:
            example = f"write {written[3]}-{int(written[2]):02}-{int(written[1]):02} {written[4] or '08:00'}"
        if american := _MONTH_FIRST.fullmatch(text.strip()):
            hour = (
                int(american[4] or 8) % 12 + (12 if (american[6] or "").lower() == "pm" else 0)
                if american[6]
                else int(american[4] or 8)
            )
            example = f"write {american[3]}-{int(american[1]):02}-{int(american[2]):02} {hour:02}:{american[5] or '00'}"
        if re.fullmatch(r"\d{1,2}:\d\d(?::\d\d)?", text.strip()):
            example = f"a time has its date: 2026-12-01 {text.strip()}"
        raise Misread("wait.until", f"wanted a date and time, found {text!r}", example)
    year, month, day, hour, minute = (int(match[number]) for number in range(1, 6))
    second = int(match[6] or 0)
    day_exists = 1970 <= year < 2200 and 1 <= month <= 12 and 1 <= day <= _days_in(year, month)
    if not (day_exists and hour < 24 and minute < 60 and second < 60):
        raise Misread("wait.until", f"wanted a day and time that exist, found {text!r}", example)
    civil = _days(year, month, day) * DAY + hour * 3600.0 + minute * 60.0 + second
    zone = match[7]
    if zone is None:
        ahead, name = local(civil)
    else:
        digits = zone.replace(":", "")
        sign = -1.0 if digits.startswith("-") else 1.0
        ahead = 0.0 if zone[0] not in "+-" else sign * (int(digits[1:3]) * 3600.0 + int(digits[3:5]) * 60.0)
        name = "UTC"
    clock = f"{year}-{month:02}-{day:02} {hour:02}:{minute:02}" + (f":{second:02}" if second else "")
    return civil - ahead, f"{clock} {_zone(ahead, name)}"


def _zone(ahead: float, name: str) -> str:
    """Return a zone in words: its name, and how far it is ahead of UTC."""
    minutes = round(abs(ahead) / 60.0)
    offset = f"UTC{'-' if ahead < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}" if minutes else "UTC"
    return offset if name in {"UTC", ""} else f"{name} ({offset})"


def _days(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 to a date of the Gregorian calendar (Hinnant, `days_from_civil`)."""
    year -= month <= 2
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def _days_in(year: int, month: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
