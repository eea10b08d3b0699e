"""The wall of a thousand channels is a small page: what the stream brings a moment later does not stand in it."""

import gzip
import random
import time
import uuid
from types import SimpleNamespace

from labctl.web.hub import StationView
from labctl.web.pages import Pages
from labctl.web.views import ORDERED

CHANNELS = 1000
LARGEST = 40_000  # bytes, compressed


def row(dice, number):
    return {
        "channel": f"A{number}", "activity": dice.choice(("running", "running", "paused", "idle")), "run": str(uuid.UUID(int=dice.getrandbits(128))),
        "protocol": dice.choice(("CC-CV cycling", "Rate test", "GITT")), "cell": f"B12-{number:04}", "why": "", "step_type": dice.choice(("charge", "rest")),
        "voltage_volt": dice.uniform(3, 4.2), "current_ampere": dice.uniform(-1e-3, 1e-3), "measured": time.time() - dice.random(),
        "progress": dice.random(), "cycle_count": dice.randint(1, 300),
    }  # fmt: skip


def test_a_wall_of_a_thousand_channels_is_small():
    dice = random.Random(1)
    text = Pages()._templates.get_template("wall.html").render(
        person=SimpleNamespace(name="ada", role="admin"), path="/", rows=[row(dice, number) for number in range(1, CHANNELS + 1)],
        counts={"running": CHANNELS}, station=StationView("bench"), state="", states=ORDERED, now=time.time(), kiosk=False,
    )  # fmt: skip
    assert text.count('class="tile"') == CHANNELS
    assert len(gzip.compress(text.encode(), 6)) <= LARGEST
