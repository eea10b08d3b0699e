"""The words in which a person is told what lets a run go on: the engine says which order, not how it is given."""

from collections.abc import Mapping
from types import MappingProxyType

from labctl.engine.state_parts import Unblock

COMMANDS: Mapping[Unblock, str] = MappingProxyType(
    {Unblock.NOTHING: "", Unblock.RESUME: "labctl resume {channel}", Unblock.CONFIRM: "labctl confirm {channel}"}
)


def command_for(unblock: Unblock, channel: str) -> str:
    """Return the command that lets the run of a channel go on, "" where no order does."""
    return COMMANDS[unblock].format(channel=channel)
