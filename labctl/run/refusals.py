"""Why a channel would refuse an order now, for faces that show a button disabled with its reason."""

from collections.abc import Mapping

from labctl.errors import OrderRefused
from labctl.run.channel import Channel
from labctl.run.orders import refuse_unless
from labctl.run.request import ORDER_VERBS


def refusals_of(channel: Channel, *, starting: bool) -> Mapping[str, str]:
    """Return for each order to a run why a channel would refuse it now, "" where it would obey."""
    if channel.begun is None:
        none = f"channel {channel.name} is {channel.activity}: there is no run"
        free = {"stop"} if starting or channel.stranded is not None else set[str]()
        free |= {"resume"} if channel.queue_held else set()
        return {verb: "" if verb in free else f"{none} to {verb}" for verb in ORDER_VERBS}
    return {verb: _refusal(channel, verb) for verb in ORDER_VERBS}


def _refusal(channel: Channel, verb: str) -> str:
    assert channel.begun is not None
    try:
        refuse_unless(channel, channel.begun, "", verb)
    except OrderRefused as error:
        return str(error)
    return ""
