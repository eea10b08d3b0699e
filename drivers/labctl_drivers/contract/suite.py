"""The tests. Import them into a test module: `from labctl_drivers.contract.suite import *`."""

# ruff: noqa: F403 - the tests of five modules

from labctl_drivers.contract.faults import *
from labctl_drivers.contract.handling import bench  # noqa: F401 - the fixture that they ask for
from labctl_drivers.contract.modes import *
from labctl_drivers.contract.opening import *
from labctl_drivers.contract.reading import *
from labctl_drivers.contract.setting import *
