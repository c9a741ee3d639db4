"""Fixtures: one real server per session, fresh accounts on it, servers of one's own."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

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
    started: list[Server] = []
    numbers = itertools.count()

    def start(data: Path | None = None, **options: Any) -> Server:
        running = run_server(data or data_root / unique(f"own{next(numbers)}"), **options)
        started.append(running)
        return running

    try:
        yield start
    finally:
        for running in started:
            running.stop(kill=True)


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
