"""What holds for every test: leaked tasks fail it, skips are counted (and refused where they are), seeds are printed."""

import asyncio
import inspect
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from labctl.run import guard_process
from labctl_drivers.contract.handling import NOT_OFFERED
from labctl_drivers.contract.plugin import reason_of

SEED = int(
    os.environ.setdefault("LABCTL_TEST_SEED", str(random.SystemRandom().randrange(2**31)))
)  # one for all workers
NO_SKIPS = "LABCTL_TEST_NO_SKIPS"
INSTRUMENTS = {
    "test_instruments",
    "test_instruments_guard",
    "test_cyclers",
    "test_guard",
    "test_polled",
    "test_biologic",
    "test_chambers",
}
PAGES = {
    "test_beside",
    "test_instruments_pages",
    "test_notify",
    "test_pages",
}  # and test_web...: in a browser, or beside pages
COMPUTING = {  # of tests/system and tests/crash: they start no daemon that anybody waits for
    "test_library", "test_notebooks", "test_numbers", "test_power", "test_profiles", "test_protocol_cases", "test_reproduce",
    "test_retention_rule", "test_simulate", "test_worked_examples", "test_world",
}  # fmt: skip

collect_ignore = ["independent"]  # needs an environment of its own: make test-independent

hypothesis.settings.register_profile("default", deadline=None, print_blob=True)
hypothesis.settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
hypothesis.settings.register_profile("night", deadline=None, print_blob=True, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("LABCTL_HYPOTHESIS", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-pictures", action="store_true", help="write the pictures of docs/images anew, as the pages look now"
    )


def pytest_configure() -> None:
    """Give a daemon inside this process, and its guard, more time than a lab's: a machine that runs tests keeps both waiting.

    A guard ends the daemon that stands still, which is this process.
    """
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # a shell's background job; what tests start would never see Ctrl-C
        signal.signal(signal.SIGINT, signal.default_int_handler)
    guard_process.MISSED, guard_process.STANDS, guard_process.STANDS_SURELY = 60.0, 20.0, 60.0  # type: ignore[misc]


class InTurn(LoadScopeScheduling):
    """Give the tests that start processes and wait for real time to three workers: instruments, pages, and other daemons.

    They mostly wait: beside others of their kind they would only make each other late. All others go to whoever is free.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.split("::", maxsplit=1)[0])
        if not {"system", "crash"} & set(file.parts) or file.stem in COMPUTING:
            return nodeid
        if file.stem in INSTRUMENTS:
            return "instruments"
        return "pages" if file.stem in PAGES or file.stem.startswith("test_web") else "daemons"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> InTurn:
    return InTurn(config, log)


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


@pytest.fixture(autouse=True)
def no_guard_left() -> Iterator[None]:
    """End the guards that a daemon of the test left behind, as it must where an output is not confirmed off."""
    yield
    end_guards()


def end_guards() -> None:
    """End the guards that daemons of this process left behind: they would try for ever, since their instruments have gone."""
    while guard_process.LEFT_BEHIND:
        child = guard_process.LEFT_BEHIND.pop()
        child.kill()
        child.wait()


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
    """Refuse skips; where nothing but tests failed, leave their names to `tools/alone.py`."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # a worker
        return
    if refused(reporter):
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    elif session.exitstatus == pytest.ExitCode.TESTS_FAILED and (cache := getattr(session.config, "cache", None)):
        wrong = {report.nodeid for kind in ("failed", "error") for report in reporter.stats.get(kind, ())}
        cache.set("labctl/failed", {"seed": SEED, "tests": sorted(wrong)})


def refused(reporter: pytest.TerminalReporter) -> bool:
    """Tell whether tests were skipped where that is not allowed.

    A test of the contract suite that says nothing of a driver, because the driver offers no such thing, hides nothing: it is
    skipped by that name, and the reasons are kept with the driver. A service that is missing is what must not be skipped.
    """
    if not os.environ.get(NO_SKIPS):
        return False
    skipped = reporter.stats.get("skipped", ())
    return not all(reason_of(report).startswith(f"{NOT_OFFERED}: ") for report in skipped)
