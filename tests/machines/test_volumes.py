"""Volumes: block devices that outlive machines, and snapshots of them and of root disks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine_support import Lab

from undercast.machines import loop
from undercast.machines.errors import Busy, Conflict, NotFound
from undercast.machines.machines import Machines
from undercast.machines.spec import MachineSpec, Power
from undercast.settings import Settings

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_incus]


@pytest.fixture(scope="module")
def pair(lab: Lab) -> Iterator[tuple[MachineSpec, MachineSpec]]:
    """Two machines."""
    first, second = lab.launch(lab.spec()), lab.launch(lab.spec())
    yield first, second
    for spec in (first, second):
        lab.run(lab.machines.delete(spec.name))


def test_data_moves_from_one_machine_to_another(lab: Lab, pair: tuple[MachineSpec, MachineSpec]) -> None:
    first, second = pair
    volumes = lab.machines.volumes
    lab.run(volumes.create("vol-0a1", 1))
    lab.run(volumes.create("vol-0a1", 1))
    lab.run(volumes.attach("vol-0a1", first.name, "/dev/sdf"))
    lab.run(volumes.attach("vol-0a1", first.name, "/dev/xvdf"))
    with pytest.raises(Conflict):
        lab.run(volumes.attach("vol-0a1", second.name, "/dev/xvdf"))
    lab.out(
        first, "mkfs.ext4 -q /dev/xvdf && mkdir /data && mount /dev/xvdf /data && echo precious > /data/file"
    )
    lab.out(first, "sync -f /data")
    disks = lab.out(
        first, "lsblk --noheadings --raw --output NAME,SIZE,MOUNTPOINTS | sort; cat /proc/partitions"
    )
    assert disks.split("major")[0] == "xvda 8G \nxvdf 1G /data\n"
    assert disks.split()[-8:] == ["202", "0", "8388608", "xvda", *disks.split()[-4:]]
    lab.run(volumes.snapshot("vol-0a1", "snap-0a1"))
    with pytest.raises(Busy):
        lab.run(volumes.detach("vol-0a1"))
    with pytest.raises(Busy):
        lab.run(volumes.delete("vol-0a1"))
    lab.run(volumes.grow("vol-0a1", 2))
    assert lab.out(first, "blockdev --getsize64 /dev/xvdf; lsblk -dno SIZE /dev/xvdf").split() == [
        str(2 << 30),
        "2G",
    ]
    with pytest.raises(Conflict):
        lab.run(volumes.grow("vol-0a1", 1))
    lab.out(first, "umount /data && e2fsck -fp /dev/xvdf && resize2fs /dev/xvdf")
    lab.run(volumes.detach("vol-0a1"))
    lab.run(volumes.detach("vol-0a1"))
    assert lab.sh(first, "test -e /dev/xvdf").status == 1
    lab.run(volumes.attach("vol-0a1", second.name, "/dev/xvdh"))
    assert lab.out(second, "mkdir /data && mount /dev/xvdh /data && cat /data/file") == "precious"
    assert int(lab.out(second, "df --output=size -k /data | tail -1")) > 1.8 * (1 << 20)

    # A program that has a file open there does not keep a forced detach waiting.
    lab.out(second, "cd /data && (sleep 300 > /data/log 2>&1 & )")
    lab.run(volumes.detach("vol-0a1", force=True))
    assert lab.sh(second, "ls /data/file /dev/xvdh; pgrep -x sleep").stdout == b""
    lab.run(volumes.create("vol-0a2", 3, "snap-0a1"))
    lab.run(volumes.attach("vol-0a2", first.name, "/dev/xvdg"))
    assert lab.out(first, "mount /dev/xvdg /data && cat /data/file") == "precious"
    sizes = {state.volume_id: state.size_gib for state in lab.run(volumes.list()).values()}
    assert sizes == {"vol-0a1": 2, "vol-0a2": 3}

    # Stopping lets go of the mount; the volume is there again after the next start, and by fstab mounted.
    lab.out(first, "echo '/dev/xvdg /data ext4 defaults,nofail 0 2' >> /etc/fstab")
    lab.run(lab.machines.stop_machine(first.name))
    lab.run(lab.machines.start_machine(first.name))
    lab.reachable(first)
    assert (
        lab.ssh(first, "until mountpoint -q /data; do sleep 0.1; done; cat /data/file").stdout == "precious\n"
    )
    lab.run(lab.machines.delete(first.name))
    assert lab.run(volumes.list())["vol-0a2"].machine is None
    for volume in ("vol-0a1", "vol-0a2"):
        file = lab.machines.places.volumes / f"{volume}.raw"
        lab.run(volumes.delete(volume))
        lab.run(volumes.delete(volume))
        assert loop.device_of(file) is None and not file.exists()
    lab.run(volumes.copy_snapshot("snap-0a1", "snap-0a2"))
    for snapshot in ("snap-0a1", "snap-0a2", "snap-0a2"):
        lab.run(volumes.delete_snapshot(snapshot))
    with pytest.raises(NotFound):
        lab.run(volumes.create("vol-0a3", 1, "snap-0a1"))


def test_attachments_are_found_again(
    lab: Lab, pair: tuple[MachineSpec, MachineSpec], machine_settings: Settings
) -> None:
    """Another process learns from Incus what is attached, and binds what a reboot has unbound."""
    _, second = pair
    volumes = lab.machines.volumes
    lab.run(volumes.create("vol-0b1", 1))
    lab.run(volumes.attach("vol-0b1", second.name, "/dev/xvdk"))
    lab.run(lab.machines.stop_machine(second.name, force=True))
    file = lab.machines.places.volumes / "vol-0b1.raw"
    assert loop.release(file)
    again = Machines(machine_settings)
    try:
        lab.run(again.start())
        assert again.volumes.attachments(second.name) == {"vol-0b1": "/dev/xvdk"}
        assert loop.device_of(file) is not None
        lab.run(again.start_machine(second.name))
        assert lab.out(second, "test -b /dev/xvdk && blockdev --getsize64 /dev/xvdk") == str(1 << 30)
        lab.run(again.volumes.detach("vol-0b1"))
        lab.run(again.volumes.delete("vol-0b1"))
    finally:
        lab.run(again.close())
    lab.run(volumes.recover())


def test_a_root_disk_lives_on_in_its_snapshot(lab: Lab, pair: tuple[MachineSpec, MachineSpec]) -> None:
    _, second = pair
    machines = lab.machines
    lab.reachable(second)
    lab.out(second, "echo mine > /home/ec2-user/file; sync")
    key = lab.out(second, "cat /etc/ssh/ssh_host_ed25519_key.pub")
    lab.run(machines.roots.snapshot(second.name, "snap-0c1"))
    lab.run(machines.roots.snapshot(second.name, "snap-0c1"))
    lab.run(machines.roots.copy("snap-0c1", "snap-0c2"))
    assert {"snap-0c1", "snap-0c2"} <= set(lab.run(machines.roots.list()))
    assert "snap-0c1" not in lab.run(machines.states())
    lab.out(second, "echo changed > /home/ec2-user/file")
    lab.run(machines.roots.delete("snap-0c1"))
    clone = lab.launch(lab.spec(root_snapshot="snap-0c2"))
    lab.reachable(clone)
    short = clone.hostname.partition(".")[0]
    assert lab.ssh(clone, "cat file; hostname").stdout.split() == ["mine", short]
    assert lab.out(clone, "cat /etc/ssh/ssh_host_ed25519_key.pub") != key
    assert lab.power(clone) is Power.RUNNING
    lab.run(machines.delete(clone.name))
    lab.run(machines.roots.delete("snap-0c2"))
    with pytest.raises(NotFound):
        lab.run(machines.create(lab.spec(root_snapshot="snap-0c2")))


def test_a_loop_device_is_found_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "disk.raw"
    with file.open("wb") as handle:
        handle.truncate(1 << 20)
    device = loop.attach(file)
    try:
        assert loop.attach(file) == device == loop.device_of(file)
        loop.make_node(tmp_path / "node", device)
        assert (tmp_path / "node").stat().st_rdev == loop.number(device)
        with file.open("r+b") as handle:
            handle.truncate(2 << 20)
        loop.resize(file)
        size = subprocess.run(
            ["blockdev", "--getsize64", device], capture_output=True, text=True, check=True, timeout=10
        )
        assert int(size.stdout) == 2 << 20
    finally:
        assert loop.release(file)
    assert loop.device_of(file) is None
