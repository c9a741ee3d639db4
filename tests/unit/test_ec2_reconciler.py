"""The reconciler against a machine engine in memory: a crash at any step leads to what was promised."""

from __future__ import annotations

import asyncio
import builtins
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from undercast.cloud import Cloud
from undercast.machines.errors import MachineError, NoCapacity, NotFound
from undercast.machines.spec import (
    Capability,
    EventKind,
    ExecResult,
    MachineEvent,
    MachineImage,
    MachineSpec,
    MachineState,
    Power,
)
from undercast.services.base import AwsError, Call
from undercast.services.ec2 import service
from undercast.services.ec2.attachments import of_instance
from undercast.services.ec2.public_images import DEFAULT_AMI
from undercast.services.ec2.service import Ec2
from undercast.settings import Settings

ACCOUNT, REGION = "000000000000", "us-east-1"


@dataclass
class World:
    """What outlives a server: machines and disks. `halt_at` stops everything at that call, before it acts."""

    machines: dict[str, Power] = field(default_factory=dict)
    specs: dict[str, MachineSpec] = field(default_factory=dict)
    volumes: dict[str, int] = field(default_factory=dict)
    attached: dict[str, str] = field(default_factory=dict)
    roots: set[str] = field(default_factory=set)
    contents: dict[str, str] = field(
        default_factory=dict
    )  # of root disks, by "machine X", "root X", "file X"
    snapshots: set[str] = field(default_factory=set)
    launches: list[str] = field(default_factory=list)
    calls: int = 0
    halt_at: int | None = None
    halted: asyncio.Event = field(default_factory=asyncio.Event)
    refuse: MachineError | None = None
    events: asyncio.Queue[MachineEvent] = field(default_factory=asyncio.Queue)

    async def step(self) -> None:
        self.calls += 1
        if self.halt_at is not None and self.calls >= self.halt_at:
            self.halted.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)


class Library:
    def __init__(self, world: World) -> None:
        self._image = MachineImage(
            "f" * 64, ("undercast-linux",), 1, "x86_64", "Test", dt.datetime.now(dt.UTC), False,
            {"undercast.ami": DEFAULT_AMI},
        )  # fmt: skip

    async def default(self) -> MachineImage:
        return self._image

    async def list(self) -> list[MachineImage]:
        return [self._image]


class Disks:
    def __init__(self, world: World) -> None:
        self._w = world

    async def create(self, volume_id: str, gib: int, from_snapshot: str | None = None) -> None:
        await self._w.step()
        self._w.volumes.setdefault(volume_id, gib)

    async def create_from_root(self, volume_id: str, gib: int, tree: str) -> None:
        await self._w.step()
        if tree not in self._w.contents:
            raise NotFound(tree)
        if volume_id not in self._w.volumes:
            self._w.volumes[volume_id] = gib
            self._w.contents[f"file {volume_id}"] = self._w.contents[tree]

    def path(self, volume_id: str) -> str:
        if volume_id not in self._w.volumes:
            raise NotFound(volume_id)
        return f"file {volume_id}"

    async def list(self) -> dict[str, int]:
        return dict(self._w.volumes)

    async def snapshots(self) -> builtins.list[str]:
        return builtins.list(self._w.snapshots)

    async def delete(self, volume_id: str) -> None:
        await self._w.step()
        assert volume_id not in self._w.attached
        self._w.volumes.pop(volume_id, None)
        self._w.contents.pop(f"file {volume_id}", None)

    async def attach(self, volume_id: str, machine: str, device: str) -> None:
        await self._w.step()
        if machine not in self._w.machines or volume_id not in self._w.volumes:
            raise NotFound(machine)
        assert self._w.attached.get(volume_id, machine) == machine
        self._w.attached[volume_id] = machine

    async def detach(self, volume_id: str, force: bool = False) -> None:
        await self._w.step()
        self._w.attached.pop(volume_id, None)

    async def grow(self, volume_id: str, gib: int) -> None:
        await self._w.step()
        self._w.volumes[volume_id] = gib

    async def snapshot(self, volume_id: str, snapshot_id: str) -> None:
        await self._w.step()
        self._w.snapshots.add(snapshot_id)

    async def delete_snapshot(self, snapshot_id: str) -> None:
        await self._w.step()
        self._w.snapshots.discard(snapshot_id)


