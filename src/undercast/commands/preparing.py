"""`undercast setup`, `image` and `demo`: what needs the machine itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import typer
from rich.table import Table

from undercast.commands.speaking import WRONG_USE, err, fail, out, settings
from undercast.machines.errors import MachineError
from undercast.machines.images.library import Images

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


def _with_images(data: Path | None, work: Callable[[Images], Awaitable[T]]) -> T:
    from undercast.machines.machines import Machines

    async def run() -> T:
        machines = Machines(settings(data=data))
        await machines.start()
        try:
            capability = machines.capability()
            if not capability.available:
                fail(f"servers do not run here: {capability.reason}", "Set them up with: undercast setup")
            return await work(machines.images)
        finally:
            await machines.close()

    try:
        return asyncio.run(run())
    except MachineError as error:
        fail(str(error))


def list_images(data: Path | None) -> None:
    """Show the images."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("AMI", "Alias", "Fingerprint", "Size", "Description"):
        table.add_column(heading, overflow="fold")
    for one in _with_images(data, lambda images: images.list()):
        size = f"{one.size_bytes / 1e6:.0f} MB"
        table.add_row(one.ami_id, ", ".join(one.aliases), one.fingerprint[:12], size, one.description)
    out.print(table)


def add_image(data: Path | None, source: str, alias: str | None, metadata: Path | None) -> None:
    """Add an image from a remote, or from a file."""
    file = Path(source)
    name = alias or file.name.partition(".")[0]

    async def add(images: Images) -> str:
        if file.exists() and metadata is not None:
            return (await images.add(metadata, file, name)).ami_id
        if file.exists():
            return (await images.import_file(file, name)).ami_id
        return (await images.copy_remote(source, alias)).ami_id

    with err.status(f"Adding {source} ..."):
        made = _with_images(data, add)
    out.print(f"Added as {made}.")


def remove_image(data: Path | None, name: str) -> None:
    """Remove an image."""

    async def remove(images: Images) -> None:
        await images.delete((await images.resolve(name)).fingerprint)

    _with_images(data, remove)
    out.print(f"Removed {name}.")
