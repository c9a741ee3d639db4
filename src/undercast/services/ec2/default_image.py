"""The images Incus holds for us: the default one brought from the cache, the others seen when they come."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from undercast.machines.errors import MachineError
from undercast.machines.images import build
from undercast.services.base import AwsError
from undercast.services.ec2 import public_images

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

log = logging.getLogger(__name__)

_LIMIT_S = 60.0
_SETTLE_S = 0.2


class DefaultImage:
    """Imports it; launches wait for that. Building it takes minutes and is `undercast setup`'s business."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._machines = ec2.cloud.machines
        self._ready = asyncio.Event()
        self._missing = False

    async def run(self) -> None:
        """Import the image if it is not there yet, then follow what the command line adds and removes."""
        await self._import()
        async for _ in self._machines.images.changes():
            await self._look()
            # Incus tells of a deletion a moment before it has happened.
            await asyncio.sleep(_SETTLE_S)
            await self._look()

    async def _look(self) -> None:
        try:
            await self.refresh()
        except MachineError as error:
            log.warning("the images cannot be listed now: %s", error)

    async def _import(self) -> None:
        try:
            if await self._machines.images.default() is None:
                key = await asyncio.to_thread(build.recipe_key)
                self._missing = build.cached(key) is None
                if not self._missing:
                    began = time.monotonic()
                    await self._machines.images.ensure_default()
                    log.info("the default image was imported in %.1f s", time.monotonic() - began)
            await self.refresh()
        except MachineError as error:
            log.error("the default image could not be imported: %s", error)
        finally:
            self._ready.set()

    async def refresh(self) -> None:
        """See which images there are."""
        self._ec2.machine_images = await self._machines.images.list()
        if any(build.ALIAS in image.aliases for image in self._ec2.machine_images):
            self._missing = False

    async def ready(self) -> None:
        """Return once the import has ended, one way or the other."""
        await asyncio.wait_for(self._ready.wait(), _LIMIT_S)

    def check(self, image_id: str) -> None:
        """Refuse a launch of the default image where it was never built."""
        if self._missing and image_id == public_images.DEFAULT_AMI:
            raise AwsError(
                "UnsupportedOperation",
                "Instances cannot be launched here: the default image has not been built. "
                "Run `undercast setup` as root.",
            )
