"""What holds for every test: leaked tasks fail it, skips are counted (and refused where they are), seeds are printed."""

import asyncio
import inspect
import os
import random
from collections.abc import AsyncIterator

import hypothesis
import pytest
import pytest_asyncio

SEED = int(
    os.environ.setdefault("LABCTL_TEST_SEED", str(random.SystemRandom().randrange(2**31)))
)  # one for all workers
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


@pytest.fixture(autouse=True)
def tasks_end(request: pytest.FixtureRequest) -> None:
    """Ask for the check below before any other fixture of a coroutine test, so that it comes after all of them."""
    if inspect.iscoroutinefunction(getattr(request.node, "function", None)):
        request.getfixturevalue("no_task_left")


@pytest_asyncio.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Fail a test that leaves a task running once all its fixtures have gone; one that was cancelled may end."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=1)
    assert not left, f"tasks left running: {left}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if refused(terminalreporter):
        terminalreporter.write_line(f"{NO_SKIPS} is set: a skipped test is a failure", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if refused(reporter) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def refused(reporter: pytest.TerminalReporter | None) -> bool:
    """Tell whether tests were skipped where that is not allowed; a worker has no reporter and leaves it to the session."""
    return bool(os.environ.get(NO_SKIPS)) and reporter is not None and bool(reporter.stats.get("skipped"))
