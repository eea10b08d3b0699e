"""The sentence of `labctl why`: what a channel waits for, and the command that lets it go on."""

from labctl.run.alarms import Alarms
from labctl.run.channel import Channel


def why_of(channel: Channel, alarms: Alarms) -> tuple[str, str]:
    """Return what a channel waits for, what runs next, and what is wrong with the station; and the command that unblocks it.

    The command is "" where there is none.
    """
    why, unblock = _of_run(channel)
    return "; ".join(words for words in (why, channel.next_words, alarms.texts()) if words), unblock


def _of_run(channel: Channel) -> tuple[str, str]:
    """Return the sentence and the command for the run on a channel alone."""
    look = channel.look()
    if channel.why_unknown:
        return f"channel {channel.name} is unknown: {channel.why_unknown}", str(look["unblock"] or "")
    if channel.session is None:
        ended = f", the last run ended: {channel.last}" if channel.last else ""
        return f"channel {channel.name} is {channel.activity}{ended}", channel.next_command()
    doing = f"step {look['step_id']} ({look['step_type']})" if look.get("step_id") else "its first step"
    why = f": {look['why']}" if look["why"] else f": {doing} runs to its end"
    return f"channel {channel.name} is {channel.activity}{why}", str(look["unblock"] or "")