class Roots:
    def __init__(self, world: World) -> None:
        self._w = world

    async def snapshot(self, machine: str, snapshot_id: str) -> None:
        await self._w.step()
        if machine not in self._w.machines:
            raise NotFound(machine)
        self._keep(snapshot_id, self._w.contents[f"machine {machine}"])

    async def copy(self, snapshot_id: str, copy_id: str) -> None:
        await self._w.step()
        self._keep(copy_id, self._w.contents[f"root {snapshot_id}"])

    async def take_out(self, machine: str, volume_id: str) -> bool:
        await self._w.step()
        if machine not in self._w.machines:
            return False
        self._keep(volume_id, self._w.contents[f"machine {machine}"])
        return True

    async def read(self, file: str, volume_id: str) -> None:
        await self._w.step()
        self._keep(volume_id, self._w.contents[file])

    def tree(self, snapshot_id: str) -> str:
        return f"root {snapshot_id}"

    async def list(self) -> builtins.list[str]:
        return builtins.list(self._w.roots)

    async def delete(self, snapshot_id: str) -> None:
        await self._w.step()
        self._w.roots.discard(snapshot_id)
        self._w.contents.pop(f"root {snapshot_id}", None)

    def _keep(self, id: str, content: str) -> None:
        self._w.roots.add(id)
        self._w.contents[f"root {id}"] = content


class Machines:
    """The engine's interface over a world."""

    def __init__(self, world: World) -> None:
        self._w = world
        self.images = Library(world)
        self.volumes = Disks(world)
        self.roots = Roots(world)

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    def capability(self) -> Capability:
        return Capability(True, "", cpus=64, memory_mib=1 << 20, architecture="x86_64")

    async def create(self, spec: MachineSpec) -> None:
        await self._w.step()
        if self._w.refuse:
            raise self._w.refuse
        if spec.name not in self._w.machines:
            source = f"root {spec.root_snapshot}" if spec.root_snapshot else None
            if source and source not in self._w.contents:
                raise NotFound(source)
            self._w.contents[f"machine {spec.name}"] = self._w.contents[source] if source else "new"
            self._w.machines[spec.name] = Power.STOPPED
            self._w.specs[spec.name] = spec
            self._w.launches.append(spec.name)

    async def launch(self, spec: MachineSpec) -> None:
        await self.create(spec)
        await self.start_machine(spec.name)

    async def start_machine(self, name: str) -> None:
        await self._w.step()
        if name not in self._w.machines:
            raise NotFound(name)
        self._w.machines[name] = Power.RUNNING

    async def stop_machine(self, name: str, force: bool = False, timeout_s: float = 30) -> None:
        await self._w.step()
        self._w.machines[name] = Power.STOPPED

    async def reboot(self, name: str) -> None:
        await self._w.step()

    async def resize(self, name: str, vcpus: int, memory_mib: int) -> None:
        await self._w.step()

    async def delete(self, name: str) -> None:
        await self._w.step()
        self._w.machines.pop(name, None)
        for volume in [v for v, machine in self._w.attached.items() if machine == name]:
            del self._w.attached[volume]

    async def states(self) -> dict[str, MachineState]:
        return {name: MachineState(name, power, 1, {}) for name, power in self._w.machines.items()}

    async def events(self) -> AsyncIterator[MachineEvent]:
        while True:
            yield await self._w.events.get()

    async def exec(self, name: str, argv: Any, **options: Any) -> ExecResult:
        return ExecResult(0, b"running\n", b"")


class Networking:
    """No network: everything is in force at once."""

    holders: dict[str, Any] = {}  # noqa: RUF012 - never written

    def __init__(self, ec2: Ec2) -> None: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def applied(self) -> None: ...

    def capability(self) -> None: ...

    def clash(self, block: str) -> None: ...


class Lab:
    """Servers on one data folder and one world, one after the other."""

    def __init__(self, data: Path, world: World) -> None:
        self._data = data
        self.world = world

    def server(self) -> Ec2:
        settings = Settings(data=self._data, servers_enabled=False, functions_enabled=False, aws_config=False)
        return Cloud(settings).ec2

    async def until(self, condition: Callable[[], bool], limit: float = 20) -> None:
        async with asyncio.timeout(limit):
            while not condition():
                await asyncio.sleep(0.005)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    world = World()
    monkeypatch.setattr(service, "Machines", lambda settings: Machines(world))
    monkeypatch.setattr(service, "Networking", Networking)
    return Lab(tmp_path / "data", world)


