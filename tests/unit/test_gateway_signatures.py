"""Signatures: what botocore signs we accept, whatever is changed afterwards we refuse, in AWS's words."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from undercast.gateway import chunked, sigv4
from undercast.gateway.auth import Authenticator, Refused, refusal
from undercast.gateway.request import Request
from undercast.services.iam.credentials import Credential

KEY = Credential("AKIAEXAMPLE", "secret", "111122223333", "arn:aws:iam::111122223333:user/a", "AIDA")
TEMPORARY = replace(KEY, access_key_id="ASIAEXAMPLE", session_token="the-token", expires=time.time() + 7200)
EXPIRED = replace(TEMPORARY, access_key_id="ASIAEXPIRED", expires=time.time() - 1)
KNOWN = {one.access_key_id: one for one in (KEY, TEMPORARY, EXPIRED)}

AUTH = Authenticator(lambda key, token: KNOWN.get(key), enabled=True, default_account="000000000000")


def received(signed: AWSRequest, body: bytes = b"") -> Request:
    """The request as the server sees it."""
    url = urlsplit(signed.url)
    headers = {name.lower(): str(text) for name, text in signed.headers.items()}
    headers.setdefault("host", url.netloc)
    query = url.query
    return Request(
        signed.method, url.path or "/", query, headers, list(headers.items()), body, "http", "127.0.0.1", "id"
    )


def sign(
    credential: Credential = KEY,
    *,
    path: str = "/",
    method: str = "POST",
    body: bytes = b"",
    service: str = "lambda",
    headers: dict[str, str] | None = None,
    presign: int | None = None,
) -> Request:
    request = AWSRequest(method, f"http://127.0.0.1:4566{path}", data=body, headers=headers or {})
    keys = Credentials(credential.access_key_id, credential.secret, credential.session_token)
    if presign is not None:
        made = S3SigV4QueryAuth if service == "s3" else SigV4QueryAuth
        made(keys, service, "eu-west-1", expires=presign).add_auth(request)
    else:
        (S3SigV4Auth if service == "s3" else SigV4Auth)(keys, service, "eu-west-1").add_auth(request)
    return received(request, body)


def case(request: Request, auth: Authenticator = AUTH) -> str:
    """How authentication ends."""
    try:
        auth.caller(request, sigv4.read(request))
    except Refused as refused:
        return refused.case
    return "accepted"


AWKWARD_PATHS = [
    "/",
    "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A1%3Afunction%3Af/invocations",
    "/a//b/../c/./d/",
    "/v2/tags/arn%3Aaws%3Aapigateway%3A%3A%2Fapis%2Fx",
    "/x?b=2&a=1&a=0&c=&d",
    "/x?q=" + quote("a b+c/é%", safe="") + "&X=~-_.",
]


@pytest.mark.parametrize("path", AWKWARD_PATHS)
@pytest.mark.parametrize("service", ["lambda", "s3"])
def test_what_botocore_signs_is_accepted(path: str, service: str) -> None:
    headers = {"X-Amz-Target": "a  b   c", "Content-Type": "application/x-amz-json-1.1 "}
    for credential in (KEY, TEMPORARY):
        assert (
            case(sign(credential, path=path, body=b'{"a": 1}', service=service, headers=headers))
            == "accepted"
        )
        assert case(sign(credential, path=path, method="GET", service=service, presign=60)) == "accepted"
    caller = AUTH.caller(request := sign(path=path), sigv4.read(request))
    assert caller.account == "111122223333"
    assert caller.principal_arn == KEY.principal_arn


def _change_body(request: Request) -> None:
    request.body += b" "


def _change_path(request: Request) -> None:
    request.path += "x"


def _change_query(request: Request) -> None:
    request.query += "&x=1" if request.query else "x=1"


def _change_method(request: Request) -> None:
    request.method = "PUT"


def _change_signed_header(request: Request) -> None:
    request.headers["content-type"] = "text/plain"


def _drop_host(request: Request) -> None:
    header = request.headers["authorization"].replace(";host", "").replace("host;", "")
    request.headers["authorization"] = header


def _change_region(request: Request) -> None:
    request.headers["authorization"] = request.headers["authorization"].replace("eu-west-1", "us-east-1")


@pytest.mark.parametrize(
    "change",
    [
        _change_body,
        _change_path,
        _change_query,
        _change_method,
        _change_signed_header,
        _drop_host,
        _change_region,
    ],
)
def test_what_was_changed_after_signing_is_refused(change: Callable[[Request], None]) -> None:
    request = sign(path="/x?a=1", body=b"body", headers={"Content-Type": "application/json"})
    assert case(request) == "accepted"
    change(request)
    assert case(request) == "mismatch"


def test_a_declared_payload_hash_must_be_the_bodys() -> None:
    request = sign(service="s3", body=b"body")
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(b"body").hexdigest()
    request.body = b"other"
    assert case(request) == "mismatch"


def test_keys_and_tokens() -> None:
    assert case(sign(replace(KEY, secret="wrong"))) == "mismatch"
    assert case(sign(replace(KEY, access_key_id="AKIANOBODY"))) == "unknown"
    assert case(sign(replace(TEMPORARY, session_token=None))) == "unknown"
    assert case(sign(replace(TEMPORARY, session_token="forged"))) == "unknown"
    assert case(sign(replace(KEY, session_token="left over"))) == "unknown"
    assert case(sign(EXPIRED)) == "expired"
    bare = sign()
    del bare.headers["authorization"]
    assert case(bare) == "missing"


def test_incomplete_signatures_say_what_is_missing() -> None:
    request = sign()
    request.headers["authorization"] = "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/iam/aws4_request"
    with pytest.raises(sigv4.Incomplete, match=r"requires 'Signature' parameter.*requires 'SignedHeaders'"):
        sigv4.read(request)
    request.headers["authorization"] = "AWS4-HMAC-SHA256 Credential=AKIA, SignedHeaders=host, Signature=00"
    with pytest.raises(sigv4.Incomplete, match="5 slash-delimited"):
        sigv4.read(request)


def at(moment: dt.datetime, service: str = "lambda", expires: int | None = None) -> Request:
    """A request signed correctly at another time."""
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/eu-west-1/{service}/aws4_request"
    query = ""
    headers = {"host": "h", "x-amz-date": stamp}
    if expires is not None:
        headers = {"host": "h"}
        query = (
            f"X-Amz-Credential={quote(f'{KEY.access_key_id}/{scope}', safe='')}&X-Amz-Date={stamp}"
            f"&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host"
        )
    request = Request("GET", "/", query, headers, [], b"", "http", "127.0.0.1", "id")
    unsigned = sigv4.Signature(
        KEY.access_key_id, stamp[:8], "eu-west-1", service, tuple(headers), "", stamp, None, expires
    )
    canonical = (
        f"GET\n/\n{sigv4.canonical_query(query)}\n"
        + "".join(f"{name}:{text}\n" for name, text in headers.items())
        + f"\n{';'.join(headers)}\n{sigv4.payload_hash(unsigned, request)}"
    )
    key = sigv4.signing_key(KEY.secret, stamp[:8], "eu-west-1", service)
    signature = hmac.digest(key, sigv4.string_to_sign(unsigned, canonical).encode(), "sha256").hex()
    if expires is not None:
        request.query += f"&X-Amz-Signature={signature}"
    else:
        request.headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={KEY.access_key_id}/{scope}, "
            f"SignedHeaders={';'.join(headers)}, Signature={signature}"
        )
    return request


def test_clock_skew_and_expiry() -> None:
    now = dt.datetime.now(dt.UTC)
    minutes = lambda count: now + dt.timedelta(minutes=count)  # noqa: E731 - reads best in place
    assert case(at(now)) == "accepted"
    assert case(at(minutes(-4))) == case(at(minutes(4))) == "accepted"
    assert case(at(minutes(-6))) == case(at(minutes(6))) == "skewed"
    assert case(at(minutes(-10), "s3")) == "accepted"
    assert case(at(minutes(-16), "s3")) == "skewed"
    assert case(at(minutes(-10), "s3", expires=900)) == "accepted"
    assert case(at(minutes(-10), "s3", expires=60)) == "skewed"
    with pytest.raises(Refused) as caught:
        AUTH.caller(request := at(minutes(-6)), sigv4.read(request))
    assert "Signature expired: " in caught.value.detail
    assert "is now earlier than" in caught.value.detail
    assert caught.value.detail.endswith("- 5 min.)")


@pytest.mark.parametrize(
    ("kind", "service", "protocol", "code", "status"),
    [
        ("unknown", "sts", "query", "InvalidClientTokenId", 403),
        ("unknown", "lambda", "rest-json", "UnrecognizedClientException", 403),
        ("unknown", "logs", "json", "UnrecognizedClientException", 400),
        ("unknown", "ec2", "ec2", "AuthFailure", 401),
        ("unknown", "s3", "rest-xml", "InvalidAccessKeyId", 403),
        ("mismatch", "iam", "query", "SignatureDoesNotMatch", 403),
        ("mismatch", "lambda", "rest-json", "InvalidSignatureException", 403),
        ("missing", "sts", "query", "MissingAuthenticationToken", 403),
        ("missing", "lambda", "rest-json", "MissingAuthenticationTokenException", 403),
        ("expired", "sts", "query", "ExpiredToken", 403),
        ("expired", "lambda", "rest-json", "ExpiredTokenException", 403),
        ("skewed", "s3", "rest-xml", "RequestTimeTooSkewed", 403),
    ],
)
def test_refusals_are_each_services_own(
    kind: str, service: str, protocol: str, code: str, status: int
) -> None:
    error = refusal(kind, service, protocol, "detail")
    assert (error.code, error.status) == (code, status)


def chunks(request: Request, pieces: list[bytes], trailer: str = "") -> bytes:
    """A body in signed chunks, as an SDK sends it."""
    signature = sigv4.read(request)
    assert signature is not None
    key = sigv4.signing_key(KEY.secret, signature.date, signature.region, signature.service)
    previous, out = signature.signature, b""

    def chain(algorithm: str, *parts: bytes) -> str:
        digests = "\n".join(hashlib.sha256(part).hexdigest() for part in parts)
        text = f"{algorithm}\n{signature.timestamp}\n{signature.scope}\n{previous}\n{digests}"
        return hmac.digest(key, text.encode(), "sha256").hex()

    for piece in [*pieces, b""]:
        previous = chain("AWS4-HMAC-SHA256-PAYLOAD", b"", piece)
        out += f"{len(piece):x};chunk-signature={previous}\r\n".encode() + piece + (b"\r\n" if piece else b"")
    if trailer:
        signed = chain("AWS4-HMAC-SHA256-TRAILER", trailer.encode() + b"\n")
        out += f"{trailer}\r\nx-amz-trailer-signature:{signed}\r\n".encode()
    return out + b"\r\n"


def chunked_request(kind: str, pieces: list[bytes], trailer: str = "") -> Request:
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": "h", "x-amz-content-sha256": kind, "x-amz-date": stamp}
    scope = f"{stamp[:8]}/eu-west-1/s3/aws4_request"
    request = Request("PUT", "/b/k", "", headers, [], b"", "http", "127.0.0.1", "id")
    bare = sigv4.Signature(
        KEY.access_key_id, stamp[:8], "eu-west-1", "s3", tuple(headers), "", stamp, None, None
    )
    canonical = (
        "PUT\n/b/k\n\n"
        + "".join(f"{name}:{text}\n" for name, text in headers.items())
        + f"\n{';'.join(headers)}\n{kind}"
    )
    key = sigv4.signing_key(KEY.secret, stamp[:8], "eu-west-1", "s3")
    signature = hmac.digest(key, sigv4.string_to_sign(bare, canonical).encode(), "sha256").hex()
    request.headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={KEY.access_key_id}/{scope}, "
        f"SignedHeaders={';'.join(headers)}, Signature={signature}"
    )
    request.body = chunks(request, pieces, trailer)
    return request


def test_chunked_bodies_are_put_together_and_checked() -> None:
    pieces = [b"a" * 70_000, b"\r\n0;chunk\r\n", b"end"]
    request = chunked_request(chunked.SIGNED, pieces)
    assert case(request) == "accepted"
    assert request.body == b"".join(pieces)

    trailing = chunked_request(chunked.SIGNED_WITH_TRAILER, pieces, "x-amz-checksum-crc32:sOO8/Q==")
    assert case(trailing) == "accepted"
    assert trailing.headers["x-amz-checksum-crc32"] == "sOO8/Q=="

    for spoil in (b"aaaa", b"end", b"sOO8"):
        forged = chunked_request(chunked.SIGNED_WITH_TRAILER, pieces, "x-amz-checksum-crc32:sOO8/Q==")
        forged.body = forged.body.replace(spoil, spoil[::-1][:-1] + b"Z", 1)
        assert case(forged) == "mismatch"

    short = chunked_request(chunked.SIGNED, pieces)
    short.body = short.body[: len(short.body) // 2]
    assert case(short) in ("malformed", "mismatch")


def test_unsigned_chunks_with_a_trailer() -> None:
    request = chunked_request(chunked.UNSIGNED_WITH_TRAILER, [])
    request.body = b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n"
    assert case(request) == "accepted"
    assert request.body == b"abc"
    assert request.headers["x-amz-checksum-crc32"] == "AAAA"


def test_with_signatures_off_a_key_of_twelve_digits_is_an_account() -> None:
    off = Authenticator(lambda key, token: KNOWN.get(key), enabled=False, default_account="000000000000")
    named = sign(replace(KEY, access_key_id="222233334444", secret="any"))
    assert off.caller(named, sigv4.read(named)).account == "222233334444"
    anybody = sign(replace(KEY, access_key_id="test", secret="any"))
    assert off.caller(anybody, sigv4.read(anybody)).account == "000000000000"
    assert off.caller(anybody, None).account == "000000000000"
    known = sign(replace(KEY, secret="any"))
    assert off.caller(known, sigv4.read(known)).account == "111122223333"
