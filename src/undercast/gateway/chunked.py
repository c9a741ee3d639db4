"""Bodies sent in signed pieces (`aws-chunked`): put together again, every piece's signature checked.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html
"""

from __future__ import annotations

import hashlib
import hmac

from undercast.gateway import sigv4
from undercast.gateway.request import Request
from undercast.gateway.sigv4 import Signature

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_WITH_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_WITH_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
KNOWN = frozenset({SIGNED, SIGNED_WITH_TRAILER, UNSIGNED_WITH_TRAILER})

_LONGEST_LINE = 1024


class Malformed(ValueError):
    """The body does not have the form it says it has."""


class Forged(ValueError):
    """A piece's signature is not that of its contents."""


def is_chunked(request: Request) -> bool:
    """Whether the body comes in pieces of AWS's own."""
    return request.headers.get("x-amz-content-sha256", "").startswith("STREAMING-")


def unpack(request: Request, signature: Signature | None, secret: str | None) -> None:
    """Replace the body by what it carries, and take trailing headers in.

    Without a signature (checking is off) nothing is verified. Raises `Malformed` and `Forged`.
    """
    kind = request.headers.get("x-amz-content-sha256", "")
    if kind not in KNOWN:
        raise Malformed(f"the payload type {kind} is not supported")
    checking = None
    if signature is not None and secret is not None and kind != UNSIGNED_WITH_TRAILER:
        checking = _Chain(signature, secret)
    pieces, at = _pieces(request.body, checking)
    trailers = _trailers(request.body[at:], checking, signed=kind == SIGNED_WITH_TRAILER)
    body = b"".join(pieces)
    declared = request.headers.get("x-amz-decoded-content-length")
    if declared is not None and declared != str(len(body)):
        raise Malformed("the body is not as long as x-amz-decoded-content-length says")
    request.body = body
    request.headers.update(trailers)
    encodings = [one.strip() for one in request.headers.get("content-encoding", "").split(",")]
    request.headers["content-encoding"] = ",".join(one for one in encodings if one and one != "aws-chunked")


class _Chain:
    """Each piece's signature covers the one before, the first that of the request."""

    def __init__(self, signature: Signature, secret: str) -> None:
        self._key = sigv4.signing_key(secret, signature.date, signature.region, signature.service)
        self._previous = signature.signature
        self._head = f"{signature.timestamp}\n{signature.scope}"

    def check(self, algorithm: str, told: str, *hashed: bytes) -> None:
        """Raises `Forged`."""
        digests = "\n".join(hashlib.sha256(one).hexdigest() for one in hashed)
        text = f"{algorithm}\n{self._head}\n{self._previous}\n{digests}"
        expected = hmac.digest(self._key, text.encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), told.encode("utf-8", "replace")):
            raise Forged("a chunk's signature does not match")
        self._previous = expected


def _pieces(body: bytes, checking: _Chain | None) -> tuple[list[bytes], int]:
    pieces: list[bytes] = []
    at = 0
    while True:
        end = body.find(b"\r\n", at, at + _LONGEST_LINE)
        if end < 0:
            raise Malformed("a chunk has no header")
        size_text, _, extension = body[at:end].decode("latin-1").partition(";")
        try:
            size = int(size_text.strip(), 16)
        except ValueError as error:
            raise Malformed(f"not a chunk size: {size_text[:40]!r}") from error
        begin = end + 2
        if size < 0 or begin + size > len(body):
            raise Malformed("a chunk is cut short")
        data = body[begin : begin + size]
        if checking is not None:
            told = extension.strip().partition("chunk-signature=")[2]
            checking.check("AWS4-HMAC-SHA256-PAYLOAD", told, b"", data)
        at = begin + size
        if size == 0:
            return pieces, at
        if body[at : at + 2] != b"\r\n":
            raise Malformed("a chunk does not end where it should")
        pieces.append(data)
        at += 2


def _trailers(rest: bytes, checking: _Chain | None, signed: bool) -> dict[str, str]:
    trailers: dict[str, str] = {}
    told = ""
    for line in rest.decode("latin-1").split("\r\n"):
        if not line.strip():
            continue
        name, colon, text = line.partition(":")
        if not colon:
            raise Malformed(f"not a trailing header: {line[:40]!r}")
        if name.lower() == "x-amz-trailer-signature":
            told = text.strip()
        else:
            trailers[name.strip().lower()] = text.strip()
    if signed and checking is not None:
        canonical = "".join(f"{name}:{text}\n" for name, text in sorted(trailers.items()))
        checking.check("AWS4-HMAC-SHA256-TRAILER", told, canonical.encode())
    return trailers
