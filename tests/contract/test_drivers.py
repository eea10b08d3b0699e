"""The contract suite over every driver of ours."""

from importlib.metadata import entry_points

from labctl_drivers.contract.suite import *  # noqa: F403


def test_every_driver_that_is_installed_has_a_bench(driver_benches):
    installed = {entry.name for entry in entry_points(group="labctl.drivers")}
    assert installed <= driver_benches
