"""What is ours inside Incus: a project per server and one storage pool. All else there is left alone."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import shutil
import struct
from pathlib import Path
from typing import Any
from urllib.parse import quote

from undercast.machines import loop
from undercast.machines.errors import Conflict, MachineError, NotFound
from undercast.machines.incus import Incus
from undercast.machines.places import POOL, USUAL_PROJECT, VOLUMES, Places, places_of
from undercast.machines.setup.daemon import INCUS_DIR

GIB = 1 << 30
LARGEST_POOL_GIB = 200
# Pools and projects belong to no project; a request that named ours would fail while it does not exist.
_GLOBAL = {"project": "default"}
_QUOTA_CTL = 3 << 30 | 16 << 16 | 0x94 << 8 | 40
_ENABLE_SIMPLE_QUOTA = 4
DATA_LABEL = "user.undercast.data"
_TRIES, _PAUSE_S = 10, 0.5


async def ensure_pool(incus: Incus) -> str:
    """The driver of our storage pool, which is made where there is none.

    btrfs on a loop file makes launches and snapshots copy-on-write; where the kernel has no btrfs a plain
    folder serves, more slowly and without limits on disk size.

    Raises:
        MachineError: the pool exists but cannot be used; the message says what to do.
    """
    for pool in await incus.all("/1.0/storage-pools", project="default"):
        if pool["name"] != POOL:
            continue
        if pool.get("status") != "Created":
            raise MachineError(
                f"The storage pool {POOL!r} of Incus is unavailable (its file may be gone). "
                "`undercast setup --remove` removes what is left of it, then run `undercast setup` again."
            )
        return str(pool["driver"])
    return await _create_pool(incus)


async def _create_pool(incus: Incus) -> str:
    body: dict[str, Any] = {"name": POOL, "driver": "btrfs", "description": "Machines and volumes"}
    sized = {**body, "config": {"size": f"{_pool_gib()}GiB"}}
    try:
        await incus.request("POST", "/1.0/storage-pools", sized, query=_GLOBAL, timeout_s=120)
        _count_simply(INCUS_DIR / "storage-pools" / POOL)
        return "btrfs"
    except Conflict:
        return await ensure_pool(incus)
    except MachineError:
        plain = {**body, "driver": "dir"}
        await incus.request("POST", "/1.0/storage-pools", plain, query=_GLOBAL, timeout_s=60)
        return "dir"


def _count_simply(pool: Path) -> None:
    """Turn on btrfs's simple quotas (Linux 6.7) where the kernel has them: what a machine writes is its own.

    Full accounting, which Incus turns on otherwise for the first limited disk, makes each launch 0.1 s
    slower.
    BTRFS_IOC_QUOTA_CTL of <linux/btrfs.h>.
    """
    fd = os.open(pool, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, _QUOTA_CTL, struct.pack("QQ", _ENABLE_SIMPLE_QUOTA, 0))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTTY, errno.EOPNOTSUPP):
            raise MachineError(f"Quotas of the storage pool: {error.strerror}") from error
    finally:
        os.close(fd)


def _pool_gib() -> int:
    """The size of the (sparse) pool file: most of the free disk, and never all of it."""
    free = os.statvfs(INCUS_DIR)
    return max(8, min(LARGEST_POOL_GIB, int(free.f_bavail * free.f_frsize * 0.7 / GIB)))


async def ensure_project(incus: Incus, places: Places) -> None:
    """Our project, with images and volumes of its own, and the volume that holds EBS's raw files."""
    body = {
        "name": places.project,
        "description": "Undercast",
        "config": {
            "features.images": "true",
            "features.profiles": "true",
            "features.storage.volumes": "true",
            "features.storage.buckets": "true",
            DATA_LABEL: str(places.data),
        },
    }
    # A project whose data folder is missing is taken for one that nobody owns any more.
    places.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if places.project not in await our_projects(incus):
        with contextlib.suppress(Conflict):
            await incus.request("POST", "/1.0/projects", body, query=_GLOBAL)
    volume = {"name": VOLUMES, "type": "custom", "content_type": "filesystem", "config": {}}
    try:
        await incus.get(f"/1.0/storage-pools/{POOL}/volumes/custom/{VOLUMES}")
    except NotFound:
        with contextlib.suppress(Conflict):
            await incus.run("POST", f"/1.0/storage-pools/{POOL}/volumes/custom", volume)


async def our_projects(incus: Incus) -> dict[str, Places]:
    """The projects servers of Undercast made on this machine, by name."""
    projects = await incus.all("/1.0/projects", project="default")
    return {
        project["name"]: places_of(project["name"], Path(project["config"][DATA_LABEL]))
        for project in projects
        if DATA_LABEL in project.get("config", {})
    }


async def remove_project(incus: Incus, ours: Places) -> None:
    """Remove a project of ours with its machines, images and volumes, and what they have on this machine."""
    name = ours.project
    scoped = {"project": name}
    for instance in await incus.all("/1.0/instances", project=name):
        await _remove_instance(incus, f"/1.0/instances/{quote(instance['name'])}", scoped)
    for image in await incus.all("/1.0/images", project=name):
        await incus.run("DELETE", f"/1.0/images/{image['fingerprint']}", query=scoped, timeout_s=60)
    await asyncio.to_thread(loop.release_below, ours.volumes)
    for folder in (ours.nodes, ours.disk_views):
        shutil.rmtree(folder, ignore_errors=True)
    volumes = f"/1.0/storage-pools/{POOL}/volumes/custom"
    for volume in await incus.all(volumes, project=name):
        await incus.request("DELETE", f"{volumes}/{quote(volume['name'])}", query=scoped, timeout_s=60)
    await incus.request("DELETE", f"/1.0/projects/{quote(name)}", query=_GLOBAL)


async def _remove_instance(incus: Incus, path: str, scoped: dict[str, str]) -> None:
    """Stop and delete. An Incus that has only just started is about to start what ran before."""
    stop = {"action": "stop", "force": True, "timeout": 30}
    for again in range(_TRIES, 0, -1):
        try:
            if (await incus.request("GET", path, query=scoped))["status"] != "Stopped":
                await incus.run("PUT", f"{path}/state", stop, query=scoped, timeout_s=60)
            await incus.run("DELETE", path, query=scoped, timeout_s=60)
            return
        except NotFound:
            return
        except MachineError:
            if again == 1:
                raise
            await asyncio.sleep(_PAUSE_S)


async def sweep_projects(incus: Incus) -> list[str]:
    """Remove the projects of servers whose data folder is gone: nobody can own them any more.

    The project of the usual data folder stays: set-up makes it before there is any data.
    """
    gone = [
        ours
        for name, ours in (await our_projects(incus)).items()
        if name != USUAL_PROJECT and not ours.data.exists()
    ]
    removed: list[str] = []
    for ours in gone:
        # One that resists must not keep the server from starting; the next start tries again.
        with contextlib.suppress(MachineError):
            await remove_project(incus, ours)
            removed.append(ours.project)
    return removed


async def remove_pool(incus: Incus) -> None:
    """Remove our storage pool; its file goes with it."""
    try:
        await incus.request("DELETE", f"/1.0/storage-pools/{POOL}", query=_GLOBAL, timeout_s=120)
    except NotFound:
        return
