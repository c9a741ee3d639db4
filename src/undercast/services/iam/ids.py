"""Identifiers and secrets in IAM's forms.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""

from __future__ import annotations

import base64
import binascii
import secrets
import string

_ID = string.ascii_uppercase + "234567"
_SECRET = string.ascii_letters + string.digits + "+/"
PREFIXES = {
    "role": "AROA",
    "user": "AIDA",
    "group": "AGPA",
    "policy": "ANPA",
    "instance-profile": "AIPA",
}


def unique_id(kind: str) -> str:
    """A new unique id: "AROA" and 17 characters for a role, and so on."""
    return PREFIXES[kind] + _random(_ID, 17)


def access_key_id(*, temporary: bool = False) -> str:
    """A new access key id of 20 characters."""
    return ("ASIA" if temporary else "AKIA") + _random(_ID, 16)


def secret_key() -> str:
    """A new secret access key of 40 characters."""
    return _random(_SECRET, 40)


def encode_token(sealed: bytes) -> str:
    """Bytes as the text of a session token."""
    return base64.urlsafe_b64encode(sealed).decode()


def decode_token(text: str) -> bytes:
    """The bytes in a session token's text. Raises ValueError."""
    try:
        return base64.urlsafe_b64decode(text)
    except binascii.Error as error:
        raise ValueError("not a session token") from error


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
