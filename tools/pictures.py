"""Take the pictures of the documents from the pages themselves: `python tools/pictures.py [ADDRESS]`.

ADDRESS is what `labctl web` or `labctl demo --web` prints; without one a demo is started, and ended with the pictures.
"""

import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser import Browser  # noqa: E402 - the path is needed first

IMAGES = ROOT / "docs" / "images"
PICTURES = (("wall", "/", 1280, 720, False), ("channel", "/c/c1", 1280, 900, False), ("phone", "/c/c1", 390, 844, True))
DRAWN = {"wall": ".spark polyline[points*=',']", "channel": "#chart-charge canvas", "phone": "#chart-voltage canvas"}


def main() -> None:
    """Take all pictures."""
    if len(sys.argv) > 1:
        take(sys.argv[1])
        return
    from labctl.cli.demo import DemoStage, prepared  # noqa: PLC0415 - only where one is started

    with tempfile.TemporaryDirectory() as folder:
        stage = DemoStage(prepared(pathlib.Path(folder) / "demo", "300"))
        stage.launch()
        stage.wait()
        stage.open_pages()
        stage.open()
        try:
            take(stage.address())
        finally:
            stage.end()


def take(address: str) -> None:
    """Open the pages of an address and write the pictures."""
    IMAGES.mkdir(exist_ok=True)
    base = address.partition("/enter#")[0]
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(pathlib.Path(folder))
        try:
            browser.driver.get(address)
            browser.until(lambda: browser.driver.current_url == f"{base}/", "the wall comes after the link")
            for name, path, width, height, dark in PICTURES:
                browser.look(width, height, dark=dark)
                browser.driver.get(base + path)
                browser.until(lambda drawn=DRAWN[name]: browser.all(drawn), f"{name} is drawn")
                browser.until(lambda: browser.text("#pulse span") == "live", f"{name} is live")
                browser.picture(IMAGES / f"{name}.png")
        finally:
            browser.close()


if __name__ == "__main__":
    main()
