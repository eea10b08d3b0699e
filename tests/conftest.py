"""What holds for every test: leaked tasks fail it, skips are counted (and refused where they are), seeds are printed."""

import asyncio
import functools
import inspect
import os
import random
from collections.abc import Awaitable, Callable

import hypothesis
import pytest

SEED = int(os.environ.get("LABCTL_TEST_SEED", random.SystemRandom().randrange(2**31)))
NO_SKIPS = "LABCTL_TEST_NO_SKIPS"

collect_ignore = ["independent"]  # needs an environment of its own: make test-independent

hypothesis.settings.register_profile("default", deadline=None, print_blob=True)
hypothesis.settings.register_profile("night", deadline=None, print_blob=True, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("LABCTL_HYPOTHESIS", "default"))


def pytest_report_header() -> str:
    return f"seed: LABCTL_TEST_SEED={SEED}"


@pytest.fixture
def seed() -> int:
    """The seed of this session, printed in the header; the same number again repeats the test."""
    return SEED


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
            item.obj = without_leaks(item.obj)


def without_leaks(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Make a test fail when it leaves a task behind that was not there before it."""

    @functools.wraps(test)
    async def checked(*args: object, **kwargs: object) -> None:
        before = asyncio.all_tasks()
        await test(*args, **kwargs)
        left = [task for task in asyncio.all_tasks() - before if not task.done()]
        assert not left, f"tasks left running: {left}"

    return checked


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get(NO_SKIPS) and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line(f"{NO_SKIPS} is set: a skipped test is a failure", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get(NO_SKIPS) and reporter.stats.get("skipped") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
