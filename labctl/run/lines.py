"""The lines on which instruments are, and two entries of a station file on one: their questions would take each other's answers."""

import inspect
import os.path
import re
from collections.abc import Iterator, Mapping

from labctl.driver import Instrument, Stepped
from labctl.finding import Finding, Mark
from labctl.station.settings import InstrumentSettings, Station


def line_findings(station: Station, made: Mapping[str, Instrument | Stepped]) -> Iterator[Finding]:
    """Give the instruments on a line that another entry has, whose driver does not say that it is `shareable`."""
    seen: dict[str, str] = {}
    for name, given in station.instruments.items():
        instrument = made.get(name)
        if instrument is None or getattr(instrument, "shareable", False):
            continue
        option, line = line_of(type(instrument), given)
        other = seen.setdefault(line, name) if line else name
        if other != name:
            yield Finding(
                "instrument.shared",
                f"wanted a line of its own for the instrument {name}, found {line}, which {other} has",
                given.places.get((option,)) or given.mark or Mark(station.file, 1, 1),
                f"one entry stands for one connection: give its channels instrument: {other} and an at: of their own",
            )


def line_of(kind: type[object], given: InstrumentSettings) -> tuple[str, str]:
    """Return the option that says where an instrument is, and its line in one spelling; "" for one without."""
    usual = {name: item.default for name, item in inspect.signature(kind).parameters.items()}
    options = {**usual, **given.options}
    for option in ("resource", "host", "port", "address"):
        text = options.get(option)
        if isinstance(text, str) and text:
            port = options.get("port") if option == "host" else None
            return (option if option in given.options else "port"), _spelt(text if port is None else f"{text}:{port}")
    return "", ""


def _spelt(text: str) -> str:
    """Return a line as `host:port` or the path of a device, whichever way an address names it."""
    plain = text.strip()
    if match := re.fullmatch(r"TCPIP\d*::(.+)::(\d+)::SOCKET|socket://([^/?]+):(\d+).*", plain, re.IGNORECASE):
        return _numeric(f"{match[1] or match[3]}:{match[2] or match[4]}")
    if match := re.fullmatch(r"ASRL(/.+?)(?:::INSTR)?", plain, re.IGNORECASE):
        plain = match[1]
    return os.path.realpath(plain) if plain.startswith("/") else _numeric(plain)


def _numeric(text: str) -> str:
    """Return `host:port` in lower case, this machine by its number whichever of its names it was given."""
    return re.sub(r"^(?:localhost|\[?::1\]?|0\.0\.0\.0)(?=:\d+$|$)", "127.0.0.1", text.lower())
