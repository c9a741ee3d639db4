"""What the platform says in a function's log: INIT_START, START, END, REPORT, as text or as JSON records."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import Any, Protocol

from undercast.functions.function import FunctionSpec, Invocation

# Levels of the platform's records, and the order in which a function's system log level filters them.
_LEVELS = {"DEBUG": 10, "INFO": 20, "WARN": 30}


def timestamp(at: float | None = None) -> str:
    """ISO 8601 in UTC with milliseconds, as AWS prints it."""
    moment = dt.datetime.fromtimestamp(time.time() if at is None else at, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


class PlatformLog(Protocol):
    """The platform's side of a function's log. Each method returns log events to add, in order."""

    def init_start(self, phase: str) -> list[str]: ...

    def init_done(self, millis: float, phase: str, status: str, error_type: str | None) -> list[str]: ...

    def restore_start(self) -> list[str]: ...

    def restore_done(self, millis: float, status: str, error_type: str | None) -> list[str]: ...

    def start(self, request_id: str) -> str | None: ...

    def end(self, invocation: Invocation) -> list[str]: ...

    def extension(self, name: str, state: str, events: list[str], error_type: str | None) -> list[str]: ...

    def fault(self, request_id: str, message: str, error_type: str | None) -> list[str]: ...


class Runtime(Protocol):
    """What a log says about the runtime."""

    runtime_version: str  # "python:3.11.2"
    runtime_version_arn: str
    initialization_type: str  # "on-demand", "provisioned-concurrency", "snap-start"


class TextLog:
    """The classic format."""

    def __init__(self, spec: FunctionSpec, runtime: Runtime) -> None:
        self._runtime = runtime
        self._version = spec.version
        self._memory = f"\tMemory Size: {spec.memory_mb} MB\tMax Memory Used: "

    def init_start(self, phase: str) -> list[str]:
        if phase == "invoke":
            return []
        return [f"INIT_START {self._versions()}\n"]

    def init_done(self, millis: float, phase: str, status: str, error_type: str | None) -> list[str]:
        if status == "success":
            return []
        text = f"INIT_REPORT Init Duration: {millis:.2f} ms\tPhase: {phase}\tStatus: {status}"
        return [text + (f"\tError Type: {error_type}\n" if error_type else "\n")]

    def restore_start(self) -> list[str]:
        return [f"RESTORE_START {self._versions()}\n"]

    def restore_done(self, millis: float, status: str, error_type: str | None) -> list[str]:
        if status == "success":
            return [f"RESTORE_REPORT Restore Duration: {millis:.2f} ms\n"]
        text = f"RESTORE_REPORT Restore Duration: {millis:.2f} ms\tStatus: {status}"
        return [text + (f"\tError Type: {error_type}\n" if error_type else "\n")]

    def start(self, request_id: str) -> str | None:
        return f"START RequestId: {request_id} Version: {self._version}\n"

    def end(self, invocation: Invocation) -> list[str]:
        request_id = invocation.request_id
        report = (
            f"REPORT RequestId: {request_id}\tDuration: {invocation.duration_ms:.2f} ms"
            f"\tBilled Duration: {invocation.billed_ms} ms{self._memory}{invocation.memory_mb} MB\t"
        )
        if invocation.init_ms is not None:
            report += f"Init Duration: {invocation.init_ms:.2f} ms\t"
        if invocation.restore_ms is not None:
            report += f"Restore Duration: {invocation.restore_ms:.2f} ms\t"
            report += f"Billed Restore Duration: {int(invocation.restore_ms) + 1} ms\t"
        if invocation.status != "success":
            report += f"Status: {invocation.status}\t"
            if invocation.error_type is not None and invocation.status == "error":
                report += f"Error Type: {invocation.error_type}\t"
        return [f"END RequestId: {request_id}\n", report + "\n"]

    def extension(self, name: str, state: str, events: list[str], error_type: str | None) -> list[str]:
        text = f"EXTENSION\tName: {name}\tState: {state}\tEvents: [{', '.join(events)}]"
        return [text + (f"\tError Type: {error_type}\n" if error_type else "\n")]

    def fault(self, request_id: str, message: str, error_type: str | None) -> list[str]:
        if error_type is None:
            return [f"{timestamp()} {request_id} {message}\n\n"]
        return [f"RequestId: {request_id} Error: {message}\n{error_type}\n"]

    def _versions(self) -> str:
        return (
            f"Runtime Version: {self._runtime.runtime_version}"
            f"\tRuntime Version ARN: {self._runtime.runtime_version_arn}"
        )


class JsonLog:
    """The JSON format: `platform.*` records, filtered by the function's system log level."""

    def __init__(self, spec: FunctionSpec, runtime: Runtime) -> None:
        self._spec = spec
        self._runtime = runtime
        self._threshold = _LEVELS.get(spec.system_log_level or "INFO", 20)

    def init_start(self, phase: str) -> list[str]:
        return self._record("platform.initStart", "INFO", self._origin(phase))

    def init_done(self, millis: float, phase: str, status: str, error_type: str | None) -> list[str]:
        kind = self._runtime.initialization_type
        record: dict[str, Any] = {"initializationType": kind, "phase": phase, "status": status}
        if error_type:
            record["errorType"] = error_type
        good = status == "success"
        report_level = "WARN" if not good else "DEBUG" if kind == "on-demand" else "INFO"
        report = {**record, "metrics": {"durationMs": round(millis, 3)}}
        return [
            *self._record("platform.initRuntimeDone", "DEBUG" if good else "WARN", record),
            *self._record("platform.initReport", report_level, report),
        ]

    def restore_start(self) -> list[str]:
        origin = self._origin("restore")
        del origin["phase"], origin["initializationType"]
        return self._record("platform.restoreStart", "INFO", origin)

    def restore_done(self, millis: float, status: str, error_type: str | None) -> list[str]:
        record: dict[str, Any] = {"status": status}
        if error_type:
            record["errorType"] = error_type
        good = status == "success"
        report = {**record, "metrics": {"durationMs": round(millis, 3)}}
        return [
            *self._record("platform.restoreRuntimeDone", "DEBUG" if good else "WARN", record),
            *self._record("platform.restoreReport", "INFO" if good else "WARN", report),
        ]

    def start(self, request_id: str) -> str | None:
        record = {"requestId": request_id, "version": self._spec.version}
        return "".join(self._record("platform.start", "INFO", record)) or None

    def end(self, invocation: Invocation) -> list[str]:
        good = invocation.status == "success"
        record: dict[str, Any] = {"requestId": invocation.request_id, "status": invocation.status}
        if invocation.status == "error" and invocation.error_type:
            record["errorType"] = invocation.error_type
        duration = round(invocation.duration_ms, 3)
        done = {**record, "metrics": {"durationMs": duration, "producedBytes": len(invocation.payload)}}
        metrics: dict[str, Any] = {
            "durationMs": duration,
            "billedDurationMs": invocation.billed_ms,
            "memorySizeMB": self._spec.memory_mb,
            "maxMemoryUsedMB": invocation.memory_mb,
        }
        if invocation.init_ms is not None:
            metrics["initDurationMs"] = round(invocation.init_ms, 3)
        if invocation.restore_ms is not None:
            metrics["restoreDurationMs"] = round(invocation.restore_ms, 3)
            metrics["billedRestoreDurationMs"] = int(invocation.restore_ms) + 1
        report = {"requestId": invocation.request_id, "metrics": metrics, **record}
        return [
            *self._record("platform.runtimeDone", "DEBUG" if good else "WARN", done),
            *self._record("platform.report", "INFO" if good else "WARN", report),
        ]

    def extension(self, name: str, state: str, events: list[str], error_type: str | None) -> list[str]:
        record: dict[str, Any] = {"name": name, "state": state, "events": events}
        if error_type:
            record["errorType"] = error_type
        return self._record("platform.extension", "INFO" if state == "Ready" else "WARN", record)

    def fault(self, request_id: str, message: str, error_type: str | None) -> list[str]:
        text = f"RequestId: {request_id} Error: {message}" if error_type else f"{request_id} {message}"
        if error_type:
            text += f"\n{error_type}"
        record = {"timestamp": timestamp(), "level": "ERROR", "message": text}
        return [json.dumps(record, separators=(",", ":")) + "\n"]

    def _origin(self, phase: str) -> dict[str, Any]:
        return {
            "initializationType": self._runtime.initialization_type,
            "phase": phase,
            "runtimeVersion": self._runtime.runtime_version,
            "runtimeVersionArn": self._runtime.runtime_version_arn,
            "functionName": self._spec.name,
            "functionVersion": self._spec.version,
        }

    def _record(self, kind: str, level: str, record: dict[str, Any]) -> list[str]:
        if _LEVELS[level] < self._threshold:
            return []
        line = {"time": timestamp(), "type": kind, "record": record}
        return [json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n"]
