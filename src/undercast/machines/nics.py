"""Interfaces that come and go while a machine runs."""

from __future__ import annotations

import asyncio
import contextlib

from undercast.machines import instance
from undercast.machines.errors import MachineError
from undercast.machines.incus import Incus, instance_path
from undercast.machines.spec import NicSpec


async def attach_nic(incus: Incus, name: str, nic: NicSpec) -> None:
    """Add an interface; asking again for one that is there changes nothing."""
    device = {**instance.nic(nic), "ipv4.gateway": "none"}
    found = await incus.get(instance_path(name))
    if found["devices"].get(nic.device) == device:
        return
    await incus.run("PATCH", instance_path(name), {"devices": {nic.device: device}}, timeout_s=60)
    if found["status"] == "Running":
        state = await incus.get(instance_path(name, "state"))
        await _configure(int(state["pid"]), nic)


async def _configure(pid: int, nic: NicSpec) -> None:
    """LXC gives addresses at boot only; a later interface gets its own here, from the host's side.

    Answers leave by the interface the question came to (as ec2-net-utils arranges it), since the host drops
    packets whose source is not the interface's own. At boot the image's own unit does the same.
    """
    table = str(1000 + int("".join(filter(str.isdigit, nic.device)) or 0))
    await _ip(pid, "address", "replace", f"{nic.address}/32", "dev", nic.device)
    await _ip(pid, "link", "set", nic.device, "up")
    route = ("default", "via", "169.254.0.1", "onlink", "table", table, "dev", nic.device)
    await _ip(pid, "route", "replace", *route)
    with contextlib.suppress(MachineError):
        await _ip(pid, "rule", "del", "table", table)
    await _ip(pid, "rule", "add", "from", nic.address, "table", table)


async def _ip(pid: int, *words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *("nsenter", "-t", str(pid), "-n", "ip", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 10)
    if process.returncode:
        raise MachineError(f"ip {' '.join(words)} failed: {output.decode(errors='replace').strip()}")


async def detach_nic(incus: Incus, name: str, device: str) -> None:
    """Remove an interface. PATCH cannot take devices away, so the whole description is written back."""
    path = instance_path(name)
    found = await incus.get(path)
    if device not in found["devices"]:
        return
    del found["devices"][device]
    await incus.run("PUT", path, instance.writable(found), timeout_s=60)
