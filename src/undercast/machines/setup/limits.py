"""Limits of this machine's kernel that many instances would meet at once.

What instances use of these is counted for root as well, who made their user namespaces (user_namespaces(7)):
with the usual 128 inotify instances, the init of the 34th machine ends as it begins.
Source: https://linuxcontainers.org/incus/docs/main/reference/server_settings/
"""

from __future__ import annotations

import logging
from pathlib import Path

log = logging.getLogger(__name__)

_WANTED = {
    "fs/inotify/max_user_instances": 1 << 20,
    "fs/inotify/max_user_watches": 1 << 20,
    "kernel/keys/maxkeys": 2_000,
    "kernel/keys/maxbytes": 2_000_000,
}


def raise_low(root: Path = Path("/proc/sys")) -> list[str]:
    """Raise those that are lower than what is wanted, until the machine's next boot; their names.

    One that cannot be changed (a container's /proc) is told of in the log.
    """
    raised: list[str] = []
    for name, wanted in _WANTED.items():
        path = root / name
        try:
            if int(path.read_text()) < wanted:
                path.write_text(f"{wanted}\n")
                raised.append(name)
        except (OSError, ValueError) as error:
            log.warning("the limit %s could not be raised to %d: %s", name.replace("/", "."), wanted, error)
    return raised
