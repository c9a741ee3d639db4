"""The environments of all functions: reuse of warm ones, making new ones, reaping idle ones."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, deque
from pathlib import Path
from typing import NamedTuple

from undercast.functions import entry as entries
from undercast.functions.entry import Entry
from undercast.functions.environment import SNAP_START, Environment
from undercast.functions.exchange import Exchange, Request
from undercast.functions.function import FunctionSpec, FunctionsUnavailable, SnapshotRefused
from undercast.functions.ground import Ground
from undercast.functions.snapshots import Snapshot
from undercast.functions.spec import SandboxError

FREEZE_AFTER_S = 0.1  # idle this long: stop the processes. Back-to-back invocations never pay for it
_REAP_EVERY_S = 5.0
_MEMORY_RESERVE = 0.08  # of the machine's memory: below it, idle environments go, oldest first


class Waiter(NamedTuple):
    """A request without an environment."""

    request: Request
    exchange: asyncio.Future[Exchange]


class Group:
    """The environments of one function version."""

    __slots__ = (
        "all",
        "entry",
        "fingerprint",
        "idle",
        "provisioned",
        "snapshot",
        "spec",
        "taking",
        "waiters",
    )

    def __init__(self, spec: FunctionSpec, entry: Entry) -> None:
        self.spec = spec
        self.entry = entry
        self.idle: list[Environment] = []  # the last one used is the first one taken
        self.all: set[Environment] = set()
        self.waiters: deque[Waiter] = deque()
        self.provisioned = 0
        self.fingerprint = 0  # of the code's files, for functions under development
        self.snapshot: Snapshot | None = None
        self.taking = asyncio.Lock()  # while the snapshot is taken


class Pool:
    """Hands out environments. A request never waits behind a busy one: a new one is made for it; but
    whichever is free first, serves it."""

    def __init__(self, ground: Ground, idle_s: float, creating_at_once: int | None = None) -> None:
        self._ground = ground
        self._idle_s = idle_s
        self._groups: dict[str, Group] = {}
        self._warm: dict[Environment, None] = {}  # idle and not frozen, the longest idle first
        self._slots = asyncio.Semaphore(creating_at_once or max(4, 2 * (os.cpu_count() or 1)))
        self._freezer: asyncio.TimerHandle | None = None
        self._reaper: asyncio.TimerHandle | None = None
        self._closed = False
        self.created = 0

    def start(self) -> None:
        """Begin to reap."""
        self._reaper = self._ground.loop.call_later(_REAP_EVERY_S, self._reap)

    async def close(self) -> None:
        """End every environment."""
        self._closed = True
        for timer in (self._freezer, self._reaper):
            if timer is not None:
                timer.cancel()
        for group in list(self._groups.values()):
            while group.waiters:
                waiting = group.waiters.popleft().exchange
                if not waiting.done():
                    waiting.set_exception(FunctionsUnavailable("The functions engine has been stopped."))
        environments = [environment for group in self._groups.values() for environment in group.all]
        with_extensions = [
            environment.shutdown() for environment in environments if environment.state == "idle"
        ]
        await asyncio.gather(*with_extensions, return_exceptions=True)
        for environment in environments:
            environment.kill()

    def take(self, spec: FunctionSpec) -> Environment | None:
        """A warm environment, if there is one."""
        group = self._groups.get(spec.key)
        if group is None:
            return None
        if spec.hot_reload:
            self._reload(group)
        idle = group.idle
        while idle:
            environment = idle.pop()
            self._warm.pop(environment, None)
            if environment.state == "idle" and not environment.retired:
                return environment
        return None

    async def serve(self, spec: FunctionSpec, request: Request) -> Exchange:
        """Begin a request in a new environment, or in one that becomes free before that is under way.

        Raises FunctionsUnavailable.
        """
        group = await self._group(spec)
        waiter = Waiter(request, self._ground.loop.create_future())
        group.waiters.append(waiter)
        self._ground.run(self._create_for_waiter(group))
        return await waiter.exchange

    async def provision(self, spec: FunctionSpec, count: int) -> None:
        """Keep `count` initialised environments. Returns when they are.

        Raises InitFailed, FunctionsUnavailable.
        """
        group = await self._group(spec)
        group.provisioned = count
        made = [environment for environment in group.all if self._is_provisioned(environment)]
        for environment in made[count:]:
            self._end(environment)
        missing = count - len(made)
        if missing > 0:
            await asyncio.gather(*[self._provision_one(group) for _ in range(missing)])

    async def snapshot(self, spec: FunctionSpec) -> None:
        """Initialise a version once, for environments to be forked from.

        Raises InitFailed, SnapshotRefused, FunctionsUnavailable.
        """
        await self._snapshot(await self._group(spec))

    async def _snapshot(self, group: Group) -> Snapshot:
        """The version's snapshot, taken now if there is none that lives."""
        async with group.taking:
            if group.snapshot is None or not group.snapshot.alive:
                if group.entry.argv is not None or group.entry.extensions:
                    what = (
                        "external extensions"
                        if group.entry.extensions
                        else f"the runtime {group.spec.runtime}"
                    )
                    raise SnapshotRefused(f"SnapStart is not supported with {what} on this machine.")
                template = self._environment(group, SNAP_START)
                await self._create(template)
                await template.initialised
                group.snapshot = template.take_snapshot()
            return group.snapshot

    def retire(self, key_prefix: str) -> None:
        """These versions are gone: idle environments end now, busy ones after their invocation."""
        for key in [key for key in self._groups if key.startswith(key_prefix)]:
            group = self._groups.pop(key)
            self._empty(group)

    def states(self) -> Counter[str]:
        """How many environments are in which state."""
        return Counter(environment.state for group in self._groups.values() for environment in group.all)

    def environments(self) -> list[Environment]:
        """All of them."""
        return [environment for group in self._groups.values() for environment in group.all]

    # making

    async def _group(self, spec: FunctionSpec) -> Group:
        if spec.key not in self._groups:
            try:
                runtime = await self._ground.sandboxes.prepare(spec.runtime)
            except SandboxError as problem:
                raise FunctionsUnavailable(str(problem)) from problem
        group = self._groups.get(spec.key)
        if group is None:
            group = self._groups[spec.key] = Group(spec, entries.find(spec, runtime))
            if spec.hot_reload:
                group.fingerprint = fingerprint(spec.code)
        return group

    def _environment(
        self, group: Group, initialization_type: str, snapshot: Snapshot | None = None
    ) -> Environment:
        environment = Environment(
            group.spec,
            group.entry,
            self._ground,
            initialization_type=initialization_type,
            snapshot=snapshot,
            on_idle=self._release,
            on_dead=self._forget,
        )
        group.all.add(environment)
        self.created += 1
        return environment

    async def _create_for_waiter(self, group: Group) -> None:
        async with self._slots:
            waiter = self._next_waiter(group)
            if self._closed or waiter is None:
                return  # served by another one meanwhile
            try:
                snapshot = await self._snapshot(group) if group.spec.snap_start else None
                environment = self._environment(group, SNAP_START if snapshot else "on-demand", snapshot)
                exchange = environment.begin(waiter.request)
                await self._create(environment)
            except Exception as problem:
                if not waiter.exchange.done():
                    waiter.exchange.set_exception(problem)
                return
            if not waiter.exchange.done():
                waiter.exchange.set_result(exchange)

    @staticmethod
    async def _create(environment: Environment) -> None:
        try:
            await environment.create()
        except SandboxError as problem:
            environment.kill()
            raise FunctionsUnavailable(str(problem)) from problem
        except BaseException:
            environment.kill()
            raise

    async def _provision_one(self, group: Group) -> None:
        async with self._slots:
            environment = self._environment(group, "provisioned-concurrency")
            await self._create(environment)
        await environment.initialised

    @staticmethod
    def _next_waiter(group: Group) -> Waiter | None:
        while group.waiters:
            waiter = group.waiters.popleft()
            if not waiter.exchange.done():
                return waiter
        return None

    # an environment's life

    def _release(self, environment: Environment) -> None:
        """An environment has nothing to do: give it to who waits, or keep it warm."""
        group = self._groups.get(environment.spec.key)
        if group is None or environment.retired or self._closed:
            self._end(environment)
            return
        waiter = self._next_waiter(group)
        if waiter is not None:
            waiter.exchange.set_result(environment.begin(waiter.request))
            return
        group.idle.append(environment)
        self._warm[environment] = None
        if self._freezer is None:
            self._freezer = self._ground.loop.call_later(FREEZE_AFTER_S, self._freeze)

    def _forget(self, environment: Environment) -> None:
        """An environment is dead."""
        self._warm.pop(environment, None)
        group = self._groups.get(environment.spec.key)
        if group is None:
            return
        group.all.discard(environment)
        if environment in group.idle:
            group.idle.remove(environment)
        if self._is_provisioned(environment) and environment.was_initialised and not self._closed:
            self._replace(group)

    def _replace(self, group: Group) -> None:
        """A provisioned environment ended by itself: make another."""
        living = sum(1 for environment in group.all if self._is_provisioned(environment))
        if living < group.provisioned:
            self._ground.run(self._provision_one(group))

    def _end(self, environment: Environment) -> None:
        if environment.state == "idle":
            environment.retired = True
            self._warm.pop(environment, None)
            self._ground.run(environment.shutdown())
        elif environment.state in ("busy", "init", "creating"):
            environment.retired = True
        elif environment.state == "snapshot":
            self._ground.run(environment.shutdown_snapshot())
        else:
            environment.kill()

    def _empty(self, group: Group) -> None:
        group.idle.clear()
        for environment in list(group.all):
            self._end(environment)

    @staticmethod
    def _is_provisioned(environment: Environment) -> bool:
        return environment.initialization_type == "provisioned-concurrency"

    # idle ones

    def _freeze(self) -> None:
        """Stop the processes of environments that have been idle for a moment."""
        self._freezer = None
        now = time.perf_counter()
        for environment in list(self._warm):
            if now - environment.idle_since < FREEZE_AFTER_S:
                break
            del self._warm[environment]
            if environment.state == "idle":
                self._ground.run(environment.freeze())
        if self._warm and not self._closed:
            self._freezer = self._ground.loop.call_later(FREEZE_AFTER_S, self._freeze)

    def _reap(self) -> None:
        """End environments that were idle for too long, or sooner when the machine's memory is short."""
        self._reaper = self._ground.loop.call_later(_REAP_EVERY_S, self._reap)
        now = time.perf_counter()
        idle = [environment for group in self._groups.values() for environment in group.idle]
        idle.sort(key=lambda environment: environment.idle_since)
        spare = [environment for environment in idle if not self._is_provisioned(environment)]
        old = [environment for environment in spare if now - environment.idle_since > self._idle_s]
        old += [environment for environment in idle if now > environment.expires]
        if not old and spare and memory_is_short():
            old = spare[: max(1, len(spare) // 4)]
        for environment in dict.fromkeys(old):
            group = self._groups[environment.spec.key]
            group.idle.remove(environment)
            self._end(environment)
        for key in [key for key, group in self._groups.items() if self._is_forgotten(group)]:
            del self._groups[key]

    @staticmethod
    def _is_forgotten(group: Group) -> bool:
        return not group.all and not group.waiters and not group.provisioned

    def _reload(self, group: Group) -> None:
        """A folder under development: environments that saw other files are not used again."""
        current = fingerprint(group.spec.code)
        if current != group.fingerprint:
            group.fingerprint = current
            self._empty(group)


def fingerprint(folder: Path) -> int:
    """A number that changes with any file below the folder."""
    seen: list[tuple[str, int, int]] = []
    stack = [str(folder)]
    while stack:
        try:
            with os.scandir(stack.pop()) as found:
                for item in found:
                    if item.name in ("__pycache__", ".git"):
                        continue
                    if item.is_dir(follow_symlinks=False):
                        stack.append(item.path)
                        continue
                    status = item.stat()
                    seen.append((item.path, status.st_mtime_ns, status.st_size))
        except OSError:  # removed while we looked: the next look sees what came of it
            continue
    return hash(tuple(sorted(seen)))


def memory_is_short() -> bool:
    """Whether little of the machine's memory is available (proc_meminfo(5))."""
    values: dict[str, int] = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            values[name] = int(rest.split()[0])
    return values.get("MemAvailable", 1) < values.get("MemTotal", 0) * _MEMORY_RESERVE
