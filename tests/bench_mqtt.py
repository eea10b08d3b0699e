"""A journal, a writer and the MQTT reader of a node, for tests."""

import asyncio
import time
from contextlib import asynccontextmanager

import numpy as np

from labctl.engine.input import Event
from labctl.publish.broker import BrokerAddress
from labctl.publish.mqtt import MqttNode, MqttReader
from labctl.publish.publisher import MqttClient
from labctl.publish.topic import Topics
from labctl.sample import Batch
from labctl.store.entry import Entry, NewRun
from labctl.store.journal import Journal
from labctl.store.reader import Reader
from labctl.store.writer import Writer
from tests.services_mosquitto import WITHIN, free_port

BEGAN = 1_700_000_000.0
TOPICS = Topics("labctl/1/bench")
ATTEMPT = {"attempt_id": 1, "step_count": 1, "cycle_count": 0, "step_id": 2, "step_type": "charge", "begun_test_time_second": 0.0,
           "step_time_second": 0.0, "charging_capacity_ah": 0.0, "discharging_capacity_ah": 0.0}  # fmt: skip


class Bench:
    """A journal with a writer, and the MQTT reader of a node on it."""

    def __init__(self, folder, port, **address):
        self.journal = Journal.open(folder)
        self.writer = Writer(self.journal, asyncio.get_running_loop(), age=0.01)
        self.runs = {}
        self.records = {}
        self.states = {}
        self.address = BrokerAddress(port=port, **address)
        self.journal_reader = Reader(folder)
        self.reader = self.new_reader()
        self.writer.on_commit(lambda done: self.reader.committed(done))  # noqa: PLW0108 - the reader may be replaced

    def new_reader(self):
        node = MqttNode(
            TOPICS,
            lambda: {"version": "0", "mqtt_host": "secret"},
            lambda: list(self.states.values()),
            time.time,
            lambda commit: self.journal.set_cursor("mqtt", commit),
        )
        return MqttReader(
            MqttClient(self.address, "labctl-bench"),
            node,
            self.journal_reader,
            self.journal.cursor("mqtt"),
        )

    def look_elsewhere(self):
        """Let connections fail, so that a test can subscribe before the reader is back."""
        self.reader._publisher.address = BrokerAddress(port=free_port())

    def look_back(self):
        self.reader._publisher.address = self.address

    async def close(self):
        await self.writer.close()
        self.journal_reader.close()
        self.journal.close()

    def start(self, channel):
        run_id = self.journal.create_run(
            NewRun(plan=b"{}", plan_hash="0", began_unix_time=BEGAN, channel=channel, protocol="p", cell="c")
        )
        self.runs[channel] = run_id
        self.records[channel] = 0
        self.state(channel, "running")
        self.event(channel, "run_began")
        self.event(channel, "attempt", **ATTEMPT)
        return run_id

    def state(self, channel, activity, **more):
        self.states[channel] = {"channel": channel, "activity": activity, "why": "", "unblock": "", **more}

    def event(self, channel, kind, **data):
        self.writer.offer(
            Entry(
                self.runs[channel], events=(Event(kind, self.records[channel] - 1, float(self.records[channel]), data),)
            )
        )

    def rows(self, channel, count=1, value=3.5):
        first = self.records[channel]
        time_of = np.arange(first, first + count, dtype=float)
        column = np.full(count, value)
        self.writer.offer(Entry(self.runs[channel], Batch(time_of, column, column, column, column), first, 1))
        self.records[channel] += count


@asynccontextmanager
async def bench_on(folder, port, **address):
    bench = Bench(folder, port, **address)
    try:
        async with publishing(bench):
            yield bench
    finally:
        await bench.close()


@asynccontextmanager
async def publishing(bench):
    task = asyncio.create_task(bench.reader.run())
    try:
        yield
    finally:
        bench.reader.close()
        async with asyncio.timeout(WITHIN):
            await task


def uuid_of(bench, channel):
    with Reader(bench.journal.place.folder) as reader:
        return reader.run(bench.runs[channel]).uuid
