"""Watches a node from outside, as any subscriber may: the live side of `labctl watch` and of the demonstration."""

import asyncio
import os
from collections.abc import Callable
from typing import Any, Protocol

from labctl.errors import BrokerError
from labctl.publish.broker import BrokerAddress
from labctl.publish.publisher import MqttClient

AGAIN_AFTER = 1.0  # s between two attempts to connect


class Watched(Protocol):
    """What is filled from messages."""

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to."""

    def take(self, topic: str, payload: bytes) -> dict[str, Any] | None:
        """Take one message; return its fields if it is one to show."""


async def subscribe(
    watched: Watched,
    address: BrokerAddress,
    show: Callable[[dict[str, Any]], None],
    trouble: Callable[[str], None] = lambda _why: None,
) -> None:
    """Fill `watched` from a broker until cancelled; a broker that is away is waited for and `trouble` says so."""
    client = MqttClient(address, f"labctl-watch-{os.getpid()}")
    while True:
        try:
            async with client.session(None, watched.filters):
                trouble("")
                while True:
                    message = await client.received()
                    fields = watched.take(message.topic, message.payload)
                    if fields is not None:
                        show(fields)
        except BrokerError as error:
            trouble(str(error))
        await asyncio.sleep(AGAIN_AFTER)