def call(operation: str = "RunInstances") -> Call:
    root = f"arn:aws:iam::{ACCOUNT}:root"
    return Call("ec2", operation, ACCOUNT, REGION, root, ACCOUNT, "AKIA", "request", "127.0.0.1", "", {})


def states(ec2: Ec2) -> list[str]:
    return sorted(r["State"]["Name"] for r in ec2.estate.all(ACCOUNT, REGION, "instance"))


def volumes(ec2: Ec2) -> list[dict[str, Any]]:
    return ec2.estate.all(ACCOUNT, REGION, "volume")


def run(ec2: Ec2, count: int = 1, **more: Any) -> list[str]:
    params = {
        "ImageId": DEFAULT_AMI,
        "InstanceType": "t2.micro",
        "MinCount": count,
        "MaxCount": count,
        **more,
    }
    return [i["InstanceId"] for i in ec2.launch.run_instances(call(), params)["Instances"]]


async def crash_or_go_on(lab: Lab, ec2: Ec2, done: Callable[[Ec2], bool]) -> Ec2:
    """Go on until it is done, with a second server where the first one halts before."""
    halted = asyncio.create_task(lab.world.halted.wait())
    finished = asyncio.create_task(lab.until(lambda: done(ec2)))
    await asyncio.wait({halted, finished}, return_when=asyncio.FIRST_COMPLETED)
    for task in (halted, finished):
        task.cancel()
    if not lab.world.halted.is_set():
        return ec2
    await ec2.reconciler.stop()
    ec2.cloud.store.close()
    lab.world.halt_at = None
    second = lab.server()
    await second.reconciler.start()
    await lab.until(lambda: done(second))
    return second


async def crash_and_return(lab: Lab, first: Ec2, done: Callable[[Ec2], bool]) -> Ec2 | None:
    """Let the first server run to its halt, drop it there, let a second one finish. None: it never halted."""
    halted = asyncio.create_task(lab.world.halted.wait())
    finished = asyncio.create_task(lab.until(lambda: done(first)))
    await asyncio.wait({halted, finished}, return_when=asyncio.FIRST_COMPLETED)
    reached = lab.world.halted.is_set()
    for task in (halted, finished):
        task.cancel()
    await first.reconciler.stop()
    first.cloud.store.close()
    lab.world.halt_at = None
    second = lab.server()
    await second.reconciler.start()
    await lab.until(lambda: done(second))
    return second if reached else None


def with_server(lab: Lab, scenario: Callable[[Ec2], Awaitable[None]]) -> None:
    """Run a scenario on a started server, within a limit."""

    async def main() -> None:
        ec2 = lab.server()
        await ec2.reconciler.start()
        try:
            async with asyncio.timeout(30):
                await scenario(ec2)
        finally:
            await ec2.reconciler.stop()
            ec2.cloud.store.close()

    asyncio.run(main())


@pytest.mark.parametrize("halt_at", range(1, 12))
def test_launch_survives_a_crash_at_any_step(lab: Lab, halt_at: int) -> None:
    """Three instances with a second volume each: exactly three machines, made once, volumes attached."""

    async def main() -> None:
        first = lab.server()
        await first.reconciler.start()
        lab.world.halt_at = halt_at
        extra = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}]
        ids = await asyncio.to_thread(run, first, 3, BlockDeviceMappings=extra, ClientToken="t")
        second = await crash_and_return(lab, first, lambda ec2: states(ec2) == ["running"] * 3)
        assert second is not None, "the scenario has fewer steps than assumed"
        assert lab.world.machines == dict.fromkeys(ids, Power.RUNNING)
        assert sorted(lab.world.launches) == sorted(ids)
        await lab.until(lambda: sorted(lab.world.attached.values()) == sorted(ids))
        volumes = second.estate.all(ACCOUNT, REGION, "volume")
        await lab.until(
            lambda: all(
                v["Attachments"][0]["State"] == "attached"
                for v in second.estate.all(ACCOUNT, REGION, "volume")
            )
        )
        assert len(volumes) == 6
        assert await asyncio.to_thread(run, second, 3, BlockDeviceMappings=extra, ClientToken="t") == ids
        await second.reconciler.stop()
        second.cloud.store.close()

    asyncio.run(main())


