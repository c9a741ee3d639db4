"""What the engine is asked to run and what it answers: functions, invocations, errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

LogLine = tuple[int, str]  # epoch milliseconds, text
LogWriter = Callable[[str, str, str, str, Sequence[LogLine]], None]  # account, region, group, stream, lines


class Credentials(NamedTuple):
    """Temporary keys of a function's role."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires: float  # epoch seconds


CredentialSource = Callable[[str, str, str], Credentials]  # role ARN, account, function name


@dataclass(frozen=True, slots=True, eq=False)
class FunctionSpec:
    """Immutable description of one function version. Two with the same `key` are the same."""

    key: str  # unique per published configuration and code; changes on every update
    arn: str  # of the function, without a qualifier
    account: str
    region: str
    name: str
    version: str  # "$LATEST" or a number
    runtime: str  # "python3.12", "nodejs20.x", "provided.al2023"
    handler: str
    code: Path  # the folder shown as /var/task
    layers: tuple[Path, ...] = ()  # folders merged at /opt, later ones win
    environment: Mapping[str, str] = field(default_factory=dict)  # the user's variables
    memory_mb: int = 128
    timeout_s: int = 3
    tmp_mb: int = 512
    log_group: str = ""  # default: /aws/lambda/NAME
    log_format: str = "Text"  # "Text" or "JSON"
    application_log_level: str | None = None
    system_log_level: str | None = None
    role_arn: str = ""
    architecture: str = "x86_64"
    hot_reload: bool = False  # `code` is a folder under development: a change means a fresh environment
    snap_start: bool = False

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FunctionSpec) and other.key == self.key


@dataclass(slots=True)
class Invocation:
    """The result of one invocation."""

    request_id: str
    payload: bytes = b""
    function_error: str | None = None  # "Unhandled" (AWS's word for every failure of a modern runtime)
    log_tail: bytes = b""  # the last 4 KB of its log, when asked for
    duration_ms: float = 0.0
    billed_ms: int = 0
    init_ms: float | None = None  # of a cold start
    restore_ms: float | None = None  # of a SnapStart restore
    memory_mb: int = 0  # most that was in use
    status: str = "success"  # "success", "error", "timeout"
    error_type: str | None = None


class StreamingInvocation:
    """An invocation whose answer arrives in pieces.

    Iterate to the end (or `close()`); then `invocation` holds the result, whose `payload` is empty unless
    the function failed after it began to answer. A failure before the first byte is known from the start:
    `failed` is true and the pieces are the error's JSON.
    """

    def __init__(
        self,
        content_type: str,
        chunks: AsyncIterator[bytes],
        invocation: Invocation,
        failed: bool = False,
        streamed: bool = True,
    ) -> None:
        self.content_type = content_type  # as the runtime gave it
        self.invocation = invocation
        self.failed = failed
        self.streamed = streamed  # the runtime answered in streaming mode
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    @property
    def function_error(self) -> str | None:
        return self.invocation.function_error

    async def close(self) -> None:
        """Stop reading: the function keeps running to its end, its remaining output is dropped."""
        closer = getattr(self._chunks, "aclose", None)
        if closer is not None:
            await closer()


class FunctionsUnavailable(Exception):
    """This machine cannot run the function; the message says why and what to do."""


class InitFailed(Exception):
    """The initialisation of an environment that was made ahead failed."""

    def __init__(self, error_type: str, reported: tuple[str, bytes] | None) -> None:
        text = reported[1].decode("utf-8", "replace") if reported else error_type
        super().__init__(text)
        self.error_type = error_type  # "Runtime.ImportModuleError"


class SnapshotRefused(Exception):
    """The function's initialised state cannot be snapshotted; the message says why."""


# "snapshot": initialised, and environments are forked from it (SnapStart)
EnvironmentState = Literal["creating", "init", "idle", "busy", "snapshot", "dead"]


@dataclass(frozen=True, slots=True)
class EngineStats:
    """How many environments are in which state, and what they hold."""

    environments: Mapping[str, int]  # by state
    frozen: int
    memory_mb: int  # peak use summed over living environments
    created: int  # since the start
    invocations: int
