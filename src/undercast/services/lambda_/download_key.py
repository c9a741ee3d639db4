"""The secret behind links to deployment packages."""

from __future__ import annotations

import secrets
from pathlib import Path


def load_key(path: Path) -> bytes:
    """The secret behind the links: made once, readable by the owner alone."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.touch(mode=0o600)
        path.write_bytes(key := secrets.token_bytes(32))
        return key
