"""What values an option of a driver may have: declared with its type, held against a station file before anything is opened."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias


@dataclass(frozen=True, slots=True)
class Between:
    """The least and the most that an option may be, both included unless `above` is set, which takes the least out."""

    least: float
    most: float = float("inf")
    above: bool = False

    def holds(self, value: float) -> bool:
        """Tell whether a value may stand there."""
        return value <= self.most and (value > self.least if self.above else value >= self.least)

    def __str__(self) -> str:
        """Return the range in words: `above 0`, `from 1 to 7`."""
        least = f"above {self.least:g}" if self.above else f"of {self.least:g} or more"
        if self.most == float("inf"):
            return least
        return f"{least} and at most {self.most:g}" if self.above else f"from {self.least:g} to {self.most:g}"


@dataclass(frozen=True, slots=True)
class Form:
    """What a text that stands as an option looks like: a pattern, what that is called, an example with `{}` for the text."""

    pattern: str
    name: str
    example: str


Visa: TypeAlias = Annotated[
    str, Form(r"(?!\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?$).*", "a VISA resource", '"TCPIP0::{}::5025::SOCKET"')
]
"""Where VISA finds an instrument, or an alias of it; a bare address says neither the port nor the protocol."""
Positive: TypeAlias = Annotated[float, Between(0.0, above=True)]
"""A time, a current or a speed that is none at 0."""
NotNegative: TypeAlias = Annotated[float, Between(0.0)]
Port: TypeAlias = Annotated[int, Between(0, 65535)]
"""A TCP port."""
Count: TypeAlias = Annotated[int, Between(1)]
Number: TypeAlias = Annotated[int, Between(0)]
