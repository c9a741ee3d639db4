"""Who a request is from: its signature checked against the stored keys, refused in AWS's words."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from functools import lru_cache

from undercast.gateway import chunked, sigv4
from undercast.gateway.request import Request
from undercast.gateway.sigv4 import Signature
from undercast.services.base import AwsError, Caller
from undercast.services.iam.credentials import Credential

_SKEW = dt.timedelta(minutes=5)
_S3_SKEW = dt.timedelta(minutes=15)
_ACCOUNT = re.compile(r"\d{12}")

_INVALID_TOKEN = "The security token included in the request is invalid."  # noqa: S105 - AWS's words
_NO_MATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)
_EC2_REFUSED = ("AuthFailure", "AWS was not able to validate the provided access credentials", 401)

# What went wrong → the answer of each family of protocols: (code, message, status). A message that is None
# is the detail of the case.
_Answer = tuple[str, str | None, int]
_ANSWERS: dict[str, dict[str, _Answer]] = {
    "missing": {
        "query": ("MissingAuthenticationToken", "Request is missing Authentication Token", 403),
        "json": ("MissingAuthenticationTokenException", "Missing Authentication Token", 400),
        "rest": ("MissingAuthenticationTokenException", "Missing Authentication Token", 403),
        "ec2": ("MissingParameter", "The request must contain the parameter AWSAccessKeyId", 400),
        "s3": ("AccessDenied", "Access Denied", 403),
    },
    "incomplete": {
        "query": ("IncompleteSignature", None, 400),
        "json": ("IncompleteSignatureException", None, 400),
        "rest": ("IncompleteSignatureException", None, 403),
        "ec2": ("IncompleteSignature", None, 400),
        "s3": ("AuthorizationHeaderMalformed", None, 400),
    },
    "unknown": {
        "query": ("InvalidClientTokenId", _INVALID_TOKEN, 403),
        "json": ("UnrecognizedClientException", _INVALID_TOKEN, 400),
        "rest": ("UnrecognizedClientException", _INVALID_TOKEN, 403),
        "ec2": _EC2_REFUSED,
        "s3": (
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
            403,
        ),
    },
    "mismatch": {
        "query": ("SignatureDoesNotMatch", _NO_MATCH, 403),
        "json": ("InvalidSignatureException", _NO_MATCH, 400),
        "rest": ("InvalidSignatureException", _NO_MATCH, 403),
        "ec2": _EC2_REFUSED,
        "s3": (
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
            403,
        ),
    },
    "skewed": {
        "query": ("SignatureDoesNotMatch", None, 403),
        "json": ("InvalidSignatureException", None, 400),
        "rest": ("InvalidSignatureException", None, 403),
        "ec2": ("RequestExpired", "Request has expired.", 400),
        "s3": (
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            403,
        ),
    },
    "malformed": {
        "query": ("MalformedInput", None, 400),
        "json": ("SerializationException", None, 400),
        "rest": ("SerializationException", None, 400),
        "ec2": ("MalformedInput", None, 400),
        "s3": ("IncompleteBody", None, 400),
    },
    "expired": {
        "query": ("ExpiredToken", "The security token included in the request is expired", 403),
        "json": ("ExpiredTokenException", "The security token included in the request is expired", 400),
        "rest": ("ExpiredTokenException", "The security token included in the request is expired", 403),
        "ec2": ("RequestExpired", "Request has expired.", 400),
        "s3": ("ExpiredToken", "The provided token has expired.", 400),
    },
}

_FAMILIES = {
    "query": "query",
    "ec2": "ec2",
    "json": "json",
    "smithy-rpc-v2-cbor": "json",
    "rest-json": "rest",
}


def refusal(case: str, service: str, protocol: str, detail: str = "") -> AwsError:
    """The error of a case ("missing", "unknown", ...) as a service answers it."""
    family = "s3" if service == "s3" else _FAMILIES.get(protocol, "query")
    code, message, status = _ANSWERS[case][family]
    return AwsError(code, message if message is not None else detail, status)


class Refused(Exception):
    """Authentication failed: the case, and AWS's detail where it has one."""

    def __init__(self, case: str, detail: str = "") -> None:
        super().__init__(case)
        self.case = case
        self.detail = detail


