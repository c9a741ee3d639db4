"""What a machine finds in its root file system when it first boots: its name, its keys, its resolver."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from undercast.machines import foreign
from undercast.machines.rootfs import RootFs
from undercast.machines.spec import MachineFile, MachineSpec

# Written last; says that the machine is complete.
_DONE = "/var/lib/undercast/instance"
# In a root disk without a machine: the machine it was part of.
_FORMER = "/var/lib/undercast/former"
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
        files = _identity(spec) | foreign.fit_in(tree)
        # What is there came with the image, or belongs to the machine the image was made from.
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
        **_host_keys(spec.hostname),
    }


def _host_keys(comment: str) -> dict[str, MachineFile]:
    """ED25519 and ECDSA, as in Amazon Linux 2023: an RSA key takes longer than all else that is made here."""
    files: dict[str, MachineFile] = {}
    for kind, key in (
        ("ed25519", Ed25519PrivateKey.generate()),
        ("ecdsa", ec.generate_private_key(ec.SECP256R1())),
    ):
        path = f"/etc/ssh/ssh_host_{kind}_key"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        files[path] = MachineFile(private, 0o600)
        files[f"{path}.pub"] = MachineFile(public + f" root@{comment}\n".encode(), 0o644)
    return files
