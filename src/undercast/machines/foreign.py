"""Images of others fitted in: their network is there already, their disk is mounted, their cloud is EC2."""

from __future__ import annotations

from pathlib import Path

from undercast.machines.rootfs import RootFs
from undercast.machines.spec import MachineFile

_OVERLAY = Path(__file__).parent / "images" / "default" / "overlay"
_UNMANAGED = b"[Match]\nName=eth*\n\n[Link]\nUnmanaged=yes\n"
_NETWORK_MANAGER = b"[keyfile]\nunmanaged-devices=interface-name:eth*\n"
_LOOPBACK = b"auto lo\niface lo inet loopback\n"
_WANTED = b"[Unit]\nWants=undercast-mount.service\n"
_MASKED = b""  # an empty file stands for /dev/null
_EC2 = b"""\
datasource_list: [Undercast, Ec2]
datasource:
  Ec2: {strict_id: false, metadata_urls: ["http://169.254.169.254:80"], max_wait: 20, timeout: 4}
network: {config: disabled}
ssh_deletekeys: false
manage_etc_hosts: false
"""
_PYTHONS = (
    "/usr/lib/python3/dist-packages",
    *(f"/usr/lib/python3.{minor}/site-packages" for minor in range(6, 20)),
)


def fit_in(tree: RootFs) -> dict[str, MachineFile]:
    """The files an image of others needs to come up as an instance; none for the default image."""
    if tree.exists("/usr/lib/undercast"):
        return {}
    files = _network(tree) | _cloud_init(tree)
    if tree.exists("/usr/lib/systemd/system") or tree.exists("/lib/systemd/system"):
        files |= _mounts()
    return {path: MachineFile(content) for path, content in files.items()}


def _network(tree: RootFs) -> dict[str, bytes]:
    """LXC has set address and route: who asks for DHCP drops them, or waits for what never comes."""
    files = {
        "/etc/systemd/network/00-undercast.network": _UNMANAGED,
        "/etc/systemd/system/systemd-networkd-wait-online.service": _MASKED,
    }
    if tree.exists("/etc/network/interfaces"):
        files["/etc/network/interfaces"] = _LOOPBACK
    if tree.exists("/etc/NetworkManager"):
        files["/etc/NetworkManager/conf.d/00-undercast.conf"] = _NETWORK_MANAGER
        files["/etc/systemd/system/NetworkManager-wait-online.service"] = _MASKED
    return files


def _mounts() -> dict[str, bytes]:
    """fstab names the disk that the image was on, and systemd would wait for its partitions in vain."""
    unit = "etc/systemd/system/undercast-mount.service"
    return {
        "/etc/systemd/system-generators/systemd-fstab-generator": _MASKED,
        "/" + unit: (_OVERLAY / unit).read_bytes(),
        "/etc/systemd/system/multi-user.target.d/10-undercast.conf": _WANTED,
    }


def _cloud_init(tree: RootFs) -> dict[str, bytes]:
    """cloud-init knows EC2 by the DMI, which a container has not: without a word it would find no cloud.

    Where it does not take itself to be on AWS it uses no tokens, so there is a data source that does.
    """
    if not tree.exists("/etc/cloud/cloud.cfg"):
        return {}
    files = {
        "/etc/cloud/cloud.cfg.d/99-undercast.cfg": _EC2,
        "/etc/cloud/ds-identify.cfg": b"policy: enabled\n",
    }
    for folder in _PYTHONS:
        if tree.exists(f"{folder}/cloudinit/sources/DataSourceEc2.py"):
            source = (_OVERLAY / "usr/lib/undercast/DataSourceUndercast").read_bytes()
            files[f"{folder}/cloudinit/sources/DataSourceUndercast.py"] = source
    return files
