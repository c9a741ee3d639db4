"""Names of what is ours in Incus: project, pool and where their files lie on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from undercast.machines.setup.daemon import INCUS_DIR
from undercast.settings import Settings, default_data

POOL = "undercast"
USUAL_PROJECT = "undercast"
VOLUMES = "undercast-volumes"


@dataclass(frozen=True, slots=True)
class Places:
    """Where one server's machines live. A second server on this machine (another data folder) has its own."""

    project: str
    data: Path
    host_id: str
    pool: str = POOL

    @property
    def pool_dir(self) -> Path:
        """Where Incus mounts our pool."""
        return INCUS_DIR / "storage-pools" / self.pool

    def rootfs(self, machine: str) -> Path:
        """The root file system of a machine as the host sees it."""
        return self.pool_dir / "containers" / f"{self.project}_{machine}" / "rootfs"

    @property
    def volumes(self) -> Path:
        """The folder of raw volume files: a custom volume on the same pool, so that they can share blocks."""
        return self.pool_dir / "custom" / f"{self.project}_{VOLUMES}"

    @property
    def nodes(self) -> Path:
        """The folder of device nodes that machines refer to their volumes by."""
        return Path(f"/dev/undercast-{self.host_id}")

    @property
    def disk_views(self) -> Path:
        """The folder of what each machine sees of disks."""
        return Path("/run/undercast/disks") / self.host_id


def places(settings: Settings) -> Places:
    """The places of the server with these settings."""
    usual = settings.data.resolve() == default_data().resolve()
    project = USUAL_PROJECT if usual else f"undercast-{settings.host_id}"
    return Places(project, settings.data.resolve(), settings.host_id)


def places_of(project: str, data: Path) -> Places:
    """The places of the server that made `project` and has its data in `data`."""
    return Places(project, data, Settings.model_construct(data=data).host_id)