@pytest.mark.parametrize("halt_at", range(1, 15))
def test_a_root_volume_travels_through_a_crash_at_any_step(lab: Lab, halt_at: int) -> None:
    """To another instance as a second disk, changed there, and back: nothing old comes to light."""

    async def main() -> None:
        ec2 = lab.server()
        await ec2.reconciler.start()
        zone = {"Placement": {"AvailabilityZone": f"{REGION}a"}}
        sick, doctor = await asyncio.to_thread(run, ec2, 2, **zone)
        await lab.until(lambda: states(ec2) == ["running"] * 2)
        lab.world.contents[f"machine {sick}"] = "sick"
        stop = {"InstanceIds": [sick]}
        await asyncio.to_thread(ec2.power.stop_instances, call(), stop)
        await lab.until(lambda: states(ec2) == ["running", "stopped"])
        (volume,) = (v["VolumeId"] for v, _ in of_instance(volumes(ec2), sick))
        lab.world.calls, lab.world.halt_at = 0, halt_at

        def is_now(state: str, **attachment: str) -> Callable[[Ec2], bool]:
            def holds(ec2: Ec2) -> bool:
                record = ec2.estate.get(ACCOUNT, REGION, "volume", volume)
                assert record
                shown = record["Attachments"][0] if record["Attachments"] else {}
                return record["State"] == state and attachment.items() <= shown.items()

            return holds

        def settled(ec2: Ec2) -> bool:
            return states(ec2) == ["running"] * 2 and not lab.world.roots

        async def reach(ec2: Ec2, done: Callable[[Ec2], bool]) -> Ec2:
            if lab.world.halt_at is None:
                await lab.until(lambda: done(ec2))
                return ec2
            return await crash_or_go_on(lab, ec2, done)

        ask = {"VolumeId": volume}
        await asyncio.to_thread(ec2.attachments.detach_volume, call(), ask)
        ec2 = await reach(ec2, is_now("available"))
        with pytest.raises(AwsError, match="does not have a volume attached at root"):
            ec2.power.start_instances(call(), stop)
        attach = {**ask, "InstanceId": doctor, "Device": "/dev/sdf"}
        await asyncio.to_thread(ec2.attachments.attach_volume, call(), attach)
        ec2 = await reach(ec2, is_now("in-use", InstanceId=doctor, State="attached"))
        assert lab.world.contents[f"file {volume}"] == "sick"
        assert lab.world.attached == {volume: doctor}
        lab.world.contents[f"file {volume}"] = "well"
        await asyncio.to_thread(ec2.attachments.detach_volume, call(), ask)
        ec2 = await reach(ec2, is_now("available"))
        attach = {**ask, "InstanceId": sick, "Device": "/dev/xvda"}
        await asyncio.to_thread(ec2.attachments.attach_volume, call(), attach)
        await asyncio.to_thread(ec2.power.start_instances, call(), stop)
        ec2 = await reach(ec2, settled)
        await lab.until(lambda: not lab.world.volumes)
        assert lab.world.contents[f"machine {sick}"] == "well"
        assert lab.world.contents[f"machine {doctor}"] == "new"
        lab.world.halt_at = None
        # And once more, straight away: what was kept the first time is not what is kept now.
        lab.world.contents[f"machine {sick}"] = "better"
        await asyncio.to_thread(ec2.power.stop_instances, call(), stop)
        await lab.until(lambda: states(ec2) == ["running", "stopped"])
        await asyncio.to_thread(ec2.attachments.detach_volume, call(), ask)
        await lab.until(lambda: is_now("available")(ec2))
        await asyncio.to_thread(ec2.attachments.attach_volume, call(), attach)
        await asyncio.to_thread(ec2.power.start_instances, call(), stop)
        await lab.until(lambda: settled(ec2))
        assert lab.world.contents[f"machine {sick}"] == "better"
        await ec2.reconciler.stop()
        ec2.cloud.store.close()

    asyncio.run(main())


