"""The errors of the HTTP APIs' control plane, in AWS's words."""

from __future__ import annotations

from undercast.services.base import AwsError


def bad_request(message: str) -> AwsError:
    return AwsError("BadRequestException", message, 400)


def conflict(message: str) -> AwsError:
    return AwsError("ConflictException", message, 409)


def not_found(message: str, kind: str = "") -> AwsError:
    """A missing resource. `kind` is the modelled member ResourceType."""
    return AwsError("NotFoundException", message, 404, **({"ResourceType": kind} if kind else {}))


def too_many(message: str) -> AwsError:
    """A quota is reached."""
    return AwsError("TooManyRequestsException", message, 429, LimitType="Resource")


def unsupported(feature: str, instead: str = "") -> AwsError:
    """A feature that is not there, refused by its name."""
    hint = f" {instead}" if instead else ""
    return bad_request(f"{feature} is not supported by Undercast.{hint}")
