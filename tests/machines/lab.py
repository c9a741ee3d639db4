"""A little world in network namespaces: a host that runs the network, instances on it, the world outside.

Nothing of it touches the machine's own network. A namespace is a thread that lives in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import ipaddress
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from pyroute2 import IPRoute

from undercast.network.hosts_file import HostsFile
from undercast.network.libnftables import Nftables
from undercast.network.model import (
    Acl,
    AclEntry,
    Desired,
    Group,
    Interface,
    Names,
    Route,
    Rule,
    Subnet,
    Via,
    vif_name,
)
from undercast.network.network import Network
from undercast.settings import Settings

T = TypeVar("T")
A = ipaddress.IPv4Address
N = ipaddress.IPv4Network
ANY = N("0.0.0.0/0")
ALL = Rule(None, cidrs=(ANY,))
HOST_ADDRESS, WORLD_ADDRESS = "192.0.2.2", "192.0.2.1"
QUICK_S = 0.3  # long enough for any packet here to arrive

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network namespace, entered by one thread for good."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._listeners: list[socket.socket] = []
        self.descriptor = self.run(self._enter)

    @staticmethod
    def _enter() -> int:
        if _libc.unshare(_CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        with IPRoute() as ip:
            ip.link("set", index=1, state="up")
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do something inside."""
        return self._thread.submit(work, *arguments).result(timeout=20)

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()
        os.close(self.descriptor)
        self._thread.shutdown()

    # -- sockets inside

    def listen(self, port: int, address: str = "0.0.0.0", kind: int = socket.SOCK_STREAM) -> socket.socket:
        """A server that accepts; sockets stay in the namespace they were made in."""

        def make() -> socket.socket:
            listener = socket.socket(socket.AF_INET, kind)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            if kind == socket.SOCK_STREAM:
                listener.listen(16)
            listener.settimeout(5)
            return listener

        self._listeners.append(self.run(make))
        return self._listeners[-1]

    def connect(self, address: str, port: int, timeout: float = QUICK_S, source: str = "") -> socket.socket:
        """A connection from inside. Raises OSError."""

        def make() -> socket.socket:
            return socket.create_connection(
                (address, port), timeout, source_address=(source, 0) if source else None
            )

        connection = self.run(make)
        connection.settimeout(2)
        return connection

    def reaches(self, address: str, port: int, timeout: float = QUICK_S) -> bool:
        try:
            self.connect(address, port, timeout).close()
        except OSError:
            return False
        return True

    def send(self, address: str, port: int, data: bytes = b"x", source: str = "") -> None:
        """One datagram."""

        def out() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                if source:
                    sender.bind((source, 0))
                with contextlib.suppress(OSError):
                    sender.sendto(data, (address, port))

        self.run(out)

    def pings(self, address: str) -> bool:
        """An ICMP echo, by a raw socket."""

        def out() -> bool:
            with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sender:
                sender.settimeout(QUICK_S)
                try:
                    sender.sendto(b"\x08\x00\xf7\xff\x00\x00\x00\x00", (address, 0))
                except PermissionError:  # how the kernel tells this machine's own programs of a drop
                    return False
                until = time.monotonic() + QUICK_S
                while time.monotonic() < until:
                    try:
                        data, peer = sender.recvfrom(1500)
                    except TimeoutError:
                        return False
                    if peer[0] == address and data[20] == 0:
                        return True
                return False

        return self.run(out)


