"""`undercast setup`, `image` and `demo`: what needs the machine itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import typer
from rich.table import Table

from undercast.commands.speaking import WRONG_USE, err, fail, out, plain, settings
from undercast.machines.errors import MachineError, Unavailable
from undercast.machines.images import build
from undercast.machines.images.library import DEFAULT_ALIAS, Images
from undercast.machines.incus import Incus
from undercast.machines.places import Places, places
from undercast.machines.setup import daemon, project
from undercast.machines.setup.progress import Quiet
from undercast.machines.setup.warm import warm
from undercast.machines.spec import MachineImage

T = TypeVar("T")


def setup(data: Path | None, remove: bool) -> None:
    """Set the machine up for servers, or undo that."""
    from undercast.machines import setup as steps
    from undercast.machines.setup.progress import ConsoleProgress

    try:
        (steps.undo if remove else steps.run)(settings(data=data), ConsoleProgress(err))
    except MachineError as error:
        fail(str(error), "Run it again once that is put right; what is done already is not done twice.")
    out.print(
        "This machine is set up for servers." if not remove else "Servers are removed from this machine."
    )


def demo(data: Path | None, chapters: list[str]) -> None:
    """Play the tutorial."""
    from undercast import demo as tutorial

    if unknown := set(chapters) - set(tutorial.CHAPTERS):
        fail(
            f"the demo has no chapter {', '.join(sorted(unknown))}",
            f"There are: {', '.join(tutorial.CHAPTERS)}",
            WRONG_USE,
        )
    if code := tutorial.run(settings(data=data), chapters or list(tutorial.CHAPTERS)):
        raise typer.Exit(code)


def _with_images(data: Path | None, work: Callable[[Incus, Places], Awaitable[T]]) -> T:
    """Do something with the images of a data folder, beside a server that may be running on it."""

    async def run() -> T:
        ours = places(settings(data=data))
        incus = Incus(ours.project)
        try:
            await asyncio.to_thread(daemon.ensure_running)
            await project.ensure_pool(incus)
            await project.ensure_project(incus, ours)
            return await work(incus, ours)
        finally:
            await incus.close()

    _need_root()
    try:
        return asyncio.run(run())
    except Unavailable as error:
        fail(f"servers do not run here: {error}", "Set them up with: undercast setup")
    except MachineError as error:
        fail(str(error))


def _need_root() -> None:
    if os.geteuid() != 0:
        fail("images need root, as servers do", "Run it again with sudo.")


def list_images(data: Path | None) -> None:
    """Show the images."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("AMI", "Alias", "Fingerprint", "Size", "Description"):
        table.add_column(heading, overflow="fold")
    for one in _with_images(data, lambda incus, _: Images(incus).list()):
        size = f"{one.size_bytes / 1e6:.0f} MB"
        table.add_row(one.ami_id, ", ".join(one.aliases), one.fingerprint[:12], size, one.description)
    out.print(table)


def add_image(data: Path | None, source: str, alias: str | None, metadata: Path | None) -> None:
    """Add an image from a remote, or from a file."""
    file = Path(source)
    if not file.exists() and ":" not in source:
        fail(
            f"there is no file {source}",
            "An image comes from a file, or from a remote: undercast image import images:debian/13/cloud",
            WRONG_USE,
        )
    name = alias or file.absolute().name.partition(".")[0]
    if name == DEFAULT_ALIAS:
        fail(f"{name} is the default image's own name", "Give another one with --alias.", WRONG_USE)

    async def bring(images: Images) -> MachineImage:
        if not file.exists():
            return await images.copy_remote(source, alias)
        if metadata is not None:
            return await images.add(metadata, file, name)
        return await images.import_file(file, name)

    async def add(incus: Incus, ours: Places) -> MachineImage:
        images = Images(incus)
        image = await bring(images)
        try:
            await warm(incus, ours, image, Quiet())
        except MachineError:
            await images.delete(image.fingerprint)  # nothing could be launched from it
            raise
        return image

    _need_root()
    with err.status(f"Adding {plain(source)} ..."), build.one_import_at_a_time():
        made = _with_images(data, add)
    out.print(plain(f"Added as {made.ami_id}: {made.description or name}"))


def remove_image(data: Path | None, name: str) -> None:
    """Remove an image."""

    async def remove(incus: Incus, _: Places) -> None:
        images = Images(incus)
        await images.delete((await images.resolve(name)).fingerprint)

    _with_images(data, remove)
    out.print(f"Removed {name}.")
