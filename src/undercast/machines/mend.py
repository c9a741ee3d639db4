"""Machines that a crash of Incus took with it, started again.

A machine that boots while the daemon dies ends too: its mount calls are answered by the daemon. Incus means
to start such a machine when it comes back (its last state was running), but may find the old interface in
the way, because nobody was there to remove it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undercast.machines.errors import MachineError, NotFound
from undercast.machines.incus import Incus, instance_path

_LAST_POWER = "volatile.last_state.power"
_IN_THE_WAY = "File exists"


def meant_to_run(found: Mapping[str, Any]) -> bool:
    """Whether Incus holds a stopped machine for one that should be running."""
    return bool(found["status"] == "Stopped" and found["config"].get(_LAST_POWER) == "RUNNING")


async def start(incus: Incus, name: str, timeout_s: float = 60.0) -> None:
    """Boot a machine, removing interfaces of its former life that are in the way.

    Running already is no error.
    """
    try:
        await _start(incus, name, timeout_s)
    except MachineError as error:
        if _IN_THE_WAY not in str(error):
            raise
        await _remove_links(incus, name)
        await _start(incus, name, timeout_s)


async def _start(incus: Incus, name: str, timeout_s: float) -> None:
    body = {"action": "start", "timeout": int(timeout_s)}
    try:
        await incus.run("PUT", instance_path(name, "state"), body, timeout_s=timeout_s + 5)
    except MachineError as error:
        if "already running" not in str(error).lower():
            raise


async def mend(incus: Incus) -> list[str]:
    """Start the machines a crash has ended; their names. One that will not start is from then on stopped."""
    mended: list[str] = []
    for found in await incus.all("/1.0/instances"):
        if not meant_to_run(found):
            continue
        try:
            await start(incus, found["name"])
            mended.append(found["name"])
        except NotFound:
            continue
        except MachineError:
            await _give_up(incus, found["name"])
    return mended


async def _give_up(incus: Incus, name: str) -> None:
    """Unless Incus has started it meanwhile, or is about to, record that it stopped."""
    with contextlib.suppress(MachineError):
        found = await incus.get(instance_path(name))
        if meant_to_run(found):
            await incus.run("PATCH", instance_path(name), {"config": {_LAST_POWER: "STOPPED"}})


async def _remove_links(incus: Incus, name: str) -> None:
    found = await incus.get(instance_path(name))
    for device in found["devices"].values():
        link = device.get("host_name")
        if device["type"] != "nic" or not link or not Path("/sys/class/net", link).exists():
            continue
        process = await asyncio.create_subprocess_exec(
            *("ip", "link", "delete", link),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await asyncio.wait_for(process.wait(), 10)
