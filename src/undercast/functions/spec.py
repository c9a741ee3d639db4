"""What an execution environment is made of: the words shared by the sandbox and the engine above it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class SandboxError(Exception):
    """An environment could not be made, or did not answer in time; the text says why."""


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """What one isolated environment is made of."""

    key: str
    """Identity of the function version it belongs to, for diagnosis."""
    runtime: str
    """AWS's identifier: "python3.12", "nodejs20.x", "provided.al2023"."""
    code: Path
    """Directory shown read-only at /var/task."""
    layers: tuple[Path, ...] = ()
    """Directories merged read-only at /opt; the later one wins."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Complete environment of the process."""
    memory_mb: int = 128
    """Memory limit of the whole environment; its share of CPU is memory / 1769 cores."""
    tmp_mb: int = 512
    """Size of /tmp."""
    argv: tuple[str, ...] | None = None
    """None: fork the runtime's zygote and run the bound bootstrap. Otherwise: execute this."""
    hold: bool = False
    """Do not start the runtime before Sandbox.start() is called; extensions come first."""
    snapshot: bool = False
    """Environments will be forked from its process (SnapStart)."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process of an environment ended."""

    status: int | None
    """Exit status, or None when a signal ended it."""
    signal: int | None = None
    """Signal number, or None."""
    oom_killed: bool = False
    """Whether the memory limit was reached and something was killed for it."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What this machine offers for one of AWS's runtime identifiers."""

    name: str
    """AWS's identifier, "python3.9"."""
    interpreter: Path | None
    """Executable as seen on the host and, at the same path, inside; None for provided.*."""
    version: str = ""
    """Version of what really runs, "3.11.7"."""
    prefix: Path | None = None
    """Directory that must be shown inside besides /usr, or None."""
    zygote: bool = False
    """Whether environments can be forked from a process that has already imported the runtime client."""
    statement: str | None = None
    """Said in the function's log and in `status` when another version stands in, else None."""
    missing: str | None = None
    """Why the runtime cannot be used on this machine and what to do about it, else None."""
    argv: tuple[str, ...] = ()
    """Command that starts the runtime client in an environment that executes; the handler is its last
    argument, to be appended. For provided.* the function's own bootstrap: /var/task/bootstrap or
    /opt/bootstrap."""


@dataclass(frozen=True, slots=True)
class Capability:
    """Whether environments can be made on this machine at all."""

    available: bool
    reason: str | None = None
    """What is missing and what to do about it."""
    notes: tuple[str, ...] = ()
    """What works less well than it could, and why."""
