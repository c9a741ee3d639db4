"""`Code.Location`: links to deployment packages that need no signature, as AWS's presigned ones.

A link is good for ten minutes and names one archive; the token is a keyed hash over both.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from urllib.parse import parse_qs, quote

from undercast.services.base import Call, HttpRequest, HttpResponse
from undercast.services.lambda_.core import Core
from undercast.services.lambda_.model import LayerVersion, Version

PREFIX = "/_aws/lambda-code/"
_VALID_S = 600


def location(core: Core, call: Call, version: Version) -> str:
    """The link to a function version's archive; of a live folder, the folder."""
    if version.hot_reload:
        return f"file://{quote(version.hot_reload)}"
    return _link(core, call, version.code)


def layer_location(core: Core, call: Call, layer: LayerVersion) -> str:
    """The link to a layer version's archive."""
    return _link(core, call, layer.code)


def _link(core: Core, call: Call, sha256: str) -> str:
    expires = int(time.time()) + _VALID_S
    token = _token(core.download_key, sha256, str(expires))
    return f"{call.url}{PREFIX}{sha256}?Expires={expires}&Signature={token}"


def _token(key: bytes, sha256: str, expires: str) -> str:
    return hmac.new(key, f"{sha256}:{expires}".encode(), hashlib.sha256).hexdigest()


def serve(core: Core, request: HttpRequest) -> HttpResponse:
    """Answer a link. Reads the archive: call it in a worker thread."""
    sha256 = request.path.removeprefix(PREFIX)
    query = parse_qs(request.query_string)
    expires, token = query.get("Expires", [""])[0], query.get("Signature", [""])[0]
    genuine = hmac.compare_digest(token, _token(core.download_key, sha256, expires))
    if not genuine or not expires.isdigit() or int(expires) < time.time():
        return _error(403, "AccessDenied", "Request has expired" if genuine else "Access Denied")
    try:
        content = core.code.archive(sha256).read_bytes()
    except FileNotFoundError:
        return _error(404, "NoSuchKey", "The specified key does not exist.")
    return HttpResponse(200, [("content-type", "application/zip")], content)


def _error(status: int, code: str, message: str) -> HttpResponse:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'
    return HttpResponse(status, [("content-type", "application/xml")], body.encode())
