"""A chamber that several channels share keeps one temperature: who asks for another is refused, with the names of who holds it."""

import pytest

from labctl.driver import Program
from labctl.errors import PartHeld
from labctl.run.ability import station_findings
from labctl.station.load import load_station
from labctl_drivers.chamber.climate import ClimateChamber
from labctl_simulators.wire.espec import EmulatedEspec
from tests.system.rack import activity, rack, start, until
from tests.system.test_instruments import CELL

HOT = """\
labctl: 1
name: hot
params: {to: 40 degC, soak: 1 min}
steps:
  - temperature: {to: $to, within: 0.5 K, soak: $soak, for: 24 h}
  - rest: 200 h
"""
PLAIN = "labctl: 1\nname: plain\nsteps:\n  - rest: 200 h\n"
STATION = """\
labctl_station: 1
instruments:
  sim: {driver: simulated}
  cells: {driver: practice, port: 2}
  oven: {driver: espec, port: "socket://127.0.0.1:1"}
channels:
  x: {cell: {instrument: CELL, at: 1}, chamber: {instrument: CHAMBER}}
"""
SPEED = 1000.0


@pytest.fixture
def files(tmp_path):
    for name, text in (("cell", CELL), ("hot", HOT), ("plain", PLAIN)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


async def shared(made, channels):
    """Put source meters into a rack whose cells lie in one chamber, each naming it in its own way."""
    chamber = EmulatedEspec()
    line = await made.serve(chamber)
    made.instruments.append(f'  oven: {{driver: espec, port: "socket://127.0.0.1:{line.port}"}}')
    for name, at in zip(channels, ("", ", at: 1", ", at: 2"), strict=False):
        await made.keithley2450(name)
        made.channels[-1] = f"  {name}: {{cell: {{instrument: {name}, at: 1}}, chamber: {{instrument: oven{at}}}}}"
    return chamber


def rests(parts, channel):
    return next(row for row in parts.supervisor.status() if row["channel"] == channel).get("step_type") == "rest"


async def at(parts, files, channel, celsius, **more):
    return await start(parts, files, channel, "hot.yaml", values={"to": f"{celsius} degC"}, **more)


async def test_a_second_temperature_is_refused_until_those_who_hold_the_first_have_ended(files):
    async with rack(files, SPEED) as made:
        chamber = await shared(made, ("a", "b", "c"))
        async with made.daemon() as parts:
            await at(parts, files, "a", 40)
            with pytest.raises(
                PartHeld, match=r"oven at 25 degC, found it held by run 1 \(hot\) on channel a at 40 degC"
            ):
                await at(parts, files, "b", 25)
            with pytest.raises(PartHeld, match="held by run 1"):
                await at(parts, files, "b", 25, check=True)
            await at(parts, files, "b", 40)
            told = await start(parts, files, "c", "plain.yaml")
            assert sum("asks for no temperature" in warning for warning in told.warnings) == 2
        async with made.daemon() as parts:  # as it was before, whatever ended the daemon
            await parts.supervisor.order("stop", "c")
            await until(lambda: activity(parts, "c") == "done", parts)
            with pytest.raises(
                PartHeld, match=r"run 1 .* on channel a at 40 degC and run 2 .* on channel b at 40 degC"
            ):
                await at(parts, files, "c", 25)
            for name in ("a", "b"):
                await parts.supervisor.order("stop", name)
            await until(lambda: {activity(parts, name) for name in "ab"} == {"done"}, parts)
            await at(parts, files, "c", 25)
            await until(lambda: chamber.set_point == 25.0, parts)


async def test_no_run_changes_the_temperature_of_one_that_asks_for_none(files):
    async with rack(files, SPEED) as made:
        await shared(made, ("a", "b"))
        async with made.daemon() as parts:
            await start(parts, files, "a", "plain.yaml")
            with pytest.raises(PartHeld, match=r"run 1 \(plain\) on channel a which asks for no temperature"):
                await at(parts, files, "b", 40)


async def test_a_run_whose_turn_has_come_waits_until_its_chamber_is_free(files):
    async with rack(files, SPEED) as made:
        chamber = await shared(made, ("a", "b"))
        async with made.daemon() as parts:
            await at(parts, files, "a", 40)
            told = await at(parts, files, "b", 25, next=True)
            assert any("held by run 1" in warning for warning in told.warnings)
            await until(
                lambda: "it cannot begin: channel b: wanted chamber oven" in parts.supervisor.status()[1]["next"], parts
            )
            assert chamber.set_point == 40.0
            await parts.supervisor.order("stop", "a")
            await until(lambda: chamber.set_point == 25.0 and activity(parts, "b") == "running", parts)


async def test_two_runs_at_one_temperature_both_hear_the_end_of_their_soak(files):
    async with rack(files, SPEED) as made:
        await shared(made, ("a", "b"))
        async with made.daemon() as parts:
            await at(parts, files, "a", 40)
            await at(parts, files, "b", 40)
            await until(lambda: rests(parts, "a") and rests(parts, "b"), parts)


async def test_a_run_that_was_stopped_in_its_soak_takes_no_other_run_s_end(files, monkeypatch):
    given: list[Program] = []
    apply = ClimateChamber.apply

    async def noted(self, channel, program):
        given.append(program)
        return await apply(self, channel, program)

    monkeypatch.setattr(ClimateChamber, "apply", noted)
    async with rack(files, SPEED) as made:
        await shared(made, ("a", "b"))
        async with made.daemon() as parts:
            await at(parts, files, "a", 40)
            await until(lambda: given, parts)
            await parts.supervisor.order("stop", "a")
            await until(lambda: activity(parts, "a") == "done", parts)
            await at(parts, files, "b", 30)
            await until(lambda: rests(parts, "b"), parts)
            assert len(given) == 2


@pytest.mark.parametrize(
    ("cell", "chamber", "words"),
    [
        ("cells", "cells", "found cells, whose driver drives none"),
        ("sim", "oven", "found cell: sim and chamber: oven"),
        ("cells", "sim", "found cell: cells and chamber: sim"),
        ("cells", "oven", ""),
        ("sim", "sim", ""),
    ],
)
def test_a_chamber_that_would_not_be_driven_is_refused_in_the_station_file(cell, chamber, words):
    text = STATION.replace("CELL", cell).replace("CHAMBER", chamber)
    found = [finding.message for finding in station_findings(load_station(text, "station.yaml"))]
    assert [words in message for message in found] == ([True] if words else [])
