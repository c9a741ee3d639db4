"""The steps of `undercast setup`, each looked at before it is taken: running it again costs nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING

from undercast.machines.errors import MachineError, Unsupported
from undercast.machines.setup import daemon, packages
from undercast.machines.setup.progress import Progress

if TYPE_CHECKING:
    from undercast.settings import Settings


def ready() -> bool:
    """Whether Incus is installed and answers (a quick look, not a promise that launches work)."""
    return not packages.missing() and daemon.responds()


def run(settings: Settings, progress: Progress) -> None:
    """Make this machine able to launch servers. Idempotent, and quick when nothing is to do.

    Raises:
        Unsupported: this system cannot be set up by us; the message says what to install.
        MachineError: a step failed; the message holds the last lines of what failed.
    """
    _need_root()
    if missing := packages.missing():
        with progress.step("Installing Incus and its tools") as step:
            packages.install(missing, step)
        if still := packages.missing():
            raise MachineError(f"Installed, and yet their programs are not found: {', '.join(still)}")
    if not daemon.responds() or not (daemon.systemd_runs() or daemon.supervised()):
        with progress.step("Starting Incus"):
            daemon.ensure_running()
    asyncio.run(_inside(settings, progress))


def undo(settings: Settings, progress: Progress, *, keep_cache: bool = False) -> None:
    """Remove what set-up made: our projects with machines, images and volumes, the pool, the image cache.

    Packages stay (others may use them by now); a daemon we started by hand is stopped.

    Raises:
        MachineError: something of ours is still in use; the message says what.
    """
    _need_root()
    if packages.find_program("incusd"):
        daemon.ensure_running()
        asyncio.run(_remove_inside(progress))
        with progress.step("Stopping Incus"):
            daemon.stop()
    from undercast.machines.images import build

    if build.CACHE.exists() and not keep_cache:
        with progress.step("Removing the image cache"):
            build.remove_tree(build.CACHE)
    packages.BACKPORTS.unlink(missing_ok=True)
    shutil.rmtree(daemon.RUN, ignore_errors=True)


async def _inside(settings: Settings, progress: Progress) -> None:
    # Imported here: the quick look of `ready` should not pay for an HTTP client.
    from undercast.machines.images.library import Images
    from undercast.machines.incus import Incus
    from undercast.machines.places import places
    from undercast.machines.setup import project
    from undercast.machines.setup.warm import warm

    ours = places(settings)
    incus = Incus(ours.project)
    try:
        if ours.project in await project.our_projects(incus):
            await project.ensure_pool(incus)
        else:
            with progress.step("Preparing storage"):
                await project.ensure_pool(incus)
        await project.ensure_project(incus, ours)
        await warm(incus, ours, await Images(incus).ensure_default(progress), progress)
    finally:
        await incus.close()


async def _remove_inside(progress: Progress) -> None:
    from undercast.machines.incus import Incus
    from undercast.machines.setup import project

    incus = Incus("default")
    try:
        for name, ours in (await project.our_projects(incus)).items():
            with progress.step(f"Removing project {name}"):
                await project.remove_project(incus, ours)
        with progress.step("Removing the storage pool"):
            await project.remove_pool(incus)
    finally:
        await incus.close()


def _need_root() -> None:
    if os.geteuid() != 0:
        raise Unsupported("Set-up changes this machine's packages and storage: run it as root (sudo).")
