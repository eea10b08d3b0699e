"""The contract suite over every driver of ours."""

import json
from importlib.metadata import entry_points
from pathlib import Path

from labctl_drivers.contract import quality
from labctl_drivers.contract.suite import *  # noqa: F403


def test_every_driver_that_is_installed_has_a_bench(driver_benches):
    installed = {entry.name for entry in entry_points(group="labctl.drivers")}
    assert installed <= driver_benches


def test_what_is_recorded_of_the_drivers_was_found_of_these_very_drivers():
    """Record it again with `make quality`."""
    record = Path(quality.__file__).parent.parent / "quality.json"
    found = json.loads(record.read_text(encoding="utf-8"))
    tiers = {
        entry.name: quality.tier(entry.load(), found.get(entry.name)) for entry in entry_points(group="labctl.drivers")
    }
    assert {name: tier for name, (tier, _) in tiers.items() if tier != "bronze"} == {}


def test_what_proves_a_mode_is_told_for_every_mode():
    record = Path(quality.__file__).parent.parent / "quality.json"
    found = json.loads(record.read_text(encoding="utf-8"))
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    for entry in entry_points(group="labctl.drivers"):
        proofs = quality.proofs(entry.name, entry.load(), found[entry.name])
        assert proofs["emulator"], entry.name
        assert proofs["hardware"] == ()
        for client in " and ".join(proofs["others"]).split(" and "):
            assert f'"{client}==' in project or not client
