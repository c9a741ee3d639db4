"""Fixtures: one real server per session, fresh accounts on it, servers of one's own."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import leftover_support
from support import Account, Server, run_server, unique


@pytest.fixture(scope="session")
def data_root() -> Iterator[Path]:
    """A folder for the data of the session's servers, gone afterwards."""
    root = Path(tempfile.mkdtemp(prefix="undercast-test-"))
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def server(data_root: Path) -> Iterator[Server]:
    """The session's server: a real process on a free port."""
    running = run_server(data_root / "session")
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def start_server(data_root: Path) -> Iterator[Callable[..., Server]]:
    """Start servers of one's own, for tests about starting, stopping and settings."""
    numbers = itertools.count()
    with contextlib.ExitStack() as stopping:

        def start(data: Path | None = None, **options: Any) -> Server:
            running = run_server(data or data_root / unique(f"own{next(numbers)}"), **options)
            stopping.callback(running.stop)
            return running

        yield start


@pytest.fixture
def account(server: Server) -> Account:
    """A fresh account on the session's server."""
    return server.account_factory()


@pytest.fixture
def needs_root() -> None:
    """Skip when not root; under CI that is a failure."""
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must run as root: this test needs it")
        pytest.skip("needs root")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Show the end of the server's log beside a failure."""
    outcome = yield
    report = outcome.get_result()
    running = getattr(item, "funcargs", {}).get("server")
    if report.failed and isinstance(running, Server):
        report.sections.append(("server log", running.log[-4000:]))


_LEFT = pytest.StashKey[list[str]]()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Nothing of this session's servers stays on this machine; a run that leaves something has failed."""
    left = leftover_support.sweep()
    if left:
        session.config.stash[_LEFT] = left
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell what stayed."""
    if left := config.stash.get(_LEFT, None):
        terminalreporter.section("left on this machine by the tests' servers", red=True)
        for line in left:
            terminalreporter.line(line)
