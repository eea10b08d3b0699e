"""One browser for all tests that look at pages."""

from collections.abc import Iterator

import pytest

from tests.browser import Browser


@pytest.fixture(scope="session")
def only_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def new_browser(only_browser: Browser) -> Browser:
    """The browser as on its first day; tests run one after another, so that it belongs to one module at a time."""
    only_browser.empty()
    return only_browser
