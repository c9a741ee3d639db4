"""What these tests share: one server with real instances, of which nothing is left, and one browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from console_support import Visitor, chromium, visit
from playwright.sync_api import Browser
from servers_support import Renter, cloud_with_servers, needs_servers

from support import Account


@pytest.fixture(scope="session")
def renter(data_root: Path) -> Iterator[Renter]:
    """Somebody who rents servers."""
    needs_servers()
    folder = data_root / "servers"
    folder.mkdir()
    with cloud_with_servers(folder) as server:
        yield Renter(server, folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those who rent come last: their server keeps the instance network, which the demo needs before."""
    items.sort(key=lambda item: "renter" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Show the end of the server's log beside a failure."""
    outcome = yield
    report = outcome.get_result()
    rented = getattr(item, "funcargs", {}).get("renter")
    if report.failed and isinstance(rented, Renter):
        report.sections.append(("server log", rented.server.log[-8000:]))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The one browser of a module. Not of the session: its event loop would stand in the way of others."""
    with chromium() as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, account: Account) -> Iterator[Visitor]:
    """Somebody with a fresh account, signed in to the console."""
    with visit(browser, account) as somebody:
        somebody.sign_in()
        yield somebody
