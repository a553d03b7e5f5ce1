"""What all tests share: no skip counts as success in CI, and no test depends on how fast the machine is."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# Deadlines are timed assertions, and a random seed would make CI fail by chance.
settings.register_profile("vbte", deadline=None, derandomize=True)
settings.load_profile("vbte")


def fail_skip_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure when the environment variable CI is set; an expected failure stays one."""
    if os.environ.get("CI") and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: skipped, and CI runs everything: {_reason(report)}"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that skips itself fails in CI."""
    report = yield
    fail_skip_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that skips itself as a whole fails in CI."""
    report = yield
    fail_skip_in_ci(report)
    return report
