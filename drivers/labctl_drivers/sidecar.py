"""What an instrument that runs by itself was told: a program as JSON in a file, for whoever takes its test up again."""

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labctl import driver
from labctl.driver import Program
from labctl.errors import InstrumentError

KINDS: dict[str, Callable[..., object]] = {
    kind.__name__: kind
    for kind in (
        driver.Program, driver.ProgramStep, driver.Loop, driver.Threshold, driver.RecordRule, driver.Bounds, driver.Rest,
        driver.Galvanostatic, driver.Potentiostatic, driver.ConstantPower, driver.ConstantLoad, driver.Foreign,
        driver.Span, driver.Owner, driver.Sweep, driver.Spectrum,
    )
}  # fmt: skip
TAG = "$"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A test that was started, or is followed.

    Attributes:
        barcode: By which the cycler knows it.
        program: What it does.
        test: Its id on the cycler; "" before the cycler gave it one.
        first: Number of the record with which a test that somebody else started is read.
    """

    barcode: str
    program: Program
    test: str = ""
    first: int = 1

    def write(self, path: Path) -> None:
        """Write it whole or not at all.

        Raises:
            OSError: The folder cannot be written.
        """
        text = json.dumps(
            {"barcode": self.barcode, "test": self.test, "first": self.first, "program": tree(self.program)}, indent=1
        )
        draft = path.with_suffix(".part")
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)  # noqa: PTH105 - the one call that replaces on every system

    @classmethod
    def read(cls, path: Path) -> "Sidecar | None":
        """Return what stands beside a step file, None where nothing does.

        Raises:
            InstrumentError: It is there and cannot be read; the test is not touched.
        """
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            return cls(str(kept["barcode"]), program_of(kept["program"]), str(kept["test"]), int(kept.get("first", 1)))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InstrumentError(f"{path}: wanted the program of a running test, found {error}") from error


def tree(part: object) -> object:
    """Return plain JSON for a part of a program."""
    if isinstance(part, tuple):
        return [tree(each) for each in part]
    if dataclasses.is_dataclass(part):
        named = {field.name: tree(getattr(part, field.name)) for field in dataclasses.fields(part)}
        return {TAG: type(part).__name__, **named}
    return part


def program_of(tree: object) -> Program:
    """Return the program that plain JSON stands for; TypeError if it is something else."""
    program = value(tree)
    if not isinstance(program, Program):
        raise TypeError(f"a {type(program).__name__}")
    return program


def value(tree: object) -> object:
    """Return the part of a program that plain JSON stands for; a field that is not known raises TypeError."""
    if isinstance(tree, list):
        return tuple(value(each) for each in tree)
    if isinstance(tree, dict):
        kind = KINDS[tree.pop(TAG)]
        return kind(**{name: value(each) for name, each in tree.items()})
    return tree
