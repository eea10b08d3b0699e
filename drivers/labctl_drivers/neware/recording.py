"""A BTS client whose channels are read to their last records: what is new on all of them in one poll, and what has ended."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

from labctl.driver import Changed, Fault, Readings
from labctl.sample import ChannelRows
from labctl_drivers.neware.client import Client
from labctl_drivers.neware.records import Draining, Following, ended, follow_records, take_records
from labctl_drivers.neware.replies import MOST, Records, parsed, records_at_once, records_in, whole
from labctl_drivers.neware.steady import take_steadily

BLOCKS = 20  # downloads of one channel in one read; what is left comes with the next
INCOMPLETE = 30  # looks at a test that has ended before its missing records are given up
ENDED = frozenset({"finish", "stop", "protect"})
Reader: TypeAlias = Draining | Following


class RecordingClient(Client):
    """The records of the tests that run, or have run, on the channels of a BTS client."""

    @cached_property
    def _readers(self) -> dict[str, Reader]:
        """Return what reads each channel that has a test; at first nothing does."""
        return {}

    async def drained(self, channel: str) -> bool:
        """Tell whether every record of the test that was read last has been given."""
        reader = self._readers.get(channel)
        return reader is None or (reader.done and not reader.found)

    async def read(self, channels: Sequence[str]) -> Readings:
        """Return the records that are new on these channels, with the ends of steps between them.

        What was read stays until all of it can be given: a line that fails half-way costs no record.
        """
        mine = [channel for channel in channels if channel in self._readers]
        running = [channel for channel in mine if not self._readers[channel].done]
        states = dict(zip(running, await self._states(running), strict=True))
        steady = await self._drain(states)
        given = {channel: tuple(reader.found) for channel in mine if (reader := self._readers[channel]).found}
        for channel in given:
            self._readers[channel].found.clear()
        return Readings(by_channel=given, recorded=steady)

    async def _drain(self, states: Mapping[str, str]) -> ChannelRows | None:
        """Read what is new on channels that are in some states, and what has ended; return the rows of those that go on in a step.

        Everything else is found with the reader of a channel; so are all rows where the line fails half-way.
        """
        waiting, blocks = list(states), dict.fromkeys(states, BLOCKS)
        steady: list[ChannelRows] = []
        silent: list[str] = []
        try:
            while waiting:
                readers = [self._readers[channel] for channel in waiting]
                replies = await self.downloads(
                    [(channel, reader.test, reader.last + 1) for channel, reader in zip(waiting, readers, strict=True)]
                )
                asked, waiting = waiting[: len(replies)], waiting[len(replies) :]
                counts = await self._take(asked, replies, steady)
                for channel, count in zip(asked, counts, strict=True):
                    blocks[channel] -= 1
                    if count == MOST and blocks[channel]:
                        waiting.append(channel)
                    elif count < MOST and states[channel] in ENDED:
                        await self._close_test(channel, self._readers[channel], states[channel])
                    elif not count:
                        silent.append(channel)
            await self._see_tests(silent)
        except BaseException:
            for rows in steady:
                for place, channel in enumerate(rows.channels):
                    self._readers[channel].found.insert(0, rows.of(place))
            raise
        return ChannelRows.joined(steady) if steady else None

    async def _take(
        self, channels: Sequence[str], replies: Sequence[bytes], steady: list[ChannelRows]
    ) -> Sequence[int]:
        """Take the records of channels, those that go on in a step together; return how many each has."""
        readers = [self._readers[channel] for channel in channels]
        together = records_at_once(replies)
        if together is None:
            blocks = [await self._read(record_reply, reply) for reply in replies]
            for block, reader in zip(blocks, readers, strict=True):
                take_block(block, reader)
            return [len(block) for block in blocks]
        rows, others = take_steadily(together, channels, readers)
        steady += [] if rows is None else [rows]
        for place in others:
            take_block(together.of(place), readers[place])
        return together.counts

    async def _see_tests(self, silent: Sequence[str]) -> None:
        """See that channels that have recorded nothing still run the tests that are read."""
        for channel, (test, _) in zip(silent, await self.tests(silent) if silent else (), strict=True):
            reader = self._readers[channel]
            if test != reader.test:
                reader.done = True
                reader.found.append(Fault("somebody started another test on the channel", safe=True))

    async def _close_test(self, channel: str, reader: Reader, state: str) -> None:
        """Take what ends a test, once its records are complete."""
        answer = await self._ask("inquiredf", self._list("chl", channel, "true", testid=reader.test))
        row = answer.find(".//chl")
        if row is None or whole(row, "count") > reader.last or (row.text or "").strip() != "true":
            reader.waits += 1
            if reader.waits <= INCOMPLETE:
                return
            reader.found.append(Fault(f"the test has ended ({state}), and its last records did not come", safe=True))
            reader.done = True
            return
        reader.done = True
        why = {"finish": "it came to its end", "protect": "a limit tripped"}.get(state, "somebody stopped it")
        if isinstance(reader, Following):
            reader.end(f"the channel says {state}: {why}")
            return
        reader.flush()
        if state == "finish":
            reader.take(ended(reader))
        elif not reader.stopped:
            words = f"the channel says {state}: {why}"
            reader.take(Fault(words, safe=True) if state == "protect" else Changed(words))


def record_reply(reply: bytes) -> Records:
    """Return the records of one framed reply.

    Raises:
        WireError: It is not one, or a number in it is none.
    """
    return records_in(parsed(reply, ("donwload_resp", "download_resp")))


def take_block(block: Records, reader: Reader) -> None:
    """Take the records of one reply.

    Raises:
        WireError: They are not the next ones.
    """
    if len(block) and isinstance(reader, Draining):
        take_records(block, reader)
    elif len(block) and isinstance(reader, Following):
        follow_records(block, reader)
