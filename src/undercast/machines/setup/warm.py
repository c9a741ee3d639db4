"""The golden-image cache: Incus unpacks an image when the first machine is made from it, so make one now."""

from __future__ import annotations

from undercast.machines.errors import NotFound
from undercast.machines.incus import Incus, instance_path
from undercast.machines.instance import root_disk
from undercast.machines.places import Places
from undercast.machines.setup.progress import Progress
from undercast.machines.spec import MachineImage

WARMER = "undercast-warm"


async def warm(incus: Incus, places: Places, image: MachineImage, progress: Progress) -> None:
    """Have an image unpacked in the pool, so that the first launch is as quick as the second."""
    if await _unpacked(incus, places, image.fingerprint):
        return
    with progress.step("Unpacking the image"):
        body = {
            "name": WARMER,
            "type": "container",
            "source": {"type": "image", "fingerprint": image.fingerprint},
            "profiles": [],
            "devices": {"root": root_disk(places, 0)},
        }
        await _remove(incus)
        await incus.run("POST", "/1.0/instances", body, timeout_s=300)
        await _remove(incus)


async def _unpacked(incus: Incus, places: Places, fingerprint: str) -> bool:
    path = f"/1.0/storage-pools/{places.pool}/volumes/image/{fingerprint}"
    try:
        await incus.request("GET", path, query={"project": "default"})
    except NotFound:
        return False
    return True


async def _remove(incus: Incus) -> None:
    try:
        await incus.run("DELETE", instance_path(WARMER), timeout_s=60)
    except NotFound:
        return