class Authenticator:
    """Checks signatures. `find` looks a credential up by key id and session token, in memory."""

    def __init__(
        self, find: Callable[[str, str | None], Credential | None], enabled: bool, default_account: str
    ) -> None:
        self._find = find
        self._enabled = enabled
        self._default_account = default_account

    def caller(self, request: Request, signature: Signature | None) -> Caller:
        """Who sent the request. Raises `Refused`."""
        if not self._enabled:
            _unpack(request, None, None)
            return self._trusted(signature)
        if signature is None:
            raise Refused("missing")
        now = dt.datetime.now(dt.UTC)
        _check_time(signature, now)
        credential = self._find(signature.access_key_id, signature.token)
        # A long-lived key comes without a token: one left over from another session is refused, as on AWS.
        if credential is None or credential.session_token != (signature.token or None):
            raise Refused("unknown")
        if not sigv4.matches(signature, credential.secret, request):
            raise Refused("mismatch")
        if credential.expires is not None and credential.expires <= now.timestamp():
            raise Refused("expired")
        _unpack(request, signature, credential.secret)
        return Caller(
            credential.account, credential.principal_arn, credential.principal_id, credential.access_key_id
        )

    def _trusted(self, signature: Signature | None) -> Caller:
        """With signatures off: whoever the key id says, a twelve-digit one being an account."""
        key_id = signature.access_key_id if signature is not None else ""
        if signature is not None and (known := self._find(key_id, signature.token)) is not None:
            return Caller(known.account, known.principal_arn, known.principal_id, key_id)
        account = key_id if _ACCOUNT.fullmatch(key_id) else self._default_account
        return Caller(account, f"arn:aws:iam::{account}:root", account, key_id)


def _unpack(request: Request, signature: Signature | None, secret: str | None) -> None:
    if not chunked.is_chunked(request):
        return
    try:
        chunked.unpack(request, signature, secret)
    except chunked.Forged as error:
        raise Refused("mismatch") from error
    except chunked.Malformed as error:
        raise Refused("malformed", f"The request body is malformed: {error}.") from error


@lru_cache(maxsize=256)
def _moment(stamp: str) -> dt.datetime:
    # Kept, for strptime is slow and the requests of one second have one stamp.
    return dt.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)


def _stamp(moment: dt.datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%SZ")


def _check_time(signature: Signature, now: dt.datetime) -> None:
    try:
        signed = _moment(signature.timestamp)
    except ValueError as error:
        raise Refused(
            "incomplete", f"Date must be in ISO-8601 'basic format'. Got '{signature.timestamp}'."
        ) from error
    if signature.date != signature.timestamp[:8]:
        raise Refused(
            "mismatch",
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{signature.date}' != '{signature.timestamp[:8]}'.",
        )
    skew = _S3_SKEW if signature.service == "s3" else _SKEW
    minutes = int(skew.total_seconds() // 60)
    lasting = skew if signature.expires is None else dt.timedelta(seconds=signature.expires)
    if signed + lasting < now:
        if signature.expires is not None:
            raise Refused(
                "skewed", f"Signature expired: {signature.timestamp} is now earlier than {_stamp(now)}"
            )
        raise Refused(
            "skewed",
            f"Signature expired: {signature.timestamp} is now earlier than {_stamp(now - skew)} "
            f"({_stamp(now)} - {minutes} min.)",
        )
    if signed > now + skew:
        raise Refused(
            "skewed",
            f"Signature not yet current: {signature.timestamp} is still later than {_stamp(now + skew)} "
            f"({_stamp(now)} + {minutes} min.)",
        )
