"""Which runtime identifiers may be used, and for what."""

from __future__ import annotations

from undercast.services.lambda_ import errors

# Identifiers for which AWS refuses to create functions:
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html#runtimes-deprecated
DEPRECATED = frozenset(
    {
        "dotnetcore1.0",
        "dotnetcore2.0",
        "dotnetcore2.1",
        "dotnetcore3.1",
        "dotnet6",
        "go1.x",
        "java8",
        "nodejs",
        "nodejs4.3",
        "nodejs4.3-edge",
        "nodejs6.10",
        "nodejs8.10",
        "nodejs10.x",
        "nodejs12.x",
        "nodejs14.x",
        "nodejs16.x",
        "provided",
        "python2.7",
        "python3.6",
        "python3.7",
        "ruby2.5",
        "ruby2.7",
    }
)

# https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html#snapstart-runtimes
SNAP_START = frozenset(
    {"java11", "java17", "java21", "java25", "python3.12", "python3.13", "python3.14", "dotnet8", "dotnet10"}
)


def check(runtime: str) -> None:
    """Refuse a runtime AWS no longer takes."""
    if runtime in DEPRECATED:
        raise errors.invalid(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda "
            "functions. We recommend you use a supported runtime while creating or updating functions."
        )


def check_snap_start(runtime: str) -> None:
    """Refuse SnapStart on a runtime that has none."""
    if runtime not in SNAP_START:
        raise errors.invalid(f"{runtime} is not supported for SnapStart enabled functions.")
