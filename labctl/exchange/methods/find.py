"""The formats of protocols by name, and which one a file is of."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from labctl.errors import UsageError
from labctl.exchange.methods import battinfo, eclab, maccor, neware, pybamm, unicycler
from labctl.exchange.methods.eclab_columns import ENCODING
from labctl.exchange.methods.from_plan import method_of
from labctl.exchange.methods.loss import LossList, MethodLoss
from labctl.exchange.methods.outline import Method, MethodItem, MethodLoop
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
    "battinfo": MethodFormat("BattINFO workflow", ".jsonld", battinfo.write, battinfo.read),
    "eclab": MethodFormat("EC-Lab settings", ".mps", eclab.write, eclab.read, ENCODING),
    "maccor": MethodFormat("Maccor procedure", ".000", maccor.write, maccor.read),
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
    elif maccor.is_procedure(text):
        chosen = METHODS["maccor"]
    elif battinfo.is_linked(text):
        chosen = METHODS["battinfo"]
    elif neware.is_step_file(text):
        chosen = METHODS["neware"]
    else:
        chosen = METHODS["unicycler" if text.lstrip().startswith("{") else "pybamm"]
    method, lost = chosen.read(text, name)
    losses = LossList(chosen.title)
    method = replace(method, items=_on_its_side(method.items, losses))
    lost = (*lost, *losses.all)
    return protocol_text(method, f"{name} ({chosen.title})", lost), lost


def _on_its_side(items: tuple[MethodItem, ...], losses: LossList) -> tuple[MethodItem, ...]:
    """Return items without ends at a voltage from which the step goes away: no protocol of ours has them."""
    kept: list[MethodItem] = []
    for item in items:
        if isinstance(item, MethodLoop):
            kept.append(replace(item, items=_on_its_side(item.items, losses)))
            continue
        rises = item.value > 0 and item.kind != "load"
        driven = item.kind in {"current", "power", "load"}
        odd = [end for end in item.ends if driven and end.quantity == "voltage" and end.above != rises]
        for end in odd:
            losses.add("wrong side", item.where, f"voltage {'>' if end.above else '<'} {end.value:g} V")
        kept.append(replace(item, ends=tuple(end for end in item.ends if end not in odd)))
    return tuple(kept)