class Instance(Namespace):
    """A namespace behind a routed interface, as Incus makes one; listens on TCP 22 and 80."""

    def __init__(self, lab: Lab, number: int, address: str) -> None:
        super().__init__()
        self.id = f"eni-{number:017x}"
        self.address = address
        self.mac = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
        self.vif = vif_name(lab.settings.host_id, self.id)
        lab.host.run(lab.plug, self)
        self.run(self._configure)
        self.ssh, self.http = self.listen(22), self.listen(80)

    def _configure(self) -> None:
        with IPRoute() as ip:
            index = socket.if_nametoindex("eth0")
            ip.link("set", index=index, state="up")
            ip.addr("add", index=index, address=self.address, prefixlen=32)
            ip.route("add", dst="169.254.0.1/32", oif=index, scope=253)
            ip.route("add", dst="0.0.0.0/0", gateway="169.254.0.1", oif=index)

    def set_mac(self, mac: str) -> None:
        def change() -> None:
            with IPRoute() as ip:
                ip.link("set", index=socket.if_nametoindex("eth0"), address=mac)

        self.run(change)

    def borrow(self, address: str) -> None:
        """Give this instance an address that is not its own."""

        def change() -> None:
            with IPRoute() as ip:
                ip.addr("add", index=1, address=address, prefixlen=32)

        self.run(change)

    def interface(self, subnet: str, *groups: str, public: str | None = None) -> Interface:
        address = A(self.address)
        return Interface(
            self.id, "0" * 12, f"i-{self.vif}", self.vif, self.mac, (address,), subnet, groups,
            {address: A(public)} if public else {},
        )  # fmt: skip


class Function(Namespace):
    """A namespace on a cable as function environments have, masqueraded by their own table."""

    ADDRESS = "198.19.0.6"

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        lab.host.run(self._plug)
        self.run(self._configure)

    def _plug(self) -> None:
        with IPRoute() as ip:
            peer = {"ifname": "eth0", "net_ns_fd": self.descriptor}
            ip.link("add", ifname="ufabcdef1", kind="veth", peer=peer)
            index = socket.if_nametoindex("ufabcdef1")
            ip.addr("add", index=index, address="169.254.76.1", prefixlen=32)
            ip.link("set", index=index, state="up")
            ip.route("add", dst=f"{self.ADDRESS}/32", oif=index, scope=253)
        Path("/proc/sys/net/ipv4/conf/ufabcdef1/forwarding").write_text("1")
        tables = Nftables()
        tables.run(
            "table inet undercast_functions_abcdef {\n"
            "chain postrouting { type nat hook postrouting priority srcnat; policy accept;\n"
            'ip saddr 198.19.0.0/16 oifname != "ufabcdef*" masquerade\n}\n}'
        )
        tables.close()

    def _configure(self) -> None:
        with IPRoute() as ip:
            index = socket.if_nametoindex("eth0")
            ip.link("set", index=index, state="up")
            ip.addr("add", index=index, address=self.ADDRESS, prefixlen=32)
            ip.route("add", dst="169.254.76.1/32", oif=index, scope=253)
            ip.route("add", dst="0.0.0.0/0", gateway="169.254.76.1", oif=index)


