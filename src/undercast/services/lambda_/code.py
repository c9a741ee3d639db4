"""Where deployment packages live: `functions/code/SHA256/`, one folder per archive, shared by its users.

A folder holds the archive (`code.zip`, for GetFunction's download) and its unpacked `files`. It appears by
one rename, so a crash leaves either all of it or a temporary folder that the next start sweeps.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from undercast.services.lambda_ import archive

_GRACE_S = 1200.0  # longer than any invocation may take: code in use by a running one is not pulled away


@dataclass(frozen=True, slots=True)
class StoredCode:
    """An archive in the store, or a folder run as it is."""

    sha256: str  # hexadecimal; empty for hot reload
    size: int  # bytes of the archive
    unzipped_size: int
    hot_reload: str | None = None


def base64_sha256(code: str, hot_reload: str | None) -> str:
    """`CodeSha256` as AWS shows it. A live folder has no archive: its path stands in."""
    digest = hashlib.sha256(hot_reload.encode()).digest() if hot_reload else bytes.fromhex(code)
    return base64.b64encode(digest).decode()


class CodeStore:
    """The folders of unpacked archives."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._pins: dict[str, int] = {}  # archives a call is about to refer to
        self._unused_since: dict[str, float] = {}  # monotonic seconds
        root.mkdir(parents=True, exist_ok=True, mode=0o711)
        root.chmod(0o711)

    @contextlib.contextmanager
    def stored(self, zipped: bytes) -> Iterator[StoredCode]:
        """The archive, unpacked, and safe from collection while the caller commits its reference to it."""
        archive.check_zipped(zipped)
        sha256 = hashlib.sha256(zipped).hexdigest()
        with self.pinned(sha256):
            folder = self.root / sha256
            if not folder.exists():
                self._add(zipped, folder)
            yield StoredCode(sha256, len(zipped), int((folder / "unzipped-size").read_text()))

    @contextlib.contextmanager
    def pinned(self, sha256: str) -> Iterator[None]:
        """Keep an archive from being collected."""
        with self._lock:
            self._pins[sha256] = self._pins.get(sha256, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._pins[sha256] -= 1
                if not self._pins[sha256]:
                    del self._pins[sha256]

    def archive(self, sha256: str) -> Path:
        """The archive as it was uploaded."""
        return self.root / sha256 / "code.zip"

    def collect(self, in_use: Callable[[], set[str]], *, grace_s: float = _GRACE_S) -> None:
        """Delete archives nobody has referred to for `grace_s` seconds."""
        now = time.monotonic()
        for folder in self.root.iterdir():
            if folder.name.startswith("."):
                if not grace_s:
                    archive.remove(folder)  # left behind by a crash
                continue
            with self._lock:
                if folder.name in self._pins or folder.name in in_use():
                    self._unused_since.pop(folder.name, None)
                    continue
                if now - self._unused_since.setdefault(folder.name, now) < grace_s:
                    continue
                doomed = self.root / f".{folder.name[:12]}-{secrets.token_hex(4)}"
                folder.rename(doomed)
                self._unused_since.pop(folder.name, None)
            archive.remove(doomed)

    def _add(self, zipped: bytes, folder: Path) -> None:
        made = self.root / f".{folder.name[:12]}-{secrets.token_hex(4)}"
        made.mkdir(mode=0o711)
        made.chmod(0o711)
        try:
            size = archive.unpack(zipped, made / "files")
            (made / "files").chmod(0o755)
            (made / "code.zip").touch(mode=0o600)
            (made / "code.zip").write_bytes(zipped)
            (made / "unzipped-size").write_text(str(size))
            with self._lock:
                if not folder.exists():
                    made.rename(folder)
        finally:
            archive.remove(made)
