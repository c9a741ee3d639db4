"""The functions engine: takes a function version and an event, answers with what the function returned."""

from __future__ import annotations

from undercast.functions.function import (
    Credentials,
    CredentialSource,
    EngineStats,
    FunctionSpec,
    FunctionsUnavailable,
    Invocation,
    LogLine,
    LogWriter,
    SnapshotRefused,
    StreamingInvocation,
)

__all__ = [
    "CredentialSource",
    "Credentials",
    "Engine",
    "EngineStats",
    "FunctionSpec",
    "FunctionsUnavailable",
    "Invocation",
    "LogLine",
    "LogWriter",
    "SnapshotRefused",
    "StreamingInvocation",
]


class Engine:
    """Runs function versions in isolated environments, which it makes, reuses and discards."""
