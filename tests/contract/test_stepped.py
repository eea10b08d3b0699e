"""The half of the contract suite for cells to which time is given, over every driver of ours that has them."""

from labctl_drivers.contract.handling import stepped_bench  # noqa: F401 - the fixture that they ask for
from labctl_drivers.contract.stepping import *  # noqa: F403
