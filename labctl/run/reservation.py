"""Shared parts: a chamber keeps one temperature and a stage serves one run, however many channels name them.

What a run asks of them follows from its plan, so that a run holds them from the moment at which it is about to begin until it has
ended, paused and after a crash as well, and nothing has to be stored.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from labctl.errors import PartHeld
from labctl.plan.index import walk
from labctl.plan.step import Plan
from labctl.run.channel import Channel
from labctl.run.stand_in import temperatures
from labctl.sample import ZERO_CELSIUS
from labctl.station.settings import Part

ALIKE = 1e-3  # K: temperatures are rounded to it before they are compared


@dataclass(frozen=True, slots=True)
class Claim:
    """What a run asks of the parts that it may share: temperatures in degC, and whether it bends."""

    celsius: frozenset[float] = frozenset()
    bends: bool = False


def claim_of(plan: Plan) -> Claim:
    """Return what a plan asks of a chamber and of a stage."""
    celsius = frozenset(round((kelvin - ZERO_CELSIUS) / ALIKE) * ALIKE for kelvin in temperatures(plan))
    return Claim(celsius, any(_bends(line.mode, line.options.get("confirm")) for _, line in walk(plan.root)))


@contextmanager
def reserved(channels: Mapping[str, Channel], channel: Channel, plan: Plan) -> Iterator[tuple[str, ...]]:
    """Hold the shared parts of a channel for a plan while a run is about to begin with it, and give what is to be told.

    Raises:
        PartHeld: Others hold one of them otherwise; the message names them.
    """
    if why := "; ".join(conflicts(channels, channel, plan)):
        raise PartHeld(f"channel {channel.name}: {why}", retry=True)
    before, channel.claimed = channel.claimed, plan
    try:
        yield tuple(notes(channels, channel, plan))
    finally:
        channel.claimed = before


def conflicts(channels: Mapping[str, Channel], channel: Channel, plan: Plan) -> Iterator[str]:
    """Give, for each shared part that others hold otherwise than a plan asks for, what was wanted and who holds it."""
    claim = claim_of(plan)
    held = Claim() if channel.session is None else claim_of(channel.session.plan)
    chamber = channel.parts.get("chamber")
    if not claim.celsius <= held.celsius and chamber is not None:
        holders = [
            _holder(other)
            for other in _beside(channels, channel, "chamber")
            if len(claim.celsius | (asked := _asked(other)).celsius) > 1 or not asked.celsius
        ]
        if holders:
            yield f"wanted chamber {chamber.instrument} at {_list(claim.celsius)}, found it held by {' and '.join(holders)}"
    stage = channel.parts.get("stage")
    if claim.bends and not held.bends and stage is not None and (others := list(_beside(channels, channel, "stage"))):
        holders = [_named(other) for other in others]
        yield f"wanted stage {stage.instrument} to bend, found it held by {' and '.join(holders)}"


def notes(channels: Mapping[str, Channel], channel: Channel, plan: Plan) -> Iterator[str]:
    """Give what a run that asks for no temperature is told of those that lead its chamber to one."""
    chamber = channel.parts.get("chamber")
    if chamber is None or claim_of(plan).celsius:
        return
    for other in _beside(channels, channel, "chamber"):
        if _asked(other).celsius:
            yield f"this run asks for no temperature; chamber {chamber.instrument} is held by {_holder(other)}"


def _bends(mode: str, confirm: object) -> bool:
    return mode == "Bend" and confirm is not True


def _beside(channels: Mapping[str, Channel], channel: Channel, role: str) -> Iterator[Channel]:
    """Give the other channels with a run whose part of a role is the same thing."""
    if (mine := _thing(channel, role)) is None:
        return
    for other in channels.values():
        part = other.parts.get(role)
        if part is None or part.instrument != mine.instrument or mine.at not in {"", part.at}:
            continue  # nearly all of thousands
        if other is not channel and _thing(other, role) == mine and _is_held(other):
            yield other


def _thing(channel: Channel, role: str) -> Part | None:
    """Return what a part is: an instrument without a cell is one thing, whatever `at` says; one with cells has its own at each."""
    part = channel.parts.get(role)
    if part is None or part.instrument == channel.parts["cell"].instrument:
        return part
    return Part(part.instrument)


def _is_held(channel: Channel) -> bool:
    return channel.session is not None or channel.claimed is not None or channel.stranded is not None


def _asked(channel: Channel) -> Claim:
    """Return what a channel's run asks for, the one on it and the one that is about to take its place together."""
    plans = (channel.claimed, None if channel.session is None else channel.session.plan)
    claims = [claim_of(plan) for plan in plans if plan is not None]
    return Claim(
        frozenset().union(*(claim.celsius for claim in claims)),
        any(claim.bends for claim in claims),
    )


def _holder(channel: Channel) -> str:
    celsius = _asked(channel).celsius
    return f"{_named(channel)} {f'at {_list(celsius)}' if celsius else 'which asks for no temperature'}"


def _named(channel: Channel) -> str:
    if channel.session is not None and channel.info is not None:
        return f"run {channel.info.run_id} ({channel.info.protocol}) on channel {channel.name}"
    if channel.stranded is not None:
        return f"run {channel.stranded} on channel {channel.name}, which cannot be taken up,"
    return f"a run that is about to begin on channel {channel.name}"


def _list(celsius: frozenset[float]) -> str:
    return ", ".join(f"{each:g}" for each in sorted(celsius)) + " degC"
