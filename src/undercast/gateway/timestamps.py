"""Timestamps in the formats AWS uses: iso8601, unixTimestamp, rfc822."""

from __future__ import annotations

import datetime as dt
import email.utils
import math

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def parse(value: object, fmt: str | None = None) -> dt.datetime:
    """An aware datetime from what a client sent; any known format is taken, as AWS's own parsers do.

    Raises ValueError.
    """
    if isinstance(value, dt.datetime):
        return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _from_epoch(float(value))
    if not isinstance(value, str):
        raise ValueError(f"not a timestamp: {value!r}")
    text = value.strip()
    try:
        return _from_epoch(float(text))
    except ValueError:
        pass
    try:
        parsed = dt.datetime.fromisoformat(text)
    except ValueError:
        parsed = email.utils.parsedate_to_datetime(text)
    return parsed.astimezone(dt.UTC) if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)


def _from_epoch(seconds: float) -> dt.datetime:
    if not math.isfinite(seconds):
        raise ValueError("not a timestamp")
    try:
        return _EPOCH + dt.timedelta(seconds=seconds)
    except OverflowError as error:
        raise ValueError("timestamp out of range") from error


def iso8601(value: object) -> str:
    """`2024-05-01T10:20:30Z`, with milliseconds only when there are any."""
    moment = parse(value).astimezone(dt.UTC)
    if moment.microsecond:
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def iso8601_millis(value: object) -> str:
    """`2024-05-01T10:20:30.000Z`: the form of EC2 and S3, which always show milliseconds."""
    return parse(value).astimezone(dt.UTC).isoformat(timespec="milliseconds")[:23] + "Z"


def rfc822(value: object) -> str:
    """`Wed, 01 May 2024 10:20:30 GMT`."""
    return email.utils.format_datetime(parse(value).astimezone(dt.UTC), usegmt=True)


def unix(value: object) -> int | float:
    """Seconds since 1970, with milliseconds as a fraction when there are any."""
    seconds = round((parse(value) - _EPOCH).total_seconds(), 3)
    return int(seconds) if seconds == int(seconds) else seconds


def render(value: object, fmt: str) -> str | int | float:
    """A timestamp in the format a model names. A datetime, a number of seconds or a text is taken."""
    if fmt == "unixTimestamp":
        return unix(value)
    if fmt == "rfc822":
        return rfc822(value)
    return iso8601(value)
