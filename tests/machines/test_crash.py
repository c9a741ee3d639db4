"""kill -9 of the Incus daemon at the worst moments: nothing is lost, leaked or doubled."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from machine_support import Lab

from undercast.machines.errors import MachineError, Unavailable
from undercast.machines.setup import daemon, supervisor
from undercast.machines.setup.packages import find_program
from undercast.machines.spec import EventKind, MachineEvent, MachineSpec, Power

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_incus]


def kill_incus() -> None:
    """Kill the daemon; whoever supervises it starts it again."""
    program = find_program("incusd")
    assert program is not None
    pid = supervisor._running(program)
    assert pid, "no Incus daemon runs"
    os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(daemon.systemd_runs(), reason="the daemon is systemd's here; its unit restarts it")
def test_launches_survive_a_kill_of_incus(lab: Lab) -> None:
    before = lab.launch(lab.spec())
    lab.reachable(before)
    specs = [lab.spec() for _ in range(3)]

    async def insist(spec: MachineSpec) -> None:
        """What a reconciler does: ask again until it is done."""
        while True:
            try:
                return await lab.machines.launch(spec)
            except Unavailable:
                await asyncio.sleep(0.2)
            except MachineError as error:
                assert "busy" in str(error).lower() or "running" in str(error).lower(), error
                await asyncio.sleep(0.2)

    async def scenario() -> None:
        events = lab.machines.events()
        assert (await anext(events)).kind is EventKind.RESYNC
        watching = asyncio.create_task(_drain(events))
        launches = [asyncio.create_task(insist(spec)) for spec in specs]
        await asyncio.sleep(0.25)
        kill_incus()
        await asyncio.gather(*launches)
        async with asyncio.timeout(20):
            while True:
                states = await lab.machines.states()
                if all(states[spec.name].power is Power.RUNNING for spec in (before, *specs)):
                    break
                await asyncio.sleep(0.1)
        watching.cancel()

    lab.run(scenario(), 45)
    for spec in (before, *specs):
        lab.reachable(spec)
    assert daemon.supervised()
    for spec in (before, *specs):
        lab.run(lab.machines.delete(spec.name))
    assert not {spec.name for spec in specs} & set(lab.run(lab.machines.states()))


async def _drain(events: AsyncIterator[MachineEvent]) -> None:
    async for _ in events:
        continue
