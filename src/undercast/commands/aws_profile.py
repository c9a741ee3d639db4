"""The profile `undercast` in the user's AWS configuration, with everything else in those files left alone."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from undercast.running import Running

PROFILE = "undercast"

_SECTION = re.compile(r"^\s*\[\s*(?P<name>[^\]]*?)\s*\]")


def config_path() -> Path:
    """AWS's config file, where the user has it."""
    return Path(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser()


def credentials_path() -> Path:
    """AWS's credentials file, where the user has it."""
    return Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()


def write(server: Running) -> None:
    """Point the profile at a server. Raises OSError when a file can not be written."""
    _update(
        config_path(), f"profile {PROFILE}", {"region": server.region, "endpoint_url": server.url}, mode=0o644
    )
    _update(
        credentials_path(),
        PROFILE,
        {
            "aws_access_key_id": server.access_key_id,
            "aws_secret_access_key": server.secret_access_key,
        },
        mode=0o600,
    )


def edited(text: str, section: str, values: Mapping[str, str]) -> str:
    """The text of an INI file with the values set in one section; every other byte stays as it is."""
    lines = text.splitlines(keepends=True)
    newline = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    begin = next((i for i, line in enumerate(lines) if _named(line) == section), None)
    if begin is None:
        head = text if not text or text.endswith("\n") else text + newline
        gap = newline if head.strip() else ""
        return (
            head + gap + newline.join([f"[{section}]", *(f"{k} = {v}" for k, v in values.items())]) + newline
        )
    end = next((i for i in range(begin + 1, len(lines)) if _SECTION.match(lines[i])), len(lines))
    missing = dict(values)
    for index in range(begin + 1, end):
        name = lines[index].partition("=")[0].strip()
        # An indented line belongs to the setting above it (`s3 =` and what is below).
        if name in missing and not lines[index][:1].isspace():
            lines[index] = f"{name} = {missing.pop(name)}{newline}"
    if missing:
        after = end
        while after > begin + 1 and not lines[after - 1].strip():
            after -= 1
        if not lines[after - 1].endswith("\n"):
            lines[after - 1] += newline
        lines[after:after] = [f"{name} = {value}{newline}" for name, value in missing.items()]
    return "".join(lines)


def _named(line: str) -> str | None:
    match = _SECTION.match(line)
    return " ".join(match["name"].split()) if match else None


def _update(path: Path, section: str, values: Mapping[str, str], mode: int) -> None:
    path = path.resolve()  # a link stays a link: what it points to is replaced
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            before = file.read()
        kept = path.stat().st_mode & 0o777
    except FileNotFoundError:
        before, kept = "", mode
    after = edited(before, section, values)
    if mode == 0o600:
        kept &= 0o700  # a file with a secret of ours is for its owner alone
    elif after == before:
        return
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(after)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(kept)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