@pytest.mark.parametrize("halt_at", range(1, 8))
def test_termination_survives_a_crash_at_any_step(lab: Lab, halt_at: int) -> None:
    """Nothing of two instances stays but the volume that was to be kept."""

    async def main() -> None:
        first = lab.server()
        await first.reconciler.start()
        disks = [
            {"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}},
            {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}},
        ]
        kept = await asyncio.to_thread(run, first, 1, BlockDeviceMappings=disks)
        other = await asyncio.to_thread(run, first, 1)
        await lab.until(lambda: states(first) == ["running", "running"])
        await lab.until(lambda: not first.reconciler._workers._tasks)
        lab.world.calls, lab.world.halt_at = 0, halt_at
        await asyncio.to_thread(
            first.power.terminate_instances, call("TerminateInstances"), {"InstanceIds": kept + other}
        )

        def volumes(ec2: Ec2) -> list[dict[str, Any]]:
            return ec2.estate.all(ACCOUNT, REGION, "volume")

        second = await crash_and_return(
            lab, first, lambda ec2: states(ec2) == ["terminated"] * 2 and len(volumes(ec2)) == 1
        )
        ec2 = second or lab.server()
        assert lab.world.machines == {}
        await lab.until(lambda: lab.world.volumes == {})
        left = volumes(ec2)
        assert [v["State"] for v in left] == ["available"]
        assert lab.world.roots == {left[0]["VolumeId"]}
        await ec2.reconciler.stop()
        ec2.cloud.store.close()

    asyncio.run(main())


def test_what_runs_is_adopted_and_what_stands_still_is_started(lab: Lab) -> None:
    async def main() -> None:
        first = lab.server()
        await first.reconciler.start()
        ids = await asyncio.to_thread(run, first, 3)
        await lab.until(lambda: states(first) == ["running"] * 3)
        await first.reconciler.stop()
        first.cloud.store.close()

        lab.world.machines[ids[0]] = Power.STOPPED  # the host was restarted
        del lab.world.machines[ids[1]]  # somebody removed it by hand
        lab.world.machines["i-0123456789abcdef0"] = Power.RUNNING  # belongs to nobody
        lab.world.volumes["vol-0123456789abcdef0"] = 1
        lab.world.snapshots.add("snap-0123456789abcdef0")
        lab.world.roots |= {"snap-1123456789abcdef0", "vol-1123456789abcdef0"}
        second = lab.server()
        await second.reconciler.start()
        await lab.until(lambda: states(second) == ["running", "running", "terminated"])
        await lab.until(lambda: lab.world.machines == {ids[0]: Power.RUNNING, ids[2]: Power.RUNNING})
        assert not (lab.world.volumes or lab.world.snapshots or lab.world.roots)
        gone = second.estate.get(ACCOUNT, REGION, "instance", ids[1])
        assert gone and gone["StateReason"]["Code"] == "Server.InternalError"
        await second.reconciler.stop()
        second.cloud.store.close()

    asyncio.run(main())


def test_data_stays_where_the_store_knows_nothing(lab: Lab) -> None:
    async def scenario(ec2: Ec2) -> None:
        assert lab.world.volumes and lab.world.roots

    lab.world.volumes["vol-0123456789abcdef0"] = 1
    lab.world.roots.add("snap-0123456789abcdef0")
    with_server(lab, scenario)


