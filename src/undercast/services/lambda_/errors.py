"""Lambda's errors, worded as AWS words them."""

from __future__ import annotations

from undercast.services.base import AwsError

CREATING = "The function is being created."
NO_RESOURCE = "The resource you requested does not exist."


def invalid(message: str) -> AwsError:
    """400: a parameter has a value that makes no sense here."""
    return AwsError("InvalidParameterValueException", message, 400, Type="User")


def missing(message: str) -> AwsError:
    """404."""
    return AwsError("ResourceNotFoundException", message, 404, Type="User")


def conflict(message: str) -> AwsError:
    """409."""
    return AwsError("ResourceConflictException", message, 409, Type="User")


def validation(value: object, field: str, constraint: str) -> AwsError:
    """400 for a member outside its pattern, range or set. It has no `Type`, unlike every other error."""
    return AwsError(
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: "
        f"{constraint}",
    )


def function_missing(arn: str) -> AwsError:
    """404 for a function, version or alias."""
    return missing(f"Function not found: {arn}")


def stale_revision() -> AwsError:
    """412: somebody else changed it in between."""
    return AwsError(
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
        412,
        Type="User",
    )


def throttled(reason: str) -> AwsError:
    """429, with the limit that was reached."""
    return AwsError("TooManyRequestsException", "Rate Exceeded.", 429, Type="User", Reason=reason)


def request_too_large(limit: int) -> AwsError:
    """413 for an invocation payload."""
    return AwsError(
        "RequestTooLargeException",
        f"Request must be smaller than {limit} bytes for the InvokeFunction operation",
        413,
        Type="User",
    )


def entity_too_large(message: str) -> AwsError:
    """413 for a deployment package."""
    return AwsError("RequestEntityTooLargeException", message, 413, Type="User")


def not_authorized(principal: str, action: str, resource: str) -> AwsError:
    """403 for a caller of another account."""
    return AwsError(
        "AccessDeniedException",
        f"User: {principal} is not authorized to perform: {action} on resource: {resource} "
        f"because no resource-based policy allows the {action} action",
        403,
    )


def unsupported(what: str, instead: str) -> AwsError:
    """400 for what Undercast does not do, naming it and what to do about it."""
    return invalid(f"{what} is not supported by Undercast. {instead}")


def signing_missing(arn: str) -> AwsError:
    """404: there are no code signing configurations here, so the one named does not exist."""
    return AwsError(
        "CodeSigningConfigNotFoundException",
        "The code signing configuration cannot be found. "
        f"Check that the provided configuration is not deleted: {arn}.",
        404,
        Type="User",
    )
