"""How soon a newcomer sees a sample: from the start of `labctl demo` to the first one an MQTT subscriber gets."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiomqtt

from benchmarks.figure import Promised, at_most
from labctl.control.client import DaemonClient
from labctl.errors import LabctlError
from labctl.publish.broker import BrokerAddress

WITHIN = 30.0  # s after which the search for the daemon is given up


def figures() -> Iterator[Promised]:
    """Measure the time to the first sample that MQTT shows."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        words = [sys.executable, "-m", "labctl", "demo", "--folder", f"{folder}/labctl-demo"]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as demo:
            try:
                first_sample(Path(folder) / "labctl-demo" / "data")
                found = time.perf_counter() - begin
            finally:
                demo.terminate()
    yield at_most("first sample visible to an MQTT subscriber after the start of labctl demo", 3, found, " s")


def first_sample(data: Path) -> None:
    """Wait for the daemon of a data folder, subscribe, and wait for a sample."""
    deadline = time.monotonic() + WITHIN
    while True:
        try:
            with DaemonClient(data) as client:
                info = client.info()
            break
        except LabctlError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)

    async def wait() -> None:
        address = BrokerAddress.from_info(info)
        async with asyncio.timeout(WITHIN), aiomqtt.Client(address.host, address.port) as client:
            await client.subscribe(f"{info['mqtt_prefix']}/ch/+/sample")
            async for _ in client.messages:
                return

    asyncio.run(wait())
