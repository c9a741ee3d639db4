"""AWS Signature Version 4, the verifying side.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote

from undercast.gateway.request import Request

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

_SPACES = re.compile(r"\s+")


class Incomplete(ValueError):
    """A signature is there but not all of it; the text is AWS's."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a request says about its signature."""

    access_key_id: str
    date: str  # "20260501"
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str  # "20260501T102030Z"
    token: str | None
    expires: int | None  # seconds, of a presigned URL

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def read(request: Request) -> Signature | None:
    """The signature of a request, from its header or its query string; None when there is none.

    Raises `Incomplete`.
    """
    header = request.headers.get("authorization")
    if header is not None and header.startswith(ALGORITHM):
        return _from_header(header, request)
    if "X-Amz-Signature=" in request.query or "X-Amz-Credential=" in request.query:
        return _from_query(request)
    return None


def _from_header(header: str, request: Request) -> Signature:
    parts: dict[str, str] = {}
    for part in header[len(ALGORITHM) :].split(","):
        name, _, text = part.strip().partition("=")
        parts[name] = text
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not parts.get(name)]
    if missing:
        told = " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
        raise Incomplete(f"{told} Authorization={header}")
    timestamp = request.headers.get("x-amz-date") or _http_date(request.headers.get("date"))
    if not timestamp:
        raise Incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
            f"Authorization={header}"
        )
    return _signature(
        parts["Credential"],
        parts["SignedHeaders"],
        parts["Signature"],
        timestamp,
        request.headers.get("x-amz-security-token"),
        None,
    )


def _from_query(request: Request) -> Signature:
    given = {name: unquote(text) for name, text in _pairs(request.query)}
    needed = ("X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date")
    missing = [name for name in needed if not given.get(name)]
    if missing:
        raise Incomplete(" ".join(f"AWS query-string parameters must include '{name}'." for name in missing))
    expires = given.get("X-Amz-Expires", "604800")
    return _signature(
        given["X-Amz-Credential"],
        given["X-Amz-SignedHeaders"],
        given["X-Amz-Signature"],
        given["X-Amz-Date"],
        given.get("X-Amz-Security-Token"),
        int(expires) if expires.isdecimal() and len(expires) < 9 else 604800,
    )


def _signature(
    credential: str, signed: str, signature: str, timestamp: str, token: str | None, expires: int | None
) -> Signature:
    scope = credential.split("/")
    if len(scope) != 5 or scope[4] != "aws4_request":
        raise Incomplete(f"Credential must have exactly 5 slash-delimited elements, got '{credential}'")
    return Signature(
        scope[0],
        scope[1],
        scope[2],
        scope[3],
        tuple(signed.split(";")),
        signature,
        timestamp,
        token,
        expires,
    )


def _http_date(text: str | None) -> str | None:
    if text is None:
        return None
    if re.fullmatch(r"\d{8}T\d{6}Z", text):
        return text
    from undercast.gateway import timestamps

    try:
        return timestamps.parse(text).strftime("%Y%m%dT%H%M%SZ")
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key of a scope, which is the same all day."""
    key = b"AWS4" + secret.encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def string_to_sign(signature: Signature, canonical: str) -> str:
    """What the signature is made of."""
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{ALGORITHM}\n{signature.timestamp}\n{signature.scope}\n{digest}"


def matches(signature: Signature, secret: str, request: Request) -> bool:
    """Whether the signature is that of the request under a secret, compared in constant time.

    A declared payload hash must also be the body's.
    """
    payload = payload_hash(signature, request)
    if payload is None or "host" not in signature.signed_headers:
        return False
    key = signing_key(secret, signature.date, signature.region, signature.service)
    headers = _canonical_headers(signature, request)
    query = canonical_query(request.query)
    for path in _canonical_paths(signature.service, request.path):
        canonical = (
            f"{request.method}\n{path}\n{query}\n{headers}\n{';'.join(signature.signed_headers)}\n{payload}"
        )
        expected = hmac.digest(key, string_to_sign(signature, canonical).encode(), "sha256").hex()
        if hmac.compare_digest(expected.encode(), signature.signature.encode("utf-8", "replace")):
            return True
    return False


def payload_hash(signature: Signature, request: Request) -> str | None:
    """The payload's line in the canonical request; None when a declared hash is not the body's."""
    declared = request.headers.get("x-amz-content-sha256")
    if declared is not None and (declared == UNSIGNED or declared.startswith("STREAMING-")):
        return declared
    if signature.expires is not None and signature.service == "s3":
        return UNSIGNED
    actual = hashlib.sha256(request.body).hexdigest() if request.body else EMPTY_SHA256
    if declared is not None and signature.expires is None and declared != actual:
        return None
    return actual


def _canonical_headers(signature: Signature, request: Request) -> str:
    lines = []
    for name in signature.signed_headers:
        text = request.headers.get(name, "").strip()
        lines.append(f"{name}:{_SPACES.sub(' ', text) if '  ' in text else text}\n")
    return "".join(lines)


def _canonical_paths(service: str, path: str) -> tuple[str, ...]:
    """The ways a client may have written the path: S3 encodes once, everyone else twice, some normalise."""
    if service == "s3":
        once = quote(unquote(path), safe="/-_.~")
        return (path,) if once == path else (path, once)
    plain = quote(path, safe="/-_.~")
    normal = quote(_normalise(path), safe="/-_.~")
    return (plain,) if plain == normal else (normal, plain)


def _normalise(path: str) -> str:
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if kept:
                kept.pop()
        elif part and part != ".":
            kept.append(part)
    normal = "/" + "/".join(kept)
    return normal + "/" if path.endswith("/") and kept else normal


def _pairs(query: str) -> list[tuple[str, str]]:
    pairs = []
    for part in query.split("&"):
        if part:
            name, _, text = part.partition("=")
            pairs.append((name, text))
    return pairs


def canonical_query(query: str) -> str:
    """The query string sorted and encoded as signing wants it, without the signature itself."""
    if not query:
        return ""
    pairs = sorted(
        (quote(unquote(name), safe="-_.~"), quote(unquote(text), safe="-_.~"))
        for name, text in _pairs(query)
        if name != "X-Amz-Signature"
    )
    return "&".join(f"{name}={text}" for name, text in pairs)
