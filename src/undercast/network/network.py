"""The node's network: puts the desired state into the kernel and serves instances their link-local services.

The kernel is the only memory: routes, addresses and the packet filter stay in force when this process ends
while instances run, and the next start replaces the filter in one transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from undercast.network import conntrack, incus_rules, other_firewalls
from undercast.network.base_chains import Host
from undercast.network.filter import render
from undercast.network.hosts_file import HostsFile
from undercast.network.leftovers import Filters
from undercast.network.libnftables import FilterError, Nftables
from undercast.network.links import LinkWatcher
from undercast.network.metadata import MetadataService
from undercast.network.metadata_model import MachineMetadata
from undercast.network.model import Address, Cidr, Desired, Interface, Names, vif_prefix
from undercast.network.owner import LOCK, Owner
from undercast.network.resolver import Resolver
from undercast.network.routes import Routes
from undercast.network.ruleset import Ruleset
from undercast.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")

_SETTLE_S = 0.5
API_PORT = 4566
NODE = ipaddress.IPv4Address("169.254.87.1")
_RESERVED = tuple(Cidr(block) for block in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"))


class NetworkError(Exception):
    """The network could not be made as asked; the message is fit for a person."""


class Network:
    """The instance network of this machine.

    `describe` tells the metadata service who has an address; set it before `start`. Methods are called on one
    event loop; `reason` says why there is no network (None while there is).
    """

    def __init__(self, settings: Settings, hosts: HostsFile, *, lock: Path = LOCK) -> None:
        self._settings = settings
        self._hosts = hosts
        self._owner = Owner(lock)
        self._filters = Filters(lock)
        self._prefix = vif_prefix(settings.host_id)
        self._table = f"undercast_{settings.host_id}"
        self._pool = Cidr(settings.public_pool)
        self.describe: Callable[[str], MachineMetadata | None] = lambda _address: None
        self.reason: str | None = "the instance network has not been started"
        self._told = ""
        self._desired = Desired()
        self._in_force: Ruleset | None = None
        self._by_address: dict[str, Names] = {}
        # All kernel work happens in this one thread, one thing after another.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._turn = asyncio.Lock()
        self._routes: Routes | None = None
        self._filter: Nftables | None = None
        self._host: Host | None = None
        self._watcher: LinkWatcher | None = None
        self._moving: asyncio.TimerHandle | None = None
        self._metadata = MetadataService(lambda address: self.describe(address))
        self._resolver = Resolver(lambda address: self._by_address.get(address), settings.dns_suffix)
        self._tasks: set[asyncio.Task[None]] = set()

    # -- life

    async def start(self, api_port: int, listen: Callable[[str, int], Awaitable[int]] | None) -> None:
        """Take the network over, if this server may have it; `reason` tells afterwards.

        `listen` lets the API listen on one more address and returns the port there; instances reach it
        under `api_port`, the server's own, and the usual 4566. None keeps it from them.
        """
        self.reason = self._refusal()
        if self.reason is not None:
            return
        try:
            await self._do(self._open)
            await self._serve(api_port, listen)
            # Instances of an earlier run keep the filter they have until the first `apply`.
            async with self._turn:
                if not await self._do(self._filter_stands):
                    await self._do(self._replace, Desired())
            self._watcher = LinkWatcher(self._prefix, self._appeared, self._moved)
            self._watcher.start()
        except (OSError, FilterError, NetworkError) as error:
            self.reason = f"the instance network could not be set up: {error}"
            if self.reason != self._told:  # asked again and again until it works
                log.warning("%s", self.reason)
            self._told = self.reason
            await self._stop_services()
            await self._do(self._release)
            self._owner.release()

    def _refusal(self) -> str | None:
        if os.geteuid() != 0:
            return "instances need Undercast to run as root"
        return Nftables.missing() or self._owner.acquire(
            f"pid {os.getpid()}, data in {self._settings.data.resolve()}"
        )

    def _open(self) -> None:
        self._routes = Routes(self._prefix)
        self._filter = Nftables()
        if not self._on_lan and (clash := self._routes.clash(self._pool)):
            raise NetworkError(f"the public pool {clash}; choose another one with UNDERCAST_PUBLIC_POOL")
        self._routes.open(NODE, self._pool, self._on_lan)
        self._filters.remember(self._settings.host_id, self._settings.data.resolve())
        self._filters.sweep(self._filter)
        other_firewalls.make_way(self._filter)

    async def sweep(self) -> None:
        """Take away filters that filter nothing, of servers that are gone. Never raises."""

        def remove() -> None:
            if self._filter is not None:
                self._filters.sweep(self._filter)
                incus_rules.sweep(self._filter)

        try:
            await self._do(remove)
        except (FilterError, OSError) as error:
            log.warning("filters of servers that are gone could not be removed: %s", error)

    def _filter_stands(self) -> bool:
        assert self._filter is not None
        try:
            self._filter.run(f"list chain inet {self._table} guard")
        except FilterError:
            return False
        return True

    @property
    def _on_lan(self) -> bool:
        return self._settings.public_pool_on_lan

    async def _serve(self, api_port: int, listen: Callable[[str, int], Awaitable[int]] | None) -> None:
        metadata_port = await self._metadata.start(str(NODE))
        resolver_port = await self._resolver.start(str(NODE))
        door_port = await listen(str(NODE), 0) if listen is not None else 0
        assert self._routes is not None
        routes = self._routes
        uplinks, addresses = await self._do(lambda: (routes.uplinks(), routes.addresses()))
        self._host = Host(
            table=self._table,
            vif_prefix=self._prefix,
            node=NODE,
            metadata_port=metadata_port,
            resolver_port=resolver_port,
            door_port=door_port,
            api_ports=tuple(sorted({API_PORT, api_port})) if listen is not None else (),
            pool=self._pool,
            pool_on_lan=self._on_lan,
            uplinks=uplinks,
            addresses=addresses,
        )

    async def close(self) -> None:
        """Stop the services. The filter stays in force while there are instances, and goes with the last."""
        if self._watcher is not None:
            self._watcher.close()
        if self._moving is not None:
            self._moving.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stop_services()
        if self._owner.held:
            await self._do(self._release)
        self._owner.release()
        self.reason = "the instance network was stopped"
        self._thread.shutdown(wait=True)

    async def _stop_services(self) -> None:
        await self._metadata.close()
        await self._resolver.close()

    def _release(self) -> None:
        routes, packet_filter = self._routes, self._filter
        self._routes = self._filter = None
        if routes is not None:
            if not routes.vifs():
                routes.shut(NODE, self._pool, self._on_lan)
                if packet_filter is not None:
                    other_firewalls.give_back(packet_filter)
                    with contextlib.suppress(FilterError):
                        self._filters.remove(packet_filter, self._settings.host_id)
            routes.close()
        if packet_filter is not None:
            packet_filter.close()

    # -- the desired state

    async def apply(self, desired: Desired) -> None:
        """Bring the kernel to `desired`. Returns when it is in force. Raises `NetworkError`."""
        if self.reason is not None:
            raise NetworkError(self.reason)
        async with self._turn:
            before = self._desired
            try:
                await self._do(self._replace, desired)
            except (FilterError, OSError) as error:
                raise NetworkError(f"the network could not be changed: {error}") from error
            self._by_address = _names_by_address(desired)
            self._publish(before, desired)

    def _replace(self, desired: Desired) -> None:
        assert self._routes is not None and self._filter is not None and self._host is not None
        before = self._desired
        host = self._refreshed_host()
        rules = render(desired, host)
        script = rules.whole() if self._in_force is None else self._in_force.changes(rules)
        if script:
            try:
                self._filter.run(script)
            except FilterError:
                # Somebody changed the table under us: all of it, once more.
                log.warning("the packet filter was not as expected; it is written anew")
                self._filter.run(rules.whole())
        self._in_force, self._desired, self._host = rules, desired, host
        old = {interface.vif: interface for interface in before.interfaces}
        for interface in desired.interfaces:
            if interface != old.get(interface.vif):
                self._routes.connect(interface.vif, interface.mac, interface.addresses)
        conntrack.end(conntrack.stale(before, desired))
        if self._on_lan:
            self._routes.answer_for(_public(desired), _public(before))

    def _refreshed_host(self) -> Host:
        """The host as it is now: its addresses and uplinks change when somebody plugs in a network."""
        assert self._routes is not None and self._host is not None
        known = self._host
        addresses, uplinks = self._routes.addresses(), self._routes.uplinks()
        if (addresses, uplinks) == (known.addresses, known.uplinks):
            return known
        self._routes.open(NODE, self._pool, self._on_lan)
        return Host(
            known.table, known.vif_prefix, known.node, known.metadata_port, known.resolver_port,
            known.door_port, known.api_ports, known.pool, known.pool_on_lan, uplinks, addresses,
        )  # fmt: skip

    def _publish(self, before: Desired, after: Desired) -> None:
        gone = before.host_names.keys() - after.host_names.keys()
        if gone:
            self._hosts.remove(sorted(gone))
        if after.host_names:
            self._hosts.add(dict(after.host_names))

    def clash(self, cidr: Cidr) -> str | None:
        """Why addresses of `cidr` cannot be given to instances on this machine, or None.

        Blocks for a moment: for any thread but the event loop's.
        """
        if self._routes is None:
            return self.reason
        if any(cidr.overlaps(reserved) for reserved in _RESERVED):
            return f"{cidr} is reserved for other uses on every machine"
        return self._thread.submit(self._routes.clash, cidr).result(timeout=10)

    # -- interfaces that come up

    def _appeared(self, name: str) -> None:
        interfaces = [i for i in self._desired.interfaces if name in ("", i.vif)]
        if interfaces:
            task = asyncio.create_task(self._connect(interfaces))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _moved(self) -> None:
        """This machine's own network changed: rules that speak of its addresses and uplinks follow soon."""
        if self._moving is None:
            self._moving = asyncio.get_running_loop().call_later(_SETTLE_S, self._follow)

    def _follow(self) -> None:
        async def follow() -> None:
            async with self._turn:
                try:
                    await self._do(self._replace, self._desired)
                except (FilterError, OSError) as error:
                    log.warning("this machine's network changed, and the filter could not follow: %s", error)

        self._moving = None
        if self._routes is not None and self._in_force is not None:
            task = asyncio.create_task(follow())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, interfaces: list[Interface]) -> None:
        def connect() -> None:
            for interface in interfaces:
                if self._routes is not None:
                    self._routes.connect(interface.vif, interface.mac, interface.addresses)

        try:
            await self._do(connect)
        except OSError as error:
            log.warning("connecting %s failed: %s", [i.vif for i in interfaces], error)

    async def _do(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


def _public(desired: Desired) -> list[Address]:
    return [public for interface in desired.interfaces for public in interface.public.values()]


def _names_by_address(desired: Desired) -> dict[str, Names]:
    found: dict[str, Names] = {}
    for interface in desired.interfaces:
        names = desired.names.get(desired.subnets[interface.subnet].vpc)
        if names is not None:
            found.update({str(address): names for address in interface.addresses})
    return found
