"""The pytest plugin: a parameter `labctl_bench` for every bench that a hook names."""

import json
from collections import Counter
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from labctl_drivers.contract.quality import digest


class Hooks:
    """The hook that a driver's tests implement."""

    @pytest.hookspec(firstresult=False)
    def pytest_labctl_benches(self) -> dict[str, Callable[[], Any]]:  # type: ignore[empty-body]
        """Return benches by driver name: callables without arguments that return a `labctl_drivers.contract.bench.Bench`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes down what the suite found; `labctl drivers` computes its tiers from that."""
    parser.addoption("--labctl-quality", metavar="FILE", help="write what the contract suite found of each driver")


def pytest_configure(config: pytest.Config) -> None:
    """Count outcomes if they are to be written."""
    if path := config.getoption("--labctl-quality"):
        config.pluginmanager.register(SuiteRecord(Path(path)), "labctl-quality")


class SuiteRecord:
    """Outcomes of the suite by driver, and a digest of what was tested."""

    def __init__(self, path: Path) -> None:
        """Begin with nothing."""
        self.path = path
        self.outcomes: dict[str, Counter[str]] = {}
        self.reasons: dict[str, Counter[str]] = {}
        self.modes: dict[str, Counter[str]] = {}
        self.unknown: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test of a driver; what fails before or after it counts as well."""
        if "[" in report.nodeid and (report.when == "call" or report.failed):
            name = report.nodeid.partition("[")[2].rstrip("]").partition("-")[0]
            self.outcomes.setdefault(name, Counter())[report.outcome] += 1
            if report.passed:
                self._count_modes(name, report.user_properties)
            if report.skipped:
                self.reasons.setdefault(name, Counter())[reason_of(report)] += 1

    def _count_modes(self, name: str, properties: list[tuple[str, object]]) -> None:
        """Count the passed tests in which a driver took each mode; what it offers and no test gives stays at none."""
        modes = self.modes.setdefault(name, Counter())
        modes.update(dict.fromkeys((str(value) for key, value in properties if key == "labctl-offers"), 0))
        modes.update({str(value) for key, value in properties if key == "labctl-mode"})

    def pytest_sessionfinish(self) -> None:
        """Write what was found of the drivers that are installed."""
        classes = {entry.name: entry.load() for entry in entry_points(group="labctl.drivers")}
        counts = {
            name: {
                "passed": count["passed"],
                "failed": count["failed"],
                "skipped": dict(sorted(self.reasons.get(name, {}).items())),
                "modes": dict(sorted(self.modes.get(name, {}).items())),
                "digest": digest(classes[name]),
            }
            for name, count in sorted(self.outcomes.items())
            if name in classes
        }
        self.path.write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
        self.unknown = sorted(self.outcomes.keys() - classes.keys())

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say of which benches nothing was written: the record is of drivers, and theirs is not installed."""
        if self.unknown:
            names = ", ".join(self.unknown)
            terminalreporter.write_line(
                f"{self.path}: nothing is written of {names}: no driver of that name is installed; `pip install -e .` in the "
                "folder of the package whose entry point names it, then again",
                yellow=True,
            )


def reason_of(report: pytest.TestReport) -> str:
    """Return why a test was skipped, in its own words."""
    words = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return words.removeprefix("Skipped: ")


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the hook."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `make_bench` once for every bench, one for `make_stepped_bench` once for those of cells."""
    named: dict[str, Callable[[], Any]] = {}
    for benches in metafunc.config.hook.pytest_labctl_benches():
        named.update(benches)
    if "make_bench" in metafunc.fixturenames:
        metafunc.parametrize("make_bench", named.values(), ids=named.keys())
    if "make_stepped_bench" in metafunc.fixturenames:
        stepped = {name: make for name, make in named.items() if hasattr(make, "make_stepped")}
        metafunc.parametrize("make_stepped_bench", stepped.values(), ids=stepped.keys())


@pytest.fixture
def driver_benches(request: pytest.FixtureRequest) -> set[str]:
    """Return the names of the drivers that have a bench."""
    return {name for benches in request.config.hook.pytest_labctl_benches() for name in benches}
