"""Options of this suite alone, and times even where a project's own tests have none."""

from __future__ import annotations

import pytest
from edgebench import pytest_plugin
from edgebench.testing.suite_options import add_suite_options


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the suite's options, and the plugin where no installed package brought it."""
    if not pluginmanager.is_registered(pytest_plugin):
        pluginmanager.register(pytest_plugin, "edgebench")
    add_suite_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Measure, unless the command line says not to: a project's ``addopts`` are for its own tests."""
    if "--benchmark-disable" not in config.invocation_params.args and hasattr(config.option, "benchmark_disable"):
        config.option.benchmark_disable = False
