"""An observer of rig T: writes every message that a broker gives it to a file, a line of JSON each.

python -m tests.crash.truth.observer PORT FILE
"""

import asyncio
import json
import sys
from pathlib import Path

import aiomqtt


async def main(port: int, file: Path) -> None:
    with file.open("a", encoding="utf-8") as out:
        async with aiomqtt.Client("127.0.0.1", port, identifier="observer", clean_session=False) as client:
            await client.subscribe("labctl/#", qos=1)
            print("up", flush=True)
            async for message in client.messages:
                text = bytes(message.payload).decode(errors="replace")
                out.write(json.dumps([str(message.topic), bool(message.retain), text]) + "\n")
                out.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