class Lab:
    """The host with its network, and what hangs on it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.settings = Settings(data=folder / "data", **settings)
        self.settings.data.mkdir(exist_ok=True)
        self.hosts_file = folder / "hosts"
        self.hosts_file.write_text("127.0.0.1 localhost\n")
        self.hosts = HostsFile(self.settings.host_id, self.hosts_file)
        self.lock = folder / "servers.lock"
        self.host, self.world = Namespace(), Namespace()
        self.host.run(self._cable)
        self.world.run(self._be_world)
        self.instances: list[Instance] = []
        self.network: Network
        self._loop: asyncio.AbstractEventLoop
        self.start()

    # -- the server's life

    def start(self) -> None:
        """Start a network, on a loop of its own inside the host's namespace."""
        ready = threading.Event()

        def serve() -> None:
            # A thread started inside a namespace lives there as well.
            async def life() -> None:
                self._loop = asyncio.get_running_loop()
                self._ended = asyncio.Event()
                self.network = Network(self.settings, self.hosts, lock=self.lock)
                ready.set()
                await self._ended.wait()

            asyncio.run(life())

        def spawn() -> threading.Thread:
            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            return thread

        self._thread = self.host.run(spawn)
        assert ready.wait(5)
        self.do(self.network.start(5000, self._api))
        assert self.network.reason is None, self.network.reason

    async def _api(self, host: str, port: int) -> int:
        async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\napi")
            await writer.drain()
            writer.close()

        self._api_server = await asyncio.start_server(hello, host, port)
        return int(self._api_server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        async def end() -> None:
            self._api_server.close()
            await self.network.close()
            self._ended.set()

        self.do(end())
        self._thread.join(10)

    def close(self) -> None:
        if self._thread.is_alive():
            self.stop()
        for space in (*self.instances, self.world, self.host):
            space.close()

    def do(self, work: Awaitable[T]) -> T:
        async def run() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(timeout=20)

    def apply(self, desired: Desired) -> float:
        """Apply, and return how many seconds it took."""
        began = time.monotonic()
        self.do(self.network.apply(desired))
        return time.monotonic() - began

    # -- the wires

    def _cable(self) -> None:
        with IPRoute() as ip:
            ip.link(
                "add", ifname="eth0", kind="veth", peer={"ifname": "w0", "net_ns_fd": self.world.descriptor}
            )
            index = socket.if_nametoindex("eth0")
            ip.link("set", index=index, state="up")
            ip.addr("add", index=index, address=HOST_ADDRESS, prefixlen=24)

    def _be_world(self) -> None:
        with IPRoute() as ip:
            index = socket.if_nametoindex("w0")
            ip.link("set", index=index, state="up")
            ip.addr("add", index=index, address=WORLD_ADDRESS, prefixlen=24)
            ip.addr("add", index=index, address="8.8.8.8", prefixlen=32)
            # The world would send everything back through the host if it could.
            ip.route("add", dst="0.0.0.0/0", gateway=HOST_ADDRESS, oif=index)

        def default() -> None:
            with IPRoute() as ip:
                ip.route("add", dst="0.0.0.0/0", gateway=WORLD_ADDRESS, oif=socket.if_nametoindex("eth0"))

        self.host.run(default)

    def second_address(self, address: str) -> None:
        with IPRoute() as ip:
            ip.addr("add", index=socket.if_nametoindex("eth0"), address=address, prefixlen=24)

    def plug(self, instance: Instance) -> None:
        with IPRoute() as ip:
            ip.link(
                "add", ifname=instance.vif, kind="veth",
                peer={"ifname": "eth0", "address": instance.mac, "net_ns_fd": instance.descriptor},
            )  # fmt: skip
            index = socket.if_nametoindex(instance.vif)
            ip.addr("add", index=index, address="169.254.0.1", prefixlen=32)
            ip.link("set", index=index, state="up")

    def unplug(self, instance: Instance) -> None:
        def away() -> None:
            with IPRoute() as ip:
                ip.link("del", index=socket.if_nametoindex(instance.vif))

        self.host.run(away)

    def instance(self, address: str) -> Instance:
        made = Instance(self, len(self.instances) + 1, address)
        self.instances.append(made)
        return made


def tcp(low: int, high: int | None = None, *, cidr: str = "0.0.0.0/0", group: str = "") -> Rule:
    cidrs, groups = ((), (group,)) if group else ((N(cidr),), ())
    return Rule(6, low, low if high is None else high, cidrs, groups)


def group(id: str, *ingress: Rule, egress: tuple[Rule, ...] = (ALL,)) -> Group:
    return Group(id, ingress, egress)


OPEN_ACL = Acl("acl-open", (AclEntry(True, ALL),), (AclEntry(True, ALL),))
LOCAL = Route(N("172.31.0.0/16"), Via.LOCAL)
TO_INTERNET = Route(ANY, Via.INTERNET)


def subnet(id: str, cidr: str, *routes: Route, vpc: str = "vpc-1", acl: str = "acl-open") -> Subnet:
    return Subnet(id, vpc, N(cidr), acl, (LOCAL, *(routes or (TO_INTERNET,))))


def desired(
    interfaces: list[Interface], groups: list[Group], subnets: list[Subnet], *acls: Acl, **more: Any
) -> Desired:
    names = {s.vpc: Names(s.vpc, A("172.31.0.2")) for s in subnets}
    return Desired(
        tuple(interfaces),
        {g.id: g for g in groups},
        {s.id: s for s in subnets},
        {a.id: a for a in (OPEN_ACL, *acls)},
        more.pop("names", names),
        **more,
    )


@contextlib.contextmanager
def made(folder: Path, **settings: Any) -> Iterator[Lab]:
    lab = Lab(folder, **settings)
    try:
        yield lab
    finally:
        lab.close()
