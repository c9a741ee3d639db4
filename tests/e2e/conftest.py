"""One server with real instances for all of these tests; nothing of it is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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