@pytest.mark.parametrize(("behaviour", "end"), [("stop", "stopped"), ("terminate", "terminated")])
def test_an_instance_that_shuts_itself_down(lab: Lab, behaviour: str, end: str) -> None:
    async def scenario(ec2: Ec2) -> None:
        (id,) = await asyncio.to_thread(run, ec2, 1, InstanceInitiatedShutdownBehavior=behaviour)
        await lab.until(lambda: states(ec2) == ["running"])
        lab.world.machines[id] = Power.STOPPED
        lab.world.events.put_nowait(MachineEvent(id, EventKind.STOPPED))
        await lab.until(lambda: states(ec2) == [end])
        record = ec2.estate.get(ACCOUNT, REGION, "instance", id)
        assert record and record["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"

    with_server(lab, scenario)


def test_no_room_ends_a_launch(lab: Lab) -> None:
    async def scenario(ec2: Ec2) -> None:
        lab.world.refuse = NoCapacity("the disk is full")
        await asyncio.to_thread(run, ec2, 1)
        await lab.until(lambda: states(ec2) == ["terminated"])
        (record,) = ec2.estate.all(ACCOUNT, REGION, "instance")
        assert record["StateReason"]["Code"] == "Server.InsufficientInstanceCapacity"
        assert ec2.estate.all(ACCOUNT, REGION, "volume") == []
        assert [e for _, e in ec2.estate.everywhere("network-interface") if e.get("Attachment")] == []

    with_server(lab, scenario)


def test_reset_leaves_nothing(lab: Lab) -> None:
    async def scenario(ec2: Ec2) -> None:
        extra = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": False}}]
        await asyncio.to_thread(run, ec2, 2, BlockDeviceMappings=extra)
        await lab.until(lambda: states(ec2) == ["running"] * 2)
        volume = next(v for v in ec2.estate.all(ACCOUNT, REGION, "volume") if not v.get("_Root"))
        ask = {"VolumeId": volume["VolumeId"]}
        snapshot = await asyncio.to_thread(ec2.snapshots.create_snapshot, call("CreateSnapshot"), ask)
        await lab.until(lambda: lab.world.snapshots == {snapshot["SnapshotId"]})
        await ec2.cloud.reset(ACCOUNT)
        await lab.until(lambda: not (lab.world.machines or lab.world.volumes or lab.world.snapshots))
        assert states(ec2) == []
        await asyncio.to_thread(run, ec2, 1)  # the account has a default VPC again
        await lab.until(lambda: states(ec2) == ["running"])

    with_server(lab, scenario)


@pytest.mark.parametrize("behaviour", ["terminate", "stop"])
def test_spot_makes_room_and_comes_back(lab: Lab, monkeypatch: pytest.MonkeyPatch, behaviour: str) -> None:
    """An On-Demand launch that needs the room ends a Spot Instance, whose persistent request then waits."""

    async def scenario(ec2: Ec2) -> None:
        monkeypatch.setattr("undercast.services.ec2.spot.NOTICE", dt.timedelta(seconds=0))
        small = Capability(True, "", cpus=64, memory_mib=1024, architecture="x86_64")
        monkeypatch.setattr(ec2.cloud.machines, "capability", lambda: small)
        options = {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": behaviour}
        market = {"MarketType": "spot", "SpotOptions": options}
        (spot,) = await asyncio.to_thread(run, ec2, 1, InstanceMarketOptions=market)
        await asyncio.to_thread(run, ec2, 1)
        await lab.until(lambda: states(ec2) == ["running", "running"])
        with pytest.raises(AwsError, match="InsufficientInstanceCapacity"):
            await asyncio.to_thread(run, ec2, 3)
        (third,) = await asyncio.to_thread(run, ec2, 1)
        end = {"terminate": "terminated", "stop": "stopped"}[behaviour]
        await lab.until(lambda: states(ec2) == ["running", "running", end])
        record = ec2.estate.get(ACCOUNT, REGION, "instance", spot)
        assert record and record["StateReason"]["Code"] == "Server.SpotInstanceTermination"

        def request() -> tuple[str, str]:
            (one,) = ec2.estate.all(ACCOUNT, REGION, "spot-instances-request")
            return one["State"], one["Status"]["Code"]

        why = {"terminate": "capacity-not-available", "stop": "instance-stopped-no-capacity"}[behaviour]
        await lab.until(lambda: request() == ("open", why))
        await asyncio.to_thread(ec2.power.terminate_instances, call(), {"InstanceIds": [third]})
        await lab.until(lambda: request() == ("active", "fulfilled"))

    with_server(lab, scenario)


@pytest.mark.parametrize("hurry", ["force", "terminate"])
def test_a_stop_that_takes_its_time_can_be_hurried(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, hurry: str
) -> None:
    async def scenario(ec2: Ec2) -> None:
        (id,) = await asyncio.to_thread(run, ec2, 1)
        await lab.until(lambda: states(ec2) == ["running"])
        real = ec2.cloud.machines.stop_machine
        asked = asyncio.Event()

        async def stubborn(name: str, force: bool = False, timeout_s: float = 30) -> None:
            asked.set()
            if not force:
                await asyncio.Event().wait()
            await real(name, force)

        monkeypatch.setattr(ec2.cloud.machines, "stop_machine", stubborn)
        await asyncio.to_thread(ec2.power.stop_instances, call(), {"InstanceIds": [id]})
        await asked.wait()
        if hurry == "force":
            await asyncio.to_thread(ec2.power.stop_instances, call(), {"InstanceIds": [id], "Force": True})
        else:
            await asyncio.to_thread(ec2.power.terminate_instances, call(), {"InstanceIds": [id]})
        await lab.until(lambda: states(ec2) == ["stopped" if hurry == "force" else "terminated"])

    with_server(lab, scenario)
