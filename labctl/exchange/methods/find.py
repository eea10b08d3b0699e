"""The formats of protocols by name, and which one a file is of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from labctl.errors import UsageError
from labctl.exchange.methods import eclab, neware, pybamm, unicycler
from labctl.exchange.methods.eclab_columns import ENCODING
from labctl.exchange.methods.from_plan import method_of
from labctl.exchange.methods.loss import MethodLoss
from labctl.exchange.methods.outline import Method
from labctl.exchange.methods.to_yaml import protocol_text
from labctl.inputs import near
from labctl.plan.step import Plan


@dataclass(frozen=True, slots=True)
class MethodFormat:
    """A format: for people, the ending of its files, and how it is written and read."""

    title: str
    suffix: str
    write: Callable[[Method], tuple[str, tuple[MethodLoss, ...]]]
    read: Callable[[str, str], tuple[Method, tuple[MethodLoss, ...]]]
    encoding: str = "utf-8"


METHODS: Final = {
    "pybamm": MethodFormat("PyBaMM experiment", ".py", pybamm.write, pybamm.read),
    "eclab": MethodFormat("EC-Lab settings", ".mps", eclab.write, eclab.read, ENCODING),
    "neware": MethodFormat("Neware step file", ".xml", neware.write, neware.read),
    "unicycler": MethodFormat("aurora-unicycler protocol", ".json", unicycler.write, unicycler.read),
}


def written(plan: Plan, to: str) -> tuple[str, tuple[MethodLoss, ...]]:
    """Return a plan in a format, and what that cannot say.

    Raises:
        UsageError: There is no such format, or nothing of the plan can be said in it.
    """
    chosen = METHODS.get(to)
    if chosen is None:
        raise UsageError(f"--to: wanted one of {', '.join(METHODS)}, found {to!r}{near(to, list(METHODS))}")
    method, lost = method_of(plan, to)
    text, more = chosen.write(method)
    return text, tuple(dict.fromkeys((*lost, *more)))


def decoded(raw: bytes) -> str:
    """Return the text of a file of another program: UTF-8, or what Windows programs write."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode(ENCODING, "replace")


def read(text: str, name: str) -> tuple[str, tuple[MethodLoss, ...]]:
    """Return the protocol file that a file of another program stands for, and what of it is left out.

    Raises:
        VendorFileError: It is of no format that is known, or damaged.
    """
    if eclab.is_settings(text):
        chosen = METHODS["eclab"]
    elif neware.is_step_file(text):
        chosen = METHODS["neware"]
    else:
        chosen = METHODS["unicycler" if text.lstrip().startswith("{") else "pybamm"]
    method, lost = chosen.read(text, name)
    return protocol_text(method, f"{name} ({chosen.title})", lost), lost
