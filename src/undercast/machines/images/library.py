"""The images in our project: found by alias, fingerprint or AMI id; brought in from files and remotes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from undercast.machines.errors import Conflict, MachineError, NotFound
from undercast.machines.images import build, convert, detect
from undercast.machines.incus import Incus
from undercast.machines.instance import moment
from undercast.machines.setup.progress import Progress, Quiet
from undercast.machines.spec import MachineImage

DEFAULT_ALIAS = build.ALIAS
# Incus's public image server; another simplestreams server can be named with its URL.
REMOTES = {"images": "https://images.linuxcontainers.org"}
_TRANSFER_S = 1800.0


class Images:
    """The image library of one server."""

    def __init__(self, incus: Incus) -> None:
        self._incus = incus

    async def list(self) -> list[MachineImage]:
        """All images, the oldest first."""
        found = [_image(image) for image in await self._incus.all("/1.0/images")]
        return sorted(found, key=lambda image: image.created)

    async def changes(self) -> AsyncIterator[None]:
        """Something whenever an image comes, goes or is renamed, by whomever; for ever, and once at first."""
        async for message in self._incus.events():
            if message is None or str(message.get("metadata", {}).get("action", "")).startswith("image-"):
                yield

    async def resolve(self, name: str) -> MachineImage:
        """The image with this fingerprint (or its beginning, 12 digits or more), alias or AMI id.

        Raises:
            NotFound: there is none, or several begin so.
        """
        images = await self.list()
        for image in reversed(images):
            if name in (image.fingerprint, image.ami_id, *image.aliases):
                return image
        matches = [image for image in images if len(name) >= 12 and image.fingerprint.startswith(name)]
        if len(matches) == 1:
            return matches[0]
        raise NotFound(f"There is no image {name!r}; `undercast image list` shows what there is.")

    async def default(self) -> MachineImage | None:
        """The default image, None where it is not in our project yet."""
        return next((image for image in await self.list() if DEFAULT_ALIAS in image.aliases), None)

    async def ensure_default(self, progress: Progress | None = None) -> MachineImage:
        """The default image as its recipe is now: from our project, else from the cache, else built.

        Earlier ones are removed from the project; machines made from them keep their disks.

        Raises:
            MachineError: it cannot be built on this machine; the message says why.
        """
        progress = progress or Quiet()
        found = await self.default()
        key = await asyncio.to_thread(build.recipe_key)
        if found and found.properties.get("undercast.recipe") == key:
            return found
        with progress.step("Building the default image") as step:
            built = await asyncio.to_thread(build.build, step)
        with progress.step("Importing the image"):
            made = await self.add(built.metadata, built.rootfs, DEFAULT_ALIAS)
        for image in await self.list():
            if "undercast.recipe" in image.properties and image.fingerprint != made.fingerprint:
                await self.delete(image.fingerprint)
        return made

    async def add(
        self, metadata: Path, rootfs: Path, alias: str, *, virtual_machine: bool = False
    ) -> MachineImage:
        """Import an image in Incus's own two files (metadata tarball, root file system), under `alias`."""
        with metadata.open("rb") as first, rootfs.open("rb") as second:
            form = aiohttp.MultipartWriter("form-data")
            for name, file in (("metadata", first), ("rootfs.img" if virtual_machine else "rootfs", second)):
                part = form.append(file)
                part.set_content_disposition("form-data", name=name, filename=Path(file.name).name)
            headers = {"Content-Type": form.content_type}
            try:
                made = await self._incus.run(
                    "POST", "/1.0/images", form, headers=headers, timeout_s=_TRANSFER_S
                )
                fingerprint = str(made["fingerprint"])
            except Conflict:
                fingerprint = await asyncio.to_thread(_fingerprint, metadata, rootfs)
        await self.alias(alias, fingerprint)
        return await self.resolve(fingerprint)

    async def import_file(self, source: Path, alias: str, description: str = "") -> MachineImage:
        """Import a root file system (a tarball, a disk), an OCI image or an Incus image.

        The AMI id follows from the contents: the same file has the same id everywhere, and is imported once.

        Raises:
            Unsupported: the file is of no such kind, is damaged, or holds nothing that can boot here.
            NoCapacity: this machine's disk has no room for it.
        """
        kind = await asyncio.to_thread(detect.kind, source)
        ami = "ami-" + (await asyncio.to_thread(convert.digest, source))[:17]
        for image in await self.list():
            if image.ami_id == ami:
                await self.alias(alias, image.fingerprint)
                return await self.resolve(image.fingerprint)
        build.CACHE.mkdir(parents=True, exist_ok=True)
        with build.work_folder("import-") as work:
            made = await asyncio.to_thread(convert.convert, source, kind, work)
            described = work / "metadata.tar.xz"
            created = int(source.stat().st_mtime)
            described.write_bytes(_describe(made, ami, alias, description, created))
            return await self.add(described, made.rootfs, alias)

    async def alias(self, alias: str, fingerprint: str) -> None:
        """Let `alias` name this image from now on."""
        body = {"name": alias, "target": fingerprint}
        try:
            await self._incus.request("POST", "/1.0/images/aliases", body)
        except Conflict:
            path = f"/1.0/images/aliases/{quote(alias, safe='')}"
            await self._incus.request("PUT", path, {"target": fingerprint})

    async def copy_remote(
        self, remote: str, alias: str | None = None, *, virtual_machine: bool = False
    ) -> MachineImage:
        """Fetch an image an Incus remote serves, for example `images:debian/13/cloud` or `https://host:alias`.

        Raises:
            NotFound: the remote has no such image, or is not reachable.
        """
        server, _, name = remote.rpartition(":")
        url = REMOTES.get(server, server)
        if not url.startswith("https://"):
            raise NotFound(
                f"There is no remote {server!r}; there is {', '.join(REMOTES)}, and any server of images "
                "by its https:// address."
            )
        source = {
            "type": "image",
            "mode": "pull",
            "protocol": "simplestreams",
            "server": url,
            "alias": name,
            "image_type": "virtual-machine" if virtual_machine else "container",
        }
        body = {"source": source, "auto_update": False, "properties": {"undercast.remote": remote}}
        try:
            made = await self._incus.run("POST", "/1.0/images", body, timeout_s=_TRANSFER_S)
        except MachineError as error:
            raise type(error)(f"{url} cannot be reached, or does not serve {name!r}: {error}") from error
        await self.alias(alias or name, str(made["fingerprint"]))
        return await self.resolve(str(made["fingerprint"]))

    async def publish(
        self, machine: str, alias: str, properties: Mapping[str, str] | None = None, timeout_s: float = 600.0
    ) -> str:
        """Make an image from a stopped machine; its fingerprint. (`Roots` does the same by reference.)"""
        body = {
            "source": {"type": "instance", "name": machine},
            "compression_algorithm": "zstd",
            "properties": dict(properties or {}),
            "aliases": [{"name": alias}],
        }
        made = await self._incus.run("POST", "/1.0/images", body, timeout_s=timeout_s)
        return str(made["fingerprint"])

    async def delete(self, fingerprint: str) -> None:
        """Remove an image; machines made from it are untouched. One that is gone already is no error."""
        try:
            await self._incus.run("DELETE", f"/1.0/images/{fingerprint}", timeout_s=120)
        except NotFound:
            return

    async def export(self, fingerprint: str, target: Path) -> None:
        """Write an image's contents to a file, as Incus serves them (a tarball, or a multipart of two)."""
        path = f"/1.0/images/{fingerprint}/export"
        async with self._incus.stream("GET", path, timeout_s=_TRANSFER_S) as response:
            with target.open("wb") as file:
                async for block in response.content.iter_chunked(1 << 20):
                    file.write(block)


def _describe(made: convert.Converted, ami: str, alias: str, description: str, created: int) -> bytes:
    release = made.contents.release
    return convert.metadata(
        description or release.get("PRETTY_NAME") or release.get("NAME") or alias,
        ami,
        created=created,
        architecture=made.contents.architecture,
        name=alias,
        os=release.get("NAME", "Linux"),
        release=release.get("VERSION_ID", ""),
        undercast_bytes=str(made.unpacked_bytes),
    )


def _fingerprint(*files: Path) -> str:
    """Incus's name for an image of these files: the SHA-256 of one after the other."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _image(image: Mapping[str, Any]) -> MachineImage:
    properties = dict(image.get("properties") or {})
    created = moment(image.get("created_at")) or moment(image.get("uploaded_at"))
    assert created is not None, "Incus always knows when an image was uploaded"
    return MachineImage(
        fingerprint=image["fingerprint"],
        aliases=tuple(alias["name"] for alias in image.get("aliases") or ()),
        size_bytes=int(image["size"]),
        architecture=image["architecture"],
        description=properties.get("description", ""),
        created=created,
        virtual_machine=image.get("type") == "virtual-machine",
        properties=properties,
    )
