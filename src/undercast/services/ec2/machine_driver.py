"""Brings one instance's machine to what its record wants.

Every step may be repeated: a crash between a step and its note in the store leads to the same step again,
which finds its work done.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from typing import TYPE_CHECKING, Any

from undercast.machines.errors import Busy, MachineError, NoCapacity, NotFound, Unavailable
from undercast.machines.spec import MachineSpec, Power
from undercast.services.ec2 import instance_states as states
from undercast.services.ec2 import root_disks
from undercast.services.ec2.attachments import of_instance, root_of
from undercast.services.ec2.catalogue import instance_type
from undercast.services.ec2.estate import Change, Key, Record
from undercast.services.ec2.storage_driver import StorageDriver

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

log = logging.getLogger(__name__)

_LAUNCHES_AT_ONCE = 4
# How long a machine may fail to come up: an Incus that was killed in the middle is busy with itself first.
_PATIENCE_S = 30.0
_SETTLE_S = 0.3  # a machine that restarts itself is down for a moment only
_STOP_LIMIT_S = 30.0
_LOOK_S = 0.5  # how often a stop that takes its time looks whether it should hurry

INTERNAL = "Server.InternalError", "Server.InternalError: Internal error on launch"
NO_ROOM = (
    "Server.InsufficientInstanceCapacity",
    "Server.InsufficientInstanceCapacity: Insufficient capacity to satisfy instance request",
)
GONE = "Server.InternalError", "Server.InternalError: The machine of the instance is gone"
FROZEN = (
    "Client.UserInitiatedHibernate",
    "Client.UserInitiatedHibernate: User initiated hibernate. This host cannot write the memory to disk: it "
    "is kept in the host's memory, and lost when the host restarts.",
)


class MachineDriver:
    """Drives instances. One call per instance at a time."""

    def __init__(self, ec2: Ec2, storage: StorageDriver) -> None:
        self._ec2 = ec2
        self._estate = ec2.estate
        self._machines = ec2.cloud.machines
        self._storage = storage
        self._launching = asyncio.Semaphore(_LAUNCHES_AT_ONCE)
        self._failing_since: dict[Key, float] = {}
        self._astray: set[Key] = set()  # instances whose machine is there, or runs, although it should not
        self.suspects: set[str] = set()  # machines that were seen to stop, unasked as far as is known

    async def drive(self, key: Key) -> None:
        """One step, or all that are due."""
        record = self._estate.get(key.account, key.region, "instance", key.id)
        if record is None:
            await self._machines.delete(key.id)
            return
        match states.name(record):
            case "pending":
                self._wait_for_root(key)
                await self._bring_up(key, record)
            case "running":
                await self._keep(key, record)
            case "stopping":
                await self._take_down(key, record)
            case "shutting-down":
                await self._remove(key, record)
            case "stopped" if key in self._astray:
                await self._machines.stop_machine(key.id, timeout_s=_STOP_LIMIT_S)
            case "terminated" if key in self._astray:
                await self._machines.delete(key.id)
        self._astray.discard(key)

    # Up

    def _wait_for_root(self, key: Key) -> None:
        """A root volume that was attached a moment ago is on its way. Raises Busy."""
        root = root_of(self._estate.all(key.account, key.region, "volume"), key.id)
        if root is not None and root.get("_AsRoot"):
            raise Busy(f"the root volume of {key.id} is being attached")

    async def _bring_up(self, key: Key, record: Record) -> None:
        try:
            async with self._launching:
                await self._start(key, record)
        except (Unavailable, asyncio.CancelledError):
            raise
        except MachineError as error:
            since = self._failing_since.setdefault(key, time.monotonic())
            if time.monotonic() - since < _PATIENCE_S and not isinstance(error, NoCapacity):
                raise
            log.error("instance %s does not come up: %s", key.id, error)
            await asyncio.to_thread(self._give_up, key, error)
        self._failing_since.pop(key, None)

    async def _start(self, key: Key, record: Record) -> None:
        if record.get("_Made"):
            await self._restart(key, record)
        else:
            began = time.monotonic()
            await self._make(key, record)
            log.info("instance %s was made and started in %.2f s", key.id, time.monotonic() - began)
        root = root_of(self._estate.all(key.account, key.region, "volume"), key.id)
        await asyncio.to_thread(self._note_running, key, record["InstanceType"])
        if root is not None and root.get("_RootSnapshot"):
            await self._machines.roots.delete(root["VolumeId"])  # the machine has its own copy now

    async def _make(self, key: Key, record: Record) -> None:
        """The first start: no power before the packet filter knows the interface and volumes are there."""
        await self._ec2.reconciler.default_image.ready()
        spec = await asyncio.to_thread(self._spec, key, record)
        disks = {
            Key(key.account, key.region, "volume", volume["VolumeId"]): volume
            for volume, _ in self._disks(key)
            if not volume.get("_Root")
        }
        await asyncio.gather(
            self._ec2.networking.applied(),
            self._machines.create(spec),
            *(self._storage.fill(volume_key, volume) for volume_key, volume in disks.items()),
        )
        for volume_key in disks:
            await self._storage.attach(volume_key)
        await self._machines.start_machine(key.id)

    async def _restart(self, key: Key, record: Record) -> None:
        await self._ec2.networking.applied()
        state = (await self._machines.states()).get(key.id)
        if state is None:
            raise NotFound(f"The machine of {key.id} is gone")
        if state.power is Power.FROZEN:
            await self._machines.thaw(key.id)
            return
        if record.get("_MadeAs") != record["InstanceType"]:
            await self._machines.resize(key.id, *self._size(record))
        await self._machines.start_machine(key.id)

    def _spec(self, key: Key, record: Record) -> MachineSpec:
        interfaces = self._ec2.network_interfaces.of_instances(key.account, key.region).get(key.id, [])
        vcpus, memory_mib = self._size(record)
        root = next(volume for volume, _ in self._disks(key) if volume.get("_Root"))
        first = interfaces[0] if interfaces else {}
        hostname = first.get("PrivateDnsName") or key.id
        gpus = self._machines.capability().gpus[: instance_type(record["InstanceType"]).gpus]
        return MachineSpec(
            name=key.id,
            account=key.account,
            image=record["_Base"],
            vcpus=vcpus,
            memory_mib=memory_mib,
            root_gib=root["Size"],
            nics=self._ec2.network_interfaces.nics(interfaces),
            hostname=hostname,
            ssh_authorized_keys=(record["_PublicKey"],) if record.get("_PublicKey") else (),
            user_data=record["_UserData"],
            labels={"account": key.account, "region": key.region},
            gpus=tuple(gpus),
            root_snapshot=root["VolumeId"] if root.get("_RootSnapshot") else record["_RootSnapshot"],
        )

    @staticmethod
    def _size(record: Record) -> tuple[int, int]:
        options = record["CpuOptions"]
        return options["CoreCount"] * options["ThreadsPerCore"], instance_type(
            record["InstanceType"]
        ).memory_mib

    def _disks(self, key: Key) -> list[tuple[Record, dict[str, Any]]]:
        return of_instance(self._estate.all(key.account, key.region, "volume"), key.id)

    def _note_running(self, key: Key, made_as: str) -> None:
        with self._estate.change(key.account, key.region) as change:
            record = change.get("instance", key.id)
            if record is None:
                return
            after = {**record, "_Made": True, "_MadeAs": made_as, "_Frozen": False}
            if states.name(record) == "pending":
                after |= {"State": states.state("running"), "StateTransitionReason": ""}
                after.pop("StateReason", None)
            change.put("instance", key.id, after)
            for volume, attachment in of_instance(change.all("volume"), key.id):
                root_disks.settle(change, volume["VolumeId"])
                if attachment["State"] == "attaching":
                    # The root disk is attached now. Others that came meanwhile are seen by their own workers.
                    state = "attached" if volume.get("_Root") else "attaching"
                    noted = {**attachment, "State": state}
                    change.put("volume", volume["VolumeId"], {**volume, "Attachments": [noted]})

    def _give_up(self, key: Key, error: MachineError) -> None:
        """A launch that fails ends as terminated, a start as stopped: so does AWS."""
        with self._estate.change(key.account, key.region) as change:
            record = change.get("instance", key.id)
            if record is None or states.name(record) != "pending":
                return
            reason = NO_ROOM if isinstance(error, NoCapacity) else (INTERNAL[0], f"{INTERNAL[1]}: {error}")
            if record.get("_Made"):
                self._ec2.network_interfaces.stopped(change, key.id)
                change.put("instance", key.id, states.moved(record, "stopped", reason=reason))
            else:
                self._ec2.power.terminating(change, record, None, reason=reason)

    # Running

    async def _keep(self, key: Key, record: Record) -> None:
        if record.get("_Reboot"):
            await self._machines.reboot(key.id)
            self.suspects.discard(key.id)
            await asyncio.to_thread(self._note_reboot, key)
        elif key.id in self.suspects:
            await asyncio.sleep(_SETTLE_S)
            state = (await self._machines.states()).get(key.id)
            self.suspects.discard(key.id)
            if state is None:
                await asyncio.to_thread(self._note_gone, key)
            elif state.power is Power.STOPPED:
                await asyncio.to_thread(self._note_shutdown, key)

    def _note_reboot(self, key: Key) -> None:
        with self._estate.change(key.account, key.region) as change:
            record = change.get("instance", key.id)
            if record is not None:
                change.put("instance", key.id, {**record, "_Reboot": False})

    def _note_shutdown(self, key: Key) -> None:
        """The instance shut itself down: what then happens was chosen at its launch."""
        with self._estate.change(key.account, key.region) as change:
            record = change.get("instance", key.id)
            if record is None or states.name(record) != "running":
                return
            if record["_ShutdownBehaviour"] == "terminate":
                self._ec2.power.terminating(change, record, None, reason=states.BY_INSTANCE)
            else:
                self._ec2.power.stopping(change, record, None, reason=states.BY_INSTANCE)

    def _note_gone(self, key: Key) -> None:
        with self._estate.change(key.account, key.region) as change:
            record = change.get("instance", key.id)
            if record is not None and states.name(record) in ("running", "stopped"):
                self._ec2.power.terminating(change, record, None, reason=GONE)

    # Down

    async def _take_down(self, key: Key, record: Record) -> None:
        frozen = False
        if record.get("_Made"):
            try:
                if record.get("_Hibernate"):
                    await self._machines.freeze(key.id)
                    frozen = True
                else:
                    await self._power_off(key, force=bool(record.get("_Force")))
            except NotFound:
                log.warning("instance %s has no machine to stop", key.id)
        else:
            await self._machines.delete(key.id)  # stopped before it ever ran: made anew at its start
        await asyncio.to_thread(self._note_stopped, key, frozen)
        self.suspects.discard(key.id)

    async def _power_off(self, key: Key, *, force: bool) -> None:
        """Shut the system down. Who has lost patience meanwhile (a forced stop, a termination) is heard."""
        stop = self._machines.stop_machine(key.id, force=force, timeout_s=_STOP_LIMIT_S)
        stopping = asyncio.ensure_future(stop)
        try:
            while not (await asyncio.wait({stopping}, timeout=_LOOK_S))[0]:
                record = self._estate.get(key.account, key.region, "instance", key.id)
                if record is None or record.get("_Force") or states.name(record) == "shutting-down":
                    stopping.cancel()
                    await asyncio.gather(stopping, return_exceptions=True)
                    await self._machines.stop_machine(key.id, force=True)
                    return
            await stopping
        finally:
            stopping.cancel()

    def _note_stopped(self, key: Key, frozen: bool) -> None:
        with self._estate.change(key.account, key.region) as change:
            record = change.get("instance", key.id)
            if record is None or states.name(record) != "stopping":
                return
            after = {**record, "State": states.state("stopped"), "_Force": False, "_Hibernate": False}
            after["_Frozen"] = frozen
            if frozen:
                after["StateReason"] = {"Code": FROZEN[0], "Message": FROZEN[1]}
            change.put("instance", key.id, after)
            self._ec2.network_interfaces.stopped(change, key.id)

    async def _remove(self, key: Key, record: Record) -> None:
        for volume, attachment in self._disks(key):
            if _outlives(attachment) and record.get("_Made"):
                volume_key = Key(key.account, key.region, "volume", volume["VolumeId"])
                await self._storage.root_disks.keep(volume_key, key.id, volume)
        await self._machines.delete(key.id)
        await asyncio.to_thread(self._note_terminated, key)
        self.suspects.discard(key.id)

    def _note_terminated(self, key: Key) -> None:
        with self._estate.change(key.account, key.region) as change:
            record = change.get("instance", key.id)
            if record is None or states.name(record) == "terminated":
                return
            for volume, attachment in of_instance(change.all("volume"), key.id):
                _release(change, record, volume, attachment)
            self._ec2.network_interfaces.terminated(change, key.id)
            after = {**record, "State": states.state("terminated"), "_TerminatedAt": dt.datetime.now(dt.UTC)}
            after["Monitoring"] = {"State": "disabled"}
            after["_Made"] = False
            change.put("instance", key.id, after)

    # Adoption

    async def adopt(self, keys: list[Key]) -> list[Key]:
        """Compare all instances with the machines there are, after a start or a gap in the events.

        Running instances whose machine stands still get it started again: the host was restarted, or Incus
        was. Machines of no instance go. Returns the keys of those that need work.
        """
        seen = {key: self._estate.get(key.account, key.region, "instance", key.id) for key in keys}
        machines = await self._machines.states()
        work = []
        for key, record in seen.items():
            if record is None or self._estate.get(key.account, key.region, "instance", key.id) is not record:
                continue  # it has moved on while the machines were listed
            machine = machines.get(key.id)
            match states.name(record):
                case "running" if machine is None:
                    await asyncio.to_thread(self._note_gone, key)
                case "running" if machine is not None and machine.power is Power.STOPPED:
                    log.warning("instance %s stands still; starting it again", key.id)
                    await asyncio.to_thread(self._note_standing_still, key)
                case "stopped" if machine is not None and machine.power is Power.RUNNING:
                    self._astray.add(key)
                    work.append(key)
                case "terminated" if machine is not None:
                    self._astray.add(key)
                    work.append(key)
                case "pending" | "stopping" | "shutting-down":
                    work.append(key)
        known = {key.id for key, _ in self._estate.everywhere("instance")}
        for name in machines.keys() - known:
            log.warning("machine %s belongs to no instance; removing it", name)
            work.append(Key("", "", "instance", name))
        return work

    def _note_standing_still(self, key: Key) -> None:
        with self._estate.change(key.account, key.region) as change:
            record = change.get("instance", key.id)
            if record is not None and states.name(record) == "running":
                change.put("instance", key.id, {**record, "State": states.state("pending")})


def _outlives(attachment: dict[str, Any]) -> bool:
    """Whether a volume stays when its instance ends."""
    return not attachment["DeleteOnTermination"] or attachment["State"] == "detaching"


def _release(change: Change, instance: Record, volume: Record, attachment: dict[str, Any]) -> None:
    """What becomes of a volume when its instance ends."""
    volume_id = volume["VolumeId"]
    if volume.get("_Root"):
        never_made = root_disks.is_in_machine(volume) and not instance.get("_Made")
        if never_made or not _outlives(attachment):
            change.delete("volume", volume_id)
            return
        kept = {name: value for name, value in volume.items() if name not in ("_Root", "_AsRoot")}
        if root_disks.is_in_machine(volume):
            kept["_RootSnapshot"] = True
        change.put("volume", volume_id, {**kept, "State": "available", "Attachments": []})
        return
    state = "deleting" if attachment["DeleteOnTermination"] else "available"
    if volume.get("_New"):
        state = "deleting" if attachment["DeleteOnTermination"] else "creating"
    change.put("volume", volume_id, {**volume, "State": state, "Attachments": [], "_ForceDetach": False})
