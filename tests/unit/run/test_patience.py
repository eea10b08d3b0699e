"""How long an instrument is waited for grows with how much of it is asked at once, where it keeps itself safe meanwhile."""

from labctl.run.connection.polled_executor import EACH, VERB_WITHIN
from labctl_drivers.neware import Neware
from tests.unit.run.one_channel import one_channel


async def test_a_cycler_that_is_asked_for_many_channels_may_take_longer(tmp_path):
    async with one_channel(tmp_path) as rig:
        executor = rig.line.executor
        assert (
            executor.patience() == executor.patience(8) == VERB_WITHIN
        )  # what it energises must not go unread for longer
        executor.autonomous = Neware(host="127.0.0.1", channels={"1": "1-1-1"}, folder=str(tmp_path), timeout=30.0)
        assert executor.patience() == VERB_WITHIN + 60.0
        assert executor.patience(1000) == VERB_WITHIN + 60.0 + 999 * EACH
