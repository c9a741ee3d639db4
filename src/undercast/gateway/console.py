"""The web console's built files, served from memory under `/console`."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from undercast.gateway.request import Request, Response

_STATIC = Path(__file__).parent.parent / "console" / "static"

_MISSING = """<!doctype html><meta charset="utf-8"><title>Undercast</title>
<h1>Undercast is running</h1>
<p>The API answers at <code>{url}</code>: use it with the <code>aws</code> command, an AWS SDK or
Terraform.</p>
<p>The web console is not built. In a checkout, <code>make console</code> builds it (Node is needed).</p>
"""

_HOST = re.compile(r"[A-Za-z0-9.-]+(?::\d+)?|\[[0-9A-Fa-f:.]+\](?::\d+)?")
_TEXTS = ("text/", "application/json", "application/javascript", "image/svg+xml", "application/manifest+json")


def security_headers(host: str) -> list[tuple[str, str]]:
    """What a browser must not let the page do. `host` is the one it asked for, with the port."""
    # "self" does not cover WebSockets in every browser.
    sockets = f"ws://{host} wss://{host} " if _HOST.fullmatch(host) else ""
    return [
        (
            "content-security-policy",
            "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
            f"font-src 'self' data:; connect-src 'self' {sockets}http: https:; object-src 'none'; "
            "base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
    ]


@dataclass(frozen=True, slots=True)
class _File:
    version: tuple[int, int]  # time of change in ns, size: a rebuilt console is noticed
    body: bytes
    packed: bytes | None  # gzip'ed, where that is smaller
    kind: str
    tag: str


class Console:
    """Serves the files. Paths without a file are the console's own routes: they get its page."""

    def __init__(self, root: Path = _STATIC) -> None:
        self._root = root.resolve()
        self._files: dict[Path, _File] = {}

    async def answer(self, request: Request) -> Response:
        """The file of a path below `/console`."""
        path = request.path.rstrip("/")
        headers = security_headers(request.host)
        if path == "":
            return Response(302, [("location", "/console/"), *headers])
        index = self._root / "index.html"
        if not index.is_file():
            body = _MISSING.format(url=request.base_url.replace("<", "").replace("&", "")).encode()
            return Response(
                200,
                [("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store"), *headers],
                body,
            )
        wanted = (self._root / unquote(path).removeprefix("/console").lstrip("/")).resolve()
        inside = wanted.is_relative_to(self._root)
        # Routes may look like files (/console/ec2/types/t2.micro), but a missing asset is no page.
        if not inside or (wanted.parent.name == "assets" and not wanted.is_file()):
            return Response(
                404, [("content-type", "text/plain"), ("cache-control", "no-store"), *headers], b"Not found\n"
            )
        if not wanted.is_file():
            wanted = index
        return _found(request, await self._file(wanted), wanted.parent.name == "assets", headers)

    async def _file(self, path: Path) -> _File:
        facts = path.stat()
        version = (facts.st_mtime_ns, facts.st_size)
        known = self._files.get(path)
        if known is None or known.version != version:
            # Compressing a megabyte takes long enough for others to notice.
            known = self._files[path] = await asyncio.to_thread(_load, path, version)
        return known


def _load(path: Path, version: tuple[int, int]) -> _File:
    body = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    packed = gzip.compress(body, 9, mtime=0) if kind.startswith(_TEXTS) else None
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return _File(version, body, packed if packed and len(packed) < len(body) else None, kind, tag)


def _found(request: Request, file: _File, lasting: bool, headers: list[tuple[str, str]]) -> Response:
    # Built assets carry a hash in their names; the page that names them does not.
    cache = "public, max-age=31536000, immutable" if lasting else "no-cache"
    headers = [("cache-control", cache), ("vary", "accept-encoding"), *headers]
    packed = file.packed if _takes_gzip(request.headers.get("accept-encoding", "")) else None
    # One tag for one representation: the packed one is another sequence of bytes.
    tag = file.tag if packed is None else f'{file.tag[:-1]}-gzip"'
    headers.append(("etag", tag))
    if _matches(request.headers.get("if-none-match", ""), tag):
        return Response(304, headers)
    headers.append(("content-type", file.kind))
    if packed is not None:
        headers.append(("content-encoding", "gzip"))
    return Response(200, headers, file.body if packed is None else packed)


def _takes_gzip(accepted: str) -> bool:
    for one in accepted.lower().replace(" ", "").split(","):
        name, _, quality = one.partition(";q=")
        if name in ("gzip", "*"):
            return quality.strip("0.") != "" or not quality
    return False


def _matches(asked: str, tag: str) -> bool:
    return asked.strip() == "*" or tag in (one.strip().removeprefix("W/") for one in asked.split(","))
