"""How a function version is started: by which runtime, with which command, together with which extensions."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from undercast.functions import failures
from undercast.functions.failures import Failure
from undercast.functions.function import FunctionSpec
from undercast.functions.spec import Runtime, SandboxSpec

_BOOTSTRAPS = ("/var/task/bootstrap", "/opt/bootstrap")


@dataclass(frozen=True, slots=True)
class Entry:
    """What to start in a function's sandbox."""

    argv: tuple[str, ...] | None  # None: fork the runtime's zygote
    extensions: list[str]  # names of the executables in /opt/extensions
    runtime_version: str  # as INIT_START says: "python:3.11.2"
    statement: str | None = None  # said in the log: another version of the runtime stands in
    broken: Failure | None = None  # there is no usable entry point: every invocation fails so
    variables: dict[str, str] = field(default_factory=dict)  # the runtime client's own


def runtime_version_arn(region: str, runtime: str) -> str:
    """A stable stand-in for AWS's ARN of a runtime version: there is one version of each runtime here."""
    digest = hashlib.sha256(runtime.encode()).hexdigest()
    return f"arn:aws:lambda:{region}::runtime:{digest}"


def sandbox_spec(spec: FunctionSpec, entry: Entry, env: Mapping[str, str], snapshot: bool) -> SandboxSpec:
    """The sandbox for it. A runtime is held back until the external extensions are there."""
    return SandboxSpec(
        key=spec.key,
        runtime=spec.runtime,
        code=spec.code,
        layers=spec.layers,
        env=env,
        memory_mb=spec.memory_mb,
        tmp_mb=spec.tmp_mb,
        argv=entry.argv,
        hold=bool(entry.extensions),
        snapshot=snapshot,
    )


def find(spec: FunctionSpec, runtime: Runtime) -> Entry:
    """Looks at the function's files and at what its runtime is on this machine."""
    extensions = _extensions(spec.layers)
    family = spec.runtime.rstrip("0123456789.x") if not spec.runtime.startswith("provided") else spec.runtime
    version = f"{family}:{runtime.version}" if runtime.version else spec.runtime.replace(".", ":", 1)
    wrapper = spec.environment.get("AWS_LAMBDA_EXEC_WRAPPER")
    if spec.runtime.startswith("provided"):
        path, broken = _bootstrap(spec)
        return Entry((path,), extensions, version, runtime.statement, broken)
    if runtime.zygote and not wrapper:
        return Entry(None, extensions, version, runtime.statement)
    argv = (*runtime.argv, spec.handler)
    if wrapper:
        argv = (wrapper, *argv)
    # the runtime clients frame their log records on this descriptor: one record, one log event. Python's
    # closes it at the end, which must not be its standard output
    telemetry = "2" if spec.runtime.startswith("python") else "1"
    return Entry(argv, extensions, version, runtime.statement, None, {"_LAMBDA_TELEMETRY_LOG_FD": telemetry})


def _extensions(layers: tuple[Path, ...]) -> list[str]:
    names: set[str] = set()
    for layer in layers:
        try:
            entries = list(os.scandir(layer / "extensions"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        names.update(entry.name for entry in entries if entry.is_file())
    return sorted(names)


def _bootstrap(spec: FunctionSpec) -> tuple[str, Failure | None]:
    """The custom runtime's entry point, the function's or else a layer's, and why it cannot start."""
    path, roots = _BOOTSTRAPS[0], [spec.code]
    if not (spec.code / "bootstrap").is_file():
        path, roots = _BOOTSTRAPS[1], list(spec.layers)
    files = [root / "bootstrap" for root in roots if (root / "bootstrap").is_file()]
    if not files:
        return _BOOTSTRAPS[0], failures.no_bootstrap()
    # the last layer lies on top; without any execute bit not even root may start a file
    executable = files[-1].stat().st_mode & 0o111
    return path, None if executable else failures.not_executable(path)
