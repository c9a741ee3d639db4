"""Where a function's code comes from: an uploaded archive, or a folder of this machine run as it is."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path

from undercast.services.base import AwsError, Call, Params
from undercast.services.lambda_ import errors, limits
from undercast.services.lambda_.code import StoredCode
from undercast.services.lambda_.core import Core

HOT_RELOAD = "hot-reload"  # the bucket name people know from other local clouds
_READ_BY_ALL = stat.S_IROTH | stat.S_IXOTH


def check_request_size(call: Call) -> None:
    """Refuse a request that is too large for AWS."""
    length = call.headers.get("content-length", "")
    if length.isdigit() and int(length) > limits.REQUEST:
        raise errors.entity_too_large(
            f"Request must be smaller than {limits.REQUEST} bytes for the {call.operation} operation"
        )


@contextlib.contextmanager
def source(core: Core, call: Call, code: Params) -> Iterator[StoredCode]:
    """The code a request names, kept from collection while the caller commits. Raises AWS's errors."""
    check_request_size(call)
    if code.get("ZipFile") is not None:
        with archived(core, call, code["ZipFile"]) as stored:
            yield stored
    elif code.get("S3Bucket"):
        yield StoredCode("", 0, 0, _live_folder(core, code))
    else:
        raise errors.invalid("Please provide a source for function code.")


@contextlib.contextmanager
def archived(core: Core, call: Call, zipped: bytes) -> Iterator[StoredCode]:
    """An uploaded archive, if the account's storage has room for it."""
    used = core.directory.code_size(call.account, call.region)
    if used + len(zipped) > limits.STORAGE:
        raise AwsError(
            "CodeStorageExceededException",
            f"Code storage limit exceeded: {limits.STORAGE} bytes per account and region.",
            400,
            Type="User",
        )
    with core.code.stored(zipped) as stored:
        yield stored


def refuse_bucket(bucket: str) -> AwsError:
    """The answer for code in S3: no bucket exists here."""
    return errors.invalid(
        "Error occurred while GetObject. S3 Error Code: NoSuchBucket. "
        "S3 Error Message: The specified bucket does not exist"
    )


def _live_folder(core: Core, code: Params) -> str:
    if code["S3Bucket"] != HOT_RELOAD:
        raise refuse_bucket(code["S3Bucket"])
    allowed = core.settings.functions_hot_reload
    if not (core.settings.loopback if allowed is None else allowed):
        raise errors.unsupported(
            f"S3Bucket {HOT_RELOAD} on a server others can reach", "Set functions_hot_reload to allow it."
        )
    key = code.get("S3Key") or ""
    if not key.startswith("/"):
        raise errors.invalid(f"With S3Bucket {HOT_RELOAD}, S3Key must be an absolute path; got '{key}'.")
    folder = Path(key).resolve()
    if not folder.is_dir() or folder == Path("/"):
        raise errors.invalid(f"With S3Bucket {HOT_RELOAD}, S3Key must be a folder; there is none at '{key}'.")
    data = core.settings.data.resolve()
    if folder.is_relative_to(data) or data.is_relative_to(folder):
        raise errors.invalid(f"The folder '{key}' holds Undercast's own data and cannot run as code.")
    if folder.stat().st_mode & _READ_BY_ALL != _READ_BY_ALL:
        raise errors.invalid(f"The function's user cannot read the folder '{key}'. Run: chmod o+rx '{key}'")
    return str(folder)
