"""How a `MachineSpec` is said to Incus, and how Incus's answers are read: no requests here."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from undercast.machines.mend import meant_to_run
from undercast.machines.places import Places
from undercast.machines.spec import EventKind, MachineEvent, MachineSpec, MachineState, NicSpec, Power

LABEL = "user.undercast.label."
KIND = "user.undercast.kind"
MACHINE = "machine"
ROOT_SNAPSHOT = "root-snapshot"
ROOT_DRAFT = "root-draft"  # a root snapshot that is being made
_CAP_SYS_RESOURCE = 24

_POWERS = {"Running": Power.RUNNING, "Stopped": Power.STOPPED, "Frozen": Power.FROZEN, "Error": Power.ERROR}
_EVENTS = {
    "instance-created": EventKind.CREATED,
    "instance-started": EventKind.STARTED,
    "instance-stopped": EventKind.STOPPED,
    "instance-shutdown": EventKind.STOPPED,
    "instance-restarted": EventKind.REBOOTED,
    "instance-paused": EventKind.FROZEN,
    "instance-resumed": EventKind.THAWED,
    "instance-deleted": EventKind.DELETED,
}


def config(spec: MachineSpec, lxc: Sequence[str] = ()) -> dict[str, str]:
    """Limits and rights of a machine, and further lines for LXC.

    Mounting ext4 from its volumes goes through Incus's interception of the call.
    """
    lines = list(lxc)
    if not _may_raise_limits():
        # Incus's mount helper copies the caller's capabilities, which fails for one the daemon has not got.
        lines.append("lxc.cap.drop = sys_resource")
    return {
        KIND: MACHINE,
        "user.undercast.account": spec.account,
        **size(spec.vcpus, spec.memory_mib),
        **labels(spec.labels),
        "limits.processes": "20000",
        "security.nesting": "true",
        # Users of its own on the host: what the kernel counts by user, inotify instances and keys among them,
        # an instance can use up for itself only, and one that broke out would be nobody in another.
        "security.idmap.isolated": "true",
        "security.guestapi": "false",
        "security.syscalls.intercept.mount": "true",
        "security.syscalls.intercept.mount.allowed": "ext4,ext3,ext2",
        "security.syscalls.intercept.mount.shift": "true",
        "raw.lxc": "\n".join(lines),
    }


def size(vcpus: int, memory_mib: int) -> dict[str, str]:
    """What makes `nproc` and `free` inside agree with the instance type."""
    return {"limits.cpu": str(vcpus), "limits.memory": f"{memory_mib}MiB"}


def labels(values: Mapping[str, str]) -> dict[str, str]:
    """A machine's labels as Incus keeps them."""
    return {LABEL + key: value for key, value in values.items()}


def root_disk(places: Places, gib: int) -> dict[str, str]:
    """The device of the root disk; 0 GiB leaves it as large as the pool."""
    disk = {"type": "disk", "path": "/", "pool": places.pool}
    return {**disk, "size": f"{gib}GiB"} if gib else disk


def nic(spec: NicSpec) -> dict[str, str]:
    """A routed interface: LXC gives it address and gateway before init starts."""
    return {
        "type": "nic",
        "nictype": "routed",
        "name": spec.device,
        "host_name": spec.host_name,
        "hwaddr": spec.mac,
        "ipv4.address": spec.address,
        "ipv4.neighbor_probe": "false",
        "ipv6.neighbor_probe": "false",
        "ipv6.gateway": "none",
    }


def devices(places: Places, spec: MachineSpec) -> dict[str, dict[str, str]]:
    """All devices a machine starts with."""
    found = {"root": root_disk(places, spec.root_gib)}
    for index, interface in enumerate(spec.nics):
        found[interface.device] = nic(interface)
        if index:
            # One default route only: the first interface's.
            found[interface.device]["ipv4.gateway"] = "none"
    for index, address in enumerate(spec.gpus):
        found[f"gpu{index}"] = {"type": "gpu", "gputype": "physical", "pci": address}
    return found


def state(instance: Mapping[str, Any]) -> MachineState:
    """What Incus's description of an instance says about a machine."""
    values: Mapping[str, str] = instance.get("config", {})
    return MachineState(
        name=instance["name"],
        power=Power.BUSY if meant_to_run(instance) else _POWERS.get(instance["status"], Power.BUSY),
        labels={key[len(LABEL) :]: value for key, value in values.items() if key.startswith(LABEL)},
        created=moment(instance.get("created_at")),
        started=moment(instance.get("last_used_at")),
    )


def writable(found: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an instance's description that may be written back (PATCH cannot take devices away)."""
    keys = ("architecture", "config", "devices", "ephemeral", "profiles", "description")
    return {key: found[key] for key in keys}


def moment(text: str | None) -> datetime | None:
    """An RFC 3339 time of Incus's (nanoseconds and all); the year 1 and 1970 stand for never."""
    if not text or text.startswith(("0001-", "1970-")):
        return None
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6] or '0':0<6}+00:00")


def event(message: Mapping[str, Any]) -> MachineEvent | None:
    """The machine event a lifecycle message stands for; None for what concerns no machine."""
    detail = message.get("metadata") or {}
    kind = _EVENTS.get(detail.get("action", ""))
    source = urlsplit(detail.get("source", ""))
    parts = source.path.strip("/").split("/")
    if kind is None or len(parts) != 3 or parts[1] != "instances":
        return None
    return MachineEvent(parts[2], kind)


def event_project(message: Mapping[str, Any]) -> str:
    """The project a lifecycle message is about."""
    query = parse_qs(urlsplit((message.get("metadata") or {}).get("source", "")).query)
    return str(query.get("project", ["default"])[0])


@functools.cache
def _may_raise_limits() -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_RESOURCE & 1)
    return True
