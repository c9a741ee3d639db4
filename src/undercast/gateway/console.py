"""The web console's built files, served from memory under `/console`."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from urllib.parse import unquote

from undercast.gateway.request import Response

_STATIC = Path(__file__).parent.parent / "console" / "static"

_MISSING = """<!doctype html><meta charset="utf-8"><title>Undercast</title>
<h1>Undercast is running</h1>
<p>The API answers at <code>{url}</code>: use it with the <code>aws</code> command, an AWS SDK or
Terraform.</p>
<p>The web console is not built. In a checkout, <code>make console</code> builds it (Node is needed).</p>
"""

SECURITY_HEADERS = [
    (
        "content-security-policy",
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self' data:; connect-src 'self' http: https:; object-src 'none'; base-uri 'self'; "
        "form-action 'self'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
]


class Console:
    """Serves the files. Paths without a file are the console's own routes: they get its page."""

    def __init__(self, root: Path = _STATIC) -> None:
        self._root = root.resolve()

    def answer(self, path: str, url: str) -> Response:
        """The file of a path below `/console`."""
        if path in ("", "/"):
            return Response(302, [("location", "/console/"), *SECURITY_HEADERS])
        index = self._root / "index.html"
        if not index.is_file():
            body = _MISSING.format(url=url.replace("<", "").replace("&", "")).encode()
            return _page(200, body, "text/html; charset=utf-8", "no-store")
        wanted = (self._root / unquote(path).removeprefix("/console").lstrip("/")).resolve()
        if not wanted.is_relative_to(self._root):
            return _page(404, b"Not found\n", "text/plain", "no-store")
        if not wanted.is_file():
            if wanted.suffix:
                return _page(404, b"Not found\n", "text/plain", "no-store")
            wanted = index
        kind = mimetypes.guess_type(wanted.name)[0] or "application/octet-stream"
        # Built assets carry a hash in their names; the page that names them does not.
        lasting = "public, max-age=31536000, immutable" if wanted.parent.name == "assets" else "no-cache"
        return _page(200, wanted.read_bytes(), kind, lasting)


def _page(status: int, body: bytes, kind: str, cache: str) -> Response:
    return Response(status, [("content-type", kind), ("cache-control", cache), *SECURITY_HEADERS], body)
