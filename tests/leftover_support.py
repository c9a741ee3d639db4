"""What the servers of a test session leave on this machine: swept at its end, and then looked for.

Only what carries the host id or the path of a data folder of this session counts, as other servers may run
on this machine at the same time.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from pathlib import Path

from undercast.functions import leftovers, netlink
from undercast.machines.errors import MachineError
from undercast.machines.incus import Incus
from undercast.machines.setup import daemon, project
from undercast.network import incus_rules
from undercast.network import leftovers as network_leftovers
from undercast.network.hosts_file import HOSTS, HostsFile
from undercast.network.libnftables import Nftables
from undercast.network.network import NODE
from undercast.settings import Settings

_PATIENCE_S = 10.0
_made: dict[str, Path] = {}


def watch(folder: Path, host_id: str | None = None) -> None:
    """Look for what is left of a server: by its data folder, or a folder and a host id."""
    _made[host_id or Settings.model_construct(data=folder).host_id] = folder.resolve()


def sweep() -> list[str]:
    """End what still runs, remove what killed servers left, and tell what is there all the same."""
    if not _made:
        return []
    running = [f"process {pid} still ran: {words}" for pid, words in _servers()]
    for pid, _ in list(_servers()):
        os.kill(pid, signal.SIGKILL)
    if os.geteuid() == 0:
        leftovers.sweep(_PATIENCE_S)
        HostsFile("000000").sweep()
        if daemon.responds():
            asyncio.run(_sweep_projects())
        network_leftovers.sweep(NODE, IPv4Network(Settings.model_fields["public_pool"].default))
    end = time.monotonic() + _PATIENCE_S
    while (found := list(left(_made))) and time.monotonic() < end:
        time.sleep(0.1)  # the kernel removes mounts and loop devices in its own time
    return running + found


def watched(folder: Path) -> dict[str, Path]:
    """One server, as `left` wants it."""
    return {host_id: found for host_id, found in _made.items() if found == folder.resolve()}


def left(made: Mapping[str, Path]) -> Iterator[str]:
    """Everything of these servers, by host id and folder, that is on this machine now."""
    tables = netlink.inet_tables() if os.geteuid() == 0 else []
    chains = _incus_chains() if "incus" in tables else []
    hosts = HOSTS.read_text(errors="replace")
    links = [path.name for path in Path("/sys/class/net").iterdir()]
    for host_id in made:
        names = (f"undercast_functions_{host_id}", f"undercast_{host_id}")
        yield from (f"nftables table {name}" for name in names if name in tables)
        yield from (f"nftables chain {name} of Incus" for name in chains if f".undercast-{host_id}_" in name)
        yield from (f"link {name}" for name in links if name.startswith((f"uf{host_id}", f"ui{host_id}")))
        for pattern in (f"undercast-{host_id}", f"*/undercast-{host_id}"):
            yield from (f"cgroup {path}" for path in Path("/sys/fs/cgroup").glob(pattern))
        if f"# undercast {host_id} begin" in hosts:
            yield f"names of {host_id} in {HOSTS}"
        run = Path("/run/undercast")
        for path in (run / f"functions-{host_id}.lock", run / "filters" / host_id, run / "disks" / host_id):
            if path.exists():
                yield str(path)
        if Path(f"/dev/undercast-{host_id}").exists():
            yield f"device nodes in /dev/undercast-{host_id}"
    yield from (f"process {pid}: {words}" for pid, words in _processes(made))
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if _belongs(line, made):
            yield f"mount {line}"
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            backing = file.read_text().strip()
        except OSError:  # gone meanwhile
            continue
        if _belongs(backing, made):
            yield f"loop device {file.parts[3]} of {backing}"


def _incus_chains() -> list[str]:
    tables = Nftables()
    try:
        return incus_rules.chains(tables)
    finally:
        tables.close()


def _belongs(text: str, made: Mapping[str, Path]) -> bool:
    return any(str(folder) in text or f"undercast-{host_id}_" in text for host_id, folder in made.items())


def _processes(made: Mapping[str, Path]) -> Iterator[tuple[int, str]]:
    """Processes that carry a path of ours in their command line, or write there."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            places = [words, *(str((entry / "fd" / number).readlink()) for number in "12")]
        except OSError:  # gone meanwhile, or the kernel's
            continue
        if any(_belongs(place, made) for place in places):
            yield int(entry.name), words[:200]


def _servers() -> Iterator[tuple[int, str]]:
    return ((pid, words) for pid, words in _processes(_made) if " -m undercast " in words)


async def _sweep_projects() -> None:
    incus = Incus("default")
    try:
        await asyncio.wait_for(project.sweep_projects(incus), 120)
    except MachineError as error:
        print(f"Incus projects could not be swept: {error}")
    finally:
        await incus.close()
