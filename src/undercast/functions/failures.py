"""How AWS words the failures that the platform itself reports for an invocation."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from typing import Protocol

_SIGNALS: dict[int, str] = {  # as Go's os/exec prints them: AWS's runtime supervisor is written in Go
    signal.SIGABRT: "aborted",
    signal.SIGALRM: "alarm clock",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGHUP: "hangup",
    signal.SIGILL: "illegal instruction",
    signal.SIGINT: "interrupt",
    signal.SIGKILL: "killed",
    signal.SIGPIPE: "broken pipe",
    signal.SIGQUIT: "quit",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGSYS: "bad system call",
    signal.SIGTERM: "terminated",
    signal.SIGTRAP: "trace/breakpoint trap",
}


class Ended(Protocol):
    """How a process ended."""

    @property
    def status(self) -> int | None: ...

    @property
    def signal(self) -> int | None: ...

    @property
    def oom_killed(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure of the platform's: its type, and its message without the request id."""

    error_type: str
    message: str
    status: str = "error"  # as in the REPORT line

    def payload(self, request_id: str) -> bytes:
        """The answer to the invocation."""
        if self.error_type == TOO_LARGE:
            return _json({"errorMessage": self.message, "errorType": self.error_type})
        text = f"RequestId: {request_id} Error: {self.message}"
        return _json({"errorType": self.error_type, "errorMessage": text})


TOO_LARGE = "Function.ResponseSizeTooLarge"


def timed_out(seconds: float) -> Failure:
    return Failure("Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds", "timeout")


def response_too_large(limit: int) -> Failure:
    text = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
    return Failure(TOO_LARGE, text)


def exited(end: Ended) -> Failure:
    """The runtime's process ended while it was needed."""
    if end.oom_killed and (end.signal == signal.SIGKILL or end.status is None):
        return Failure("Runtime.OutOfMemory", "Runtime exited with error: signal: killed")
    if end.signal is not None:
        name = _SIGNALS.get(end.signal, f"signal {end.signal}")
        return Failure("Runtime.ExitError", f"Runtime exited with error: signal: {name}")
    if end.status:
        return Failure("Runtime.ExitError", f"Runtime exited with error: exit status {end.status}")
    return Failure("Runtime.ExitError", "Runtime exited without providing a reason")


def extension_crashed(end: Ended | None) -> Failure:
    """An external extension's process ended while the environment was in use."""
    if end is None:
        return Failure("Extension.LaunchError", "permission denied")
    if end.signal is not None:
        return Failure("Extension.Crash", f"signal: {_SIGNALS.get(end.signal, end.signal)}")
    return Failure("Extension.Crash", f"exit status {end.status}")


def no_bootstrap() -> Failure:
    text = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
    return Failure("Runtime.InvalidEntrypoint", text)


def not_executable(path: str) -> Failure:
    return Failure("Runtime.InvalidEntrypoint", f"fork/exec {path}: permission denied")


def _json(value: dict[str, str]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
