"""What a cycler was told, kept beside its step file: a program as JSON, for whoever takes its test up again."""

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
        driver.Galvanostatic, driver.Potentiostatic, driver.ConstantPower, driver.ConstantLoad,
    )
}  # fmt: skip
TAG = "$"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A test that was started: its barcode, its id on the cycler ("" before the cycler gave it one), and its program."""

    barcode: str
    program: Program
    test: str = ""

    def write(self, path: Path) -> None:
        """Write it whole or not at all.

        Raises:
            OSError: The folder cannot be written.
        """
        text = json.dumps({"barcode": self.barcode, "test": self.test, "program": tree(self.program)}, indent=1)
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
            found = json.loads(path.read_text(encoding="utf-8"))
            return cls(str(found["barcode"]), program_of(found["program"]), str(found["test"]))
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


def program_of(found: object) -> Program:
    """Return the program that plain JSON stands for; TypeError if it is something else."""
    program = value(found)
    if not isinstance(program, Program):
        raise TypeError(f"a {type(program).__name__}")
    return program


def value(found: object) -> object:
    """Return the part of a program that plain JSON stands for; a field that is not known raises TypeError."""
    if isinstance(found, list):
        return tuple(value(each) for each in found)
    if isinstance(found, dict):
        kind = KINDS[found.pop(TAG)]
        return kind(**{name: value(each) for name, each in found.items()})
    return found
