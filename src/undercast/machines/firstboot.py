"""What a machine finds in its root file system when it first boots: its name, its keys, its resolver."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from undercast.machines.rootfs import RootFs
from undercast.machines.spec import MachineFile, MachineSpec

# Written last; says that the machine is complete.
_DONE = "/var/lib/undercast/instance"
# In a root disk without a machine: the machine it was part of.
_FORMER = "/var/lib/undercast/former"
_UNMANAGED = b"[Match]\nName=eth*\n\n[Link]\nUnmanaged=yes\n"
_EC2 = b"""\
datasource_list: [Ec2]
datasource:
  Ec2: {strict_id: false, metadata_urls: ["http://169.254.169.254:80"], max_wait: 20, timeout: 4}
network: {config: disabled}
ssh_deletekeys: false
manage_etc_hosts: false
"""
RESOLVER = b"nameserver 169.254.169.253\noptions timeout:2 attempts:2\n"


@dataclass(frozen=True, slots=True)
class Login:
    """The account keys are for, as its line in /etc/passwd says."""

    name: str
    uid: int
    gid: int
    home: str


def prepare(rootfs: Path, spec: MachineSpec) -> None:
    """Write all of it; a few milliseconds, as plain files, so that sshd has nothing to wait for.

    Raises:
        MachineError: the image's tree is not one a file can be written to.
    """
    with RootFs(rootfs) as tree:
        if spec.root_snapshot and _content(tree, _FORMER) == spec.name.encode():
            # The machine's own disk has come back to it. Whatever was changed on it meanwhile is meant so.
            tree.write({**spec.files, _DONE: MachineFile(spec.name.encode())})
            return
        files = _identity(spec) | _fit_in(tree)
        if spec.root_snapshot:
            # The tree comes from another machine: its host keys and its id are that machine's own.
            tree.remove("/etc/ssh", "ssh_host_")
        if spec.ssh_authorized_keys:
            user = login(tree)
            keys = "".join(key.strip() + "\n" for key in spec.ssh_authorized_keys).encode()
            files[f"{user.home}/.ssh/authorized_keys"] = MachineFile(keys, 0o600, user.uid, user.gid)
        tree.write({**files, **spec.files, _DONE: MachineFile(spec.name.encode())})


def is_prepared(rootfs: Path, name: str) -> bool:
    """Whether `prepare` went through to its end for the machine of this name."""
    try:
        with RootFs(rootfs) as tree:
            return _content(tree, _DONE) == name.encode()
    except OSError:
        return False


def retire(rootfs: Path) -> None:
    """Mark a root disk as one without a machine, for the time when it becomes part of one again."""
    with RootFs(rootfs) as tree:
        if (name := _content(tree, _DONE)) is not None:
            tree.write({_FORMER: MachineFile(name)})
            tree.remove(str(PurePosixPath(_DONE).parent), PurePosixPath(_DONE).name)


def _content(tree: RootFs, path: str) -> bytes | None:
    try:
        return tree.read(path, 256)
    except OSError:
        return None


def _fit_in(tree: RootFs) -> dict[str, MachineFile]:
    """What an image of others needs: its network is configured already, its cloud is EC2.

    Without the first, systemd-networkd would ask for DHCP and drop the address LXC has set. Without the
    second, cloud-init looks for DMI, which a container has not, and finds no cloud.
    """
    if tree.exists("/usr/lib/undercast"):
        return {}
    files = {"/etc/systemd/network/00-undercast.network": MachineFile(_UNMANAGED)}
    if tree.exists("/etc/cloud/cloud.cfg"):
        files["/etc/cloud/cloud.cfg.d/99-undercast.cfg"] = MachineFile(_EC2)
        files["/etc/cloud/ds-identify.cfg"] = MachineFile(b"policy: enabled\n")
    return files


def login(tree: RootFs) -> Login:
    """ec2-user where there is one, else the first ordinary user, else root (as images of others have it)."""
    found = Login("root", 0, 0, "/root")
    try:
        lines = tree.read("/etc/passwd").decode(errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        fields = line.split(":")
        if len(fields) != 7 or not fields[2].isdigit() or not fields[3].isdigit():
            continue
        user = Login(fields[0], int(fields[2]), int(fields[3]), fields[5] or "/")
        if user.name == "ec2-user":
            return user
        if found.uid == 0 and 1000 <= user.uid < 60000 and user.home.startswith("/home/"):
            found = user
    return found


def _identity(spec: MachineSpec) -> dict[str, MachineFile]:
    private, public = _host_key(spec.hostname)
    short = spec.hostname.split(".")[0]
    names = spec.hostname if short == spec.hostname else f"{spec.hostname} {short}"
    hosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
    if spec.nics:
        hosts += f"{spec.nics[0].address} {names}\n"
    return {
        "/etc/hostname": MachineFile(f"{short}\n".encode()),
        "/etc/hosts": MachineFile(hosts.encode()),
        "/etc/resolv.conf": MachineFile(RESOLVER),
        "/etc/machine-id": MachineFile(b"", 0o444),
        "/etc/ssh/ssh_host_ed25519_key": MachineFile(private, 0o600),
        "/etc/ssh/ssh_host_ed25519_key.pub": MachineFile(public, 0o644),
    }


def _host_key(comment: str) -> tuple[bytes, bytes]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private, public + f" root@{comment}\n".encode()
