"""The pictures of the documentation are what `labctl demo --web` shows, in a real Chromium.

    .venv/bin/python -m pytest tests/system/test_web_pictures.py --write-pictures

writes them anew. Without the option the same pages are opened, and everything that the pictures show must be there.
"""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from labctl.cli.demo import SCENES, channel
from tests.browser import WITHIN, said

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
PICTURES = {"wall": (1440, 600), "channel": (1440, 900), "phone": (360, 780)}
SPARKS = "return [...document.querySelectorAll('.spark polyline')].filter((each) => each.getAttribute('points').includes(' ')).length"

pytestmark = pytest.mark.timeout(600)  # a demo and a browser on a machine that is busy with something else


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address that `labctl demo --web` prints, the demo running."""
    folder = tmp_path_factory.mktemp("demo")
    words = [sys.executable, "-m", "labctl", "demo", "--web", "--folder", str(folder / "shown")]
    with (folder / "demo.log").open("wb") as log:
        demo = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        yield said(demo, folder / "demo.log", r"in a browser, live: (http://\S+)", 3 * WITHIN)[1]
    finally:
        demo.send_signal(signal.SIGINT)
        try:
            assert demo.wait(WITHIN) == 0, "Ctrl-C is how a demo ends"
        finally:
            demo.kill()
            demo.wait()


@pytest.fixture(scope="module")
def browser(address, new_browser):
    new_browser.driver.get(address)
    new_browser.until(lambda: new_browser.all(".tile"), "the printed address lets in")
    return new_browser


@pytest.fixture
def drawn(browser, request):
    """Take a picture, or only look whether it could be taken."""

    def take(name):
        if not request.config.getoption("--write-pictures"):
            return
        browser.picture(IMAGES / f"{name}.png")
        made = PngInfo()
        made.add_text("made by", Path(__file__).relative_to(ROOT).as_posix())
        with Image.open(IMAGES / f"{name}.png") as picture:
            picture.convert("RGB").save(IMAGES / f"{name}.png", pnginfo=made, optimize=True)

    return take


def test_the_wall_of_the_demo_is_live(address, browser, drawn, request):
    browser.look(*PICTURES["wall"])
    browser.until(lambda: browser.text("#pulse span") == "live", "it is live")
    names = [each.get_attribute("data-channel") for each in browser.all(".tile")]
    assert sorted(names) == [channel(number) for number in range(1, len(SCENES) + 1)]
    browser.until(lambda: browser.driver.execute_script(SPARKS) == len(SCENES), "every channel has its curve")
    assert browser.text('[data-channel="c7"] [data-k="protocol"]') == "CC-CV cycling"
    before = browser.text('[data-channel="c7"] [data-k="voltage_volt"]')
    browser.until(lambda: browser.text('[data-channel="c7"] [data-k="voltage_volt"]') != before, "its numbers move")
    if request.config.getoption("--write-pictures"):
        browser.until(
            lambda: "cycle 2" in browser.text('[data-channel="c1"] [data-k="step"]'), "there is something to see"
        )
    drawn("wall")


@pytest.mark.parametrize("name", ["channel", "phone"])
def test_a_channel_of_the_demo_is_live(address, browser, drawn, name):
    browser.look(*PICTURES[name], dark=name == "phone")
    browser.driver.get(re.sub(r"/enter#.*", "/c/c7", address))
    browser.until(lambda: browser.all("#chart-voltage canvas") and browser.all("#step .then li"), "its curve and steps")
    browser.until(lambda: browser.text("#sofar"), "how long the step goes on")
    assert browser.all('[data-order="stop"]:not([aria-disabled])')
    drawn(name)
    browser.look(1440, 900)


def test_the_first_picture_of_the_readme_is_one_of_them():
    first = re.search(r"!\[(.+?)\]\((.+?)\)", (ROOT / "README.md").read_text())
    assert first
    assert first[2] == "docs/images/wall.png"
    assert {each.stem for each in IMAGES.glob("*.png")} == set(PICTURES)
    for name, size in PICTURES.items():
        with Image.open(IMAGES / f"{name}.png") as picture:
            assert picture.size == size
            assert picture.info["made by"] == "tests/system/test_web_pictures.py"
