"""SSH keys: made, read and fingerprinted as EC2 does it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey
RSA_SIZES = (1024, 2048, 4096)


class BadKey(ValueError):
    """The text is not a public key EC2 takes."""


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key pair. `private` is the text of the .pem or .ppk file."""

    public: PublicKey
    private: str
    fingerprint: str


def make(key_type: str, key_format: str) -> MadeKey:
    """A new key of type "rsa" or "ed25519", written as "pem" or "ppk"."""
    if key_type == "ed25519":
        private = ed25519.Ed25519PrivateKey.generate()
        public = private.public_key()
        text = _ed25519_ppk(private) if key_format == "ppk" else _pem(private)
        return MadeKey(public, text, fingerprint(public))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    der = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # Pairs that EC2 makes carry the SHA-1 of the private key, imported ones the MD5 of the public one.
    print_ = _colons(hashlib.sha1(der, usedforsecurity=False).hexdigest())
    return MadeKey(key.public_key(), _rsa_ppk(key) if key_format == "ppk" else _pem(key), print_)


def read(material: bytes) -> PublicKey:
    """The public key in `material`: OpenSSH's line, RFC 4716 or DER (as base64 or raw).

    Raises BadKey for anything else, and for kinds and sizes EC2 does not take.
    """
    key = _parse(material.strip())
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in RSA_SIZES:
        return key
    raise BadKey("Key is not in valid OpenSSH public key format")


def _parse(material: bytes) -> object:
    try:
        if material.startswith(b"---- BEGIN SSH2 PUBLIC KEY ----"):
            body = b"".join(
                line for line in material.splitlines()[1:-1] if b":" not in line and not line.endswith(b"\\")
            )
            kind = base64.b64decode(body)[4 : 4 + struct.unpack(">I", base64.b64decode(body)[:4])[0]]
            return serialization.load_ssh_public_key(kind + b" " + body)
        if material.startswith((b"ssh-", b"ecdsa-")):
            return serialization.load_ssh_public_key(material.splitlines()[0])
        if material.startswith(b"-----BEGIN"):
            return serialization.load_pem_public_key(material)
        der = material if material[:1] == b"\x30" else base64.b64decode(material, validate=True)
        return serialization.load_der_public_key(der)
    except (ValueError, struct.error, UnsupportedAlgorithm, IndexError) as error:
        raise BadKey("Key is not in valid OpenSSH public key format") from error


def kind(key: PublicKey) -> str:
    """ "rsa" or "ed25519"."""
    return "rsa" if isinstance(key, rsa.RSAPublicKey) else "ed25519"


def fingerprint(key: PublicKey) -> str:
    """The fingerprint of an imported key, and of any ED25519 key.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/verify-keys.html
    """
    if isinstance(key, ed25519.Ed25519PublicKey):
        blob = base64.b64decode(openssh(key).split()[1])
        return base64.b64encode(hashlib.sha256(blob).digest()).decode()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _colons(hashlib.md5(der, usedforsecurity=False).hexdigest())


def openssh(key: PublicKey, comment: str = "") -> str:
    """The line for an authorized_keys file."""
    line = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    return f"{line} {comment}".strip()


def _colons(digest: str) -> str:
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def _pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    """RSA keys in the traditional form, as EC2 without a newline at the end.

    ED25519 keys in OpenSSH's form: there is no other ssh reads, and it reads that one with its newline only.
    """
    if isinstance(key, rsa.RSAPrivateKey):
        return _text(key, serialization.PrivateFormat.TraditionalOpenSSL).strip()
    return _text(key, serialization.PrivateFormat.OpenSSH)


def _text(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, form: serialization.PrivateFormat) -> str:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


# PuTTY's format, version 2: https://the.earth.li/~sgtatham/putty/0.80/htmldoc/AppendixC.html


def _rsa_ppk(key: rsa.RSAPrivateKey) -> str:
    numbers = key.private_numbers()
    private = b"".join(_mpint(n) for n in (numbers.d, numbers.p, numbers.q, numbers.iqmp))
    return _ppk("ssh-rsa", key.public_key(), private)


def _ed25519_ppk(key: ed25519.Ed25519PrivateKey) -> str:
    return _ppk("ssh-ed25519", key.public_key(), _string(key.private_bytes_raw()))


def _ppk(algorithm: str, public: PublicKey, private: bytes) -> str:
    comment = "imported-openssh-key"
    blob = base64.b64decode(openssh(public).split()[1])
    signed = b"".join(
        _string(part) for part in (algorithm.encode(), b"none", comment.encode(), blob, private)
    )
    mac_key = hashlib.sha1(b"putty-private-key-file-mac-key", usedforsecurity=False).digest()
    lines = [f"PuTTY-User-Key-File-2: {algorithm}", "Encryption: none", f"Comment: {comment}"]
    for name, data in (("Public", blob), ("Private", private)):
        text = base64.b64encode(data).decode()
        rows = [text[i : i + 64] for i in range(0, len(text), 64)]
        lines += [f"{name}-Lines: {len(rows)}", *rows]
    lines.append(f"Private-MAC: {hmac.new(mac_key, signed, 'sha1').hexdigest()}")
    return "\n".join(lines)


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _mpint(number: int) -> bytes:
    return _string(number.to_bytes(number.bit_length() // 8 + 1, "big"))
