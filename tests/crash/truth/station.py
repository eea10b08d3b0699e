"""What rig T runs: one station with instruments of every kind, and the protocols on it."""

from collections.abc import Mapping
from pathlib import Path

PUPPETS = ("kei1", "kei2", "pra1", "pra2", "pra3")
ALONE = ("nw1", "nw2", "ps1")
INSIDE = ("sim1", "sim2", "sim3", "sim4")
CHANNELS = (*PUPPETS, *ALONE, *INSIDE)
SET = {**dict.fromkeys(PUPPETS, 0.5), **dict.fromkeys(("nw1", "nw2"), 0.5), "ps1": 0.01}  # A
SECONDS = 3.0  # of a charge or a discharge

CELL = """\
labctl_cell: 1
name: {name}
kind: full
nominal: {{capacity: 680 mAh}}
limits: {{voltage: [2.5 V, 4.3 V], current: [-5 A, 5 A]}}
model: marquis2019
"""
PROTOCOL = """\
labctl: 1
name: truth {current} A
record: {{every: 0.2 s}}
on_interruption: {{continue_within: 10 min, else: ask}}
steps:
  - rest: 0.3 s
  - repeat: 2
    cycle: true
    steps:
      - charge: {{current: {current} A, for: {seconds} s}}
      - rest: 0.2 s
      - discharge: {{current: {current} A, for: {seconds} s}}
  - rest: 0.2 s
"""


def write(folder: Path, places: Mapping[str, object], broker: int | None, postgres: str | None) -> Path:
    """Write the station file, a protocol for each current, and a cell; return the station file's path."""
    (folder / "steps").mkdir()
    (folder / "cell.yaml").write_text(CELL.format(name="T"))
    for channel in CHANNELS:
        current = SET.get(channel, 0.5)
        (folder / f"{channel}.yaml").write_text(PROTOCOL.format(current=current, seconds=SECONDS))
    instruments = [
        *(f'  kei{at}: {{driver: keithley2450, resource: "TCPIP0::127.0.0.1::{places[f"kei{at}"]}::SOCKET"}}'
          for at in (1, 2)),
        f"  pra: {{driver: practice, port: {places['pra']}}}",
        (
            f"  nw: {{driver: neware, host: 127.0.0.1, port: {places['nw']}, folder: {folder / 'steps'}, poll: 0.2, "
            "timeout: 2, channels: {c1: 27-1-1, c2: 27-1-2}}"
        ),
        f"  ps: {{driver: palmsens, port: {places['ps']}}}",
        "  sim: {driver: simulated}",
    ]  # fmt: skip
    parts = {
        **{f"kei{at}": (f"kei{at}", 1) for at in (1, 2)},
        **{f"pra{at}": ("pra", at) for at in (1, 2, 3)},
        **{f"nw{at}": ("nw", f"c{at}") for at in (1, 2)},
        "ps1": ("ps", 1),
        **{f"sim{at}": ("sim", at) for at in (1, 2, 3, 4)},
    }
    channels = [f"  {name}: {{cell: {{instrument: {which}, at: {at}}}}}" for name, (which, at) in parts.items()]
    mqtt = "mqtt: none" if broker is None else f"mqtt: {{broker: address, host: 127.0.0.1, port: {broker}}}"
    more = [] if postgres is None else [f"postgres: {postgres}"]
    text = ["labctl_station: 1", "name: truth", "instruments:", *instruments, "channels:", *channels, mqtt, *more, ""]
    path = folder / "station.yaml"
    path.write_text("\n".join(text))
    return path
