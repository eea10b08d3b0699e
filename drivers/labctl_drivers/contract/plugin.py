"""The pytest plugin: a parameter `labctl_bench` for every bench that a hook names."""

from collections.abc import Callable
from typing import Any

import pytest


class Hooks:
    """The hook that a driver's tests implement."""

    @pytest.hookspec(firstresult=False)
    def pytest_labctl_benches(self) -> dict[str, Callable[[], Any]]:  # type: ignore[empty-body]
        """Return benches by driver name: callables without arguments that return a `labctl_drivers.contract.bench.Bench`."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the hook."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `make_bench` once for every bench."""
    if "make_bench" in metafunc.fixturenames:
        named: dict[str, Callable[[], Any]] = {}
        for found in metafunc.config.hook.pytest_labctl_benches():
            named.update(found)
        metafunc.parametrize("make_bench", named.values(), ids=named.keys())


@pytest.fixture
def driver_benches(request: pytest.FixtureRequest) -> set[str]:
    """Return the names of the drivers that have a bench."""
    return {name for found in request.config.hook.pytest_labctl_benches() for name in found}
