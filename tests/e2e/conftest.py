"""One server with real instances for all of these tests; nothing of it is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers_support import Renter, cloud_with_servers, needs_servers


@pytest.fixture(scope="session")
def renter(data_root: Path) -> Iterator[Renter]:
    """Somebody who rents servers."""
    needs_servers()
    folder = data_root / "servers"
    folder.mkdir()
    with cloud_with_servers(folder) as server:
        yield Renter(server, folder)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Show the end of the server's log beside a failure."""
    outcome = yield
    report = outcome.get_result()
    rented = getattr(item, "funcargs", {}).get("renter")
    if report.failed and isinstance(rented, Renter):
        report.sections.append(("server log", rented.server.log[-8000:]))
