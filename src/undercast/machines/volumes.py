"""Volumes (written next)."""

from __future__ import annotations

from undercast.machines.incus import Incus
from undercast.machines.places import Places


class Volumes:
    def __init__(self, incus: Incus, places: Places) -> None:
        self._incus = incus
        self._places = places

    async def recover(self) -> None: ...
    async def machine_started(self, name: str) -> None: ...
    async def machine_gone(self, name: str) -> None: ...
