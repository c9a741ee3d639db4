"""The seam between EC2 and Incus: plain descriptions of machines, images and what was seen of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class NicSpec:
    """One routed interface: the host sees every packet of it on `host_name`.

    `device` is the name inside ("eth0"), `host_name` the veth outside (15 characters at most, unique on the
    host), `address` the one IPv4 address the host routes to it.
    """

    device: str
    host_name: str
    mac: str
    address: str


@dataclass(frozen=True, slots=True)
class MachineFile:
    """A file put into a machine before its first boot; ids are the ones seen inside."""

    content: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """All a machine needs to come into being.

    `image` is a fingerprint or an alias in our project. `root_gib` 0 leaves the root disk unbounded.
    `ssh_authorized_keys` go to the image's login user. `files` are keyed by absolute path. `labels` are kept
    on the machine and come back in `MachineState.labels`. `root_snapshot` names a volume snapshot to make the
    root disk from instead of the image's own contents.
    """

    name: str
    account: str
    image: str
    vcpus: int
    memory_mib: int
    root_gib: int
    nics: tuple[NicSpec, ...]
    hostname: str
    ssh_authorized_keys: tuple[str, ...] = ()
    files: Mapping[str, MachineFile] = field(default_factory=dict)
    user_data: bytes | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()
    root_snapshot: str | None = None


class Power(StrEnum):
    """What a machine is doing, in Incus's own terms reduced to what matters.

    BUSY is between two others: also a machine that a crash of Incus ended, until it is started again.
    """

    RUNNING = "running"
    STOPPED = "stopped"
    FROZEN = "frozen"
    ERROR = "error"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class MachineState:
    """A machine as it is now. `labels` are those of its `MachineSpec`."""

    name: str
    power: Power
    labels: Mapping[str, str]
    created: datetime | None = None
    started: datetime | None = None


class EventKind(StrEnum):
    """What happened to a machine. RESYNC means events may have been missed: read `states()` again."""

    CREATED = "created"
    STARTED = "started"
    STOPPED = "stopped"
    REBOOTED = "rebooted"
    FROZEN = "frozen"
    THAWED = "thawed"
    DELETED = "deleted"
    RESYNC = "resync"


@dataclass(frozen=True, slots=True)
class MachineEvent:
    """Something happened to the machine `name` (empty for RESYNC)."""

    name: str
    kind: EventKind


@dataclass(frozen=True, slots=True)
class MachineImage:
    """An image machines are made from. `ami_id` is stable for the same contents (or the same recipe)."""

    fingerprint: str
    aliases: tuple[str, ...]
    size_bytes: int
    architecture: str
    description: str
    created: datetime
    virtual_machine: bool
    properties: Mapping[str, str]

    @property
    def ami_id(self) -> str:
        """ "ami-" and 17 hex digits, as AWS forms its ids."""
        return self.properties.get("undercast.ami", "ami-" + self.fingerprint[:17])


@dataclass(frozen=True, slots=True)
class Capability:
    """What this machine can run, asked of Incus and the kernel. `reason` says what to do when unavailable."""

    available: bool
    reason: str
    version: str = ""
    vms: bool = False
    gpus: tuple[str, ...] = ()
    cpus: int = 0
    memory_mib: int = 0
    architecture: str = ""


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a command inside a machine did."""

    status: int
    stdout: bytes
    stderr: bytes
