"""Images brought in from elsewhere, and what a machine made from a hostile one can not do."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import os
import platform
import shutil
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest
from machine_support import Lab
from typer.testing import CliRunner

from undercast import cli
from undercast.machines import firstboot
from undercast.machines.errors import MachineError, NotFound, Unsupported
from undercast.machines.images import build, convert, detect
from undercast.machines.images.detect import Kind
from undercast.machines.rootfs import RootFs
from undercast.machines.spec import MachineFile, Power

pytestmark = [pytest.mark.needs_root]

PASSWD = b"root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n"


def tar(entries: dict[str, bytes | str | None]) -> bytes:
    """A tarball: bytes are files, None folders, text the target of a symbolic link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            if content is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
            else:
                entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def endless() -> bytes:
    """The header of a file that is larger than any disk."""
    entry = tarfile.TarInfo("etc/zeros")
    entry.size = 10 << 40
    return entry.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


def oci(folder: Path, *contents: bytes) -> Path:
    """An OCI layout with these layers, gzipped, behind an index for several architectures."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes) -> dict[str, str | int]:
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"digest": f"sha256:{name}", "size": len(data)}

    manifest = put(json.dumps({"layers": [put(gzip.compress(one)) for one in contents]}).encode())
    here = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    index = put(
        json.dumps(
            {
                "manifests": [
                    {**put(b"{}"), "platform": {"architecture": "s390x"}},
                    {**manifest, "platform": {"architecture": here}},
                ]
            }
        ).encode()
    )
    (folder / "index.json").write_text(json.dumps({"manifests": [index]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


TREE: dict[str, bytes | str | None] = {"etc": None, "usr": None, "sbin": None, "sbin/init": b"#!/bin/sh\n"}


def unpacked(source: Path, folder: Path) -> Path:
    """The tree that an import of `source` comes to."""
    work = folder / "work"
    work.mkdir()
    made = convert.convert(source, detect.kind(source), work)
    target = folder / "unpacked"
    subprocess.run(["unsquashfs", "-q", "-n", "-d", target, made.rootfs], check=True, timeout=20)
    return target


def names(tree: Path) -> list[str]:
    return sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))


def test_layers_merge_as_the_specification_says(tmp_path: Path) -> None:
    first: dict[str, bytes | str | None] = {
        **TREE,
        "etc/a": b"1",
        "etc/b": b"1",
        "opt": None,
        "opt/old": b"1",
        "gone": None,
        "gone/x": b"1",
        "usr/lib": None,
        "lib": "usr/lib",
    }
    second: dict[str, bytes | str | None] = {
        "etc/a": b"2",
        "etc/.wh.b": b"",
        "opt/new": b"2",
        "opt/.wh..wh..opq": b"",
        ".wh.gone": b"",
        "lib/below": b"2",
    }
    third: dict[str, bytes | str | None] = {"./etc/c": b"3", "opt/link": "/etc/ő"}
    tree = unpacked(oci(tmp_path / "image", tar(first), tar(second), tar(third)), tmp_path)
    there = "etc etc/a etc/c lib opt opt/link opt/new sbin sbin/init usr usr/lib usr/lib/below"
    assert names(tree) == there.split()
    assert (tree / "etc/a").read_bytes() == b"2"
    assert str((tree / "opt/link").readlink()) == "/etc/ő"


def test_hard_links_outlive_the_name_they_were_made_to(tmp_path: Path) -> None:
    buffer = io.BytesIO(tar({**TREE, "usr/perl": b"old"}))
    with tarfile.open(fileobj=buffer, mode="a") as archive:
        link = tarfile.TarInfo("usr/perl5")
        link.type, link.linkname = tarfile.LNKTYPE, "usr/perl"
        archive.addfile(link)
    tree = unpacked(oci(tmp_path / "image", buffer.getvalue(), tar({"usr/perl": b"new"})), tmp_path)
    assert ((tree / "usr/perl").read_bytes(), (tree / "usr/perl5").read_bytes()) == (b"new", b"old")


def test_an_image_saved_by_docker(tmp_path: Path) -> None:
    """In the old form, in which equal layers are links to one."""
    manifest = json.dumps([{"Layers": ["a/layer.tar", "b/layer.tar"]}]).encode()
    layer = tar({**TREE, "etc/a": b"1"})
    saved = tmp_path / "saved.tar"
    saved.write_bytes(tar({"a/layer.tar": layer, "b/layer.tar": "../a/layer.tar", "manifest.json": manifest}))
    assert (unpacked(saved, tmp_path) / "etc/a").read_bytes() == b"1"


@pytest.mark.parametrize("whole", [True, False])
def test_a_disk(tmp_path: Path, whole: bool) -> None:
    """ext4 all over it, or in the larger of two partitions; also as qcow2."""
    root = tmp_path / "root"
    for folder in ("etc", "sbin", "boot/efi"):
        (root / folder).mkdir(parents=True)
    (root / "sbin/init").write_text("#!/bin/sh\n")
    (root / "etc/os-release").write_text('PRETTY_NAME="Some Linux 1"\n')
    disk = tmp_path / "disk.raw"
    partition = tmp_path / "partition"
    for file, size in ((partition, 4 << 20), (disk, 6 << 20)):
        with file.open("wb") as made:
            made.truncate(size)
    subprocess.run(["mke2fs", "-q", "-d", root, partition], check=True, timeout=20)
    if whole:
        partition.replace(disk)
    else:
        first, second = struct.pack("<4x4xII", 8, 2040), struct.pack("<4x4xII", 2048, 8192)
        table = (first[:4] + b"\x0c" + first[5:]) + (second[:4] + b"\x83" + second[5:]) + bytes(32)
        with disk.open("r+b") as made:
            made.seek(446)
            made.write(table + b"\x55\xaa")
            made.seek(2048 * 512)
            made.write(partition.read_bytes())
    work = tmp_path / "look"
    work.mkdir()
    assert convert.convert(disk, Kind.DISK, work).contents.release["PRETTY_NAME"] == "Some Linux 1"
    if shutil.which("qemu-img"):
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", disk, tmp_path / "d.qcow2"], check=True)
        disk = tmp_path / "d.qcow2"
    assert "etc/os-release" in names(unpacked(disk, tmp_path))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (tar({"./": None, "./etc": None, "./usr": None}), Kind.TREE),
        (tar({"metadata.yaml": b"{}", "rootfs": None}), Kind.INCUS),
        (tar({"blobs": None, "oci-layout": b"{}"}), Kind.OCI),
        (tar({"abc/layer.tar": b"", "manifest.json": b"[]"}), Kind.DOCKER),
        (gzip.compress(tar({"bin": None, "etc": None})), Kind.TREE),
        (lzma.compress(tar({"bin": None, "etc": None})), Kind.TREE),
        (b"hsqs" + bytes(100), Kind.DISK),
        (bytes(510) + b"\x55\xaa", Kind.DISK),
        (b"QFI\xfb" + bytes(100), Kind.QCOW2),
        (b"KDMV" + bytes(100), None),
        (tar({"letter.txt": b"dear"}), None),
        (tar({"disk.raw": b""}), None),
        (gzip.compress(b"no tarball"), None),
        (gzip.compress(bytes(100))[:15], None),
        (b"\x28\xb5\x2f\xfd" + bytes(100), None),
        (b"#!/bin/sh", None),
        (b"", None),
    ],
)
def test_kinds_are_told_by_contents(tmp_path: Path, content: bytes, kind: Kind | None) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    if kind:
        assert detect.kind(file) is kind
    else:
        with pytest.raises(Unsupported, match=r"file"):
            detect.kind(file)


ELSEWHERE = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, 22) + bytes(44)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tar({**TREE, "../out": b""}), "name that is not allowed"),
        (tar({**TREE, "a": "b", "b": "a", "a/x": b""}), "lies in is no folder"),
        (tar({**TREE, "d/" * 300 + "x": b""}), "deep"),
        (tar({**TREE, "n" * 256: b""}), "name that is not allowed"),
        (tar({**TREE, "sbin/init": ELSEWHERE}), "This image is for s390x"),
        (tar({"etc": None, "usr": None}), "no /sbin/init"),
        (tar({**TREE, "usr/x": bytes(4096)})[:-8192], "cut short"),
        (tar({**TREE, "usr/x": b"1"}).replace(b"usr/x", b"usr/y"), "damaged"),
        (gzip.compress(tar({**TREE, "usr/x": os.urandom(4096)}))[:-2000], "cut short"),
        (gzip.compress(tar(TREE))[:-8] + bytes(8), "CRC"),
        (tarfile.TarInfo("etc").tobuf() + endless(), "a file of"),
    ],
)
def test_hostile_and_damaged_tarballs_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    source = tmp_path / "inner" / "tree.tar"
    source.parent.mkdir()
    source.write_bytes(content)
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(Unsupported, match=message):
        convert.convert(source, Kind.TREE, work)
    assert {path.name for path in tmp_path.iterdir()} == {"inner", "work"}


def test_links_that_lead_out_stay_inside_and_devices_are_left_out(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    buffer = io.BytesIO(tar({**TREE, "out": str(outside), "out/file": b"1"}))
    with tarfile.open(fileobj=buffer, mode="a") as archive:
        disk = tarfile.TarInfo("usr/disk")
        disk.type, disk.devmajor, disk.devminor = tarfile.BLKTYPE, 254, 0
        archive.addfile(disk)
    source = tmp_path / "tree.tar"
    source.write_bytes(buffer.getvalue())
    tree = unpacked(source, tmp_path)
    assert not list(outside.iterdir())
    assert (tree / str(outside).lstrip("/") / "file").read_bytes() == b"1"
    assert "usr/disk" not in names(tree)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backing": 512}, "rests on another file"),
        ({"features": 4}, "rests on another file"),
        ({"cipher": 1}, "encrypted"),
        ({"size": 1 << 60}, "larger than"),
    ],
)
def test_disks_that_name_other_files_are_refused(
    tmp_path: Path, change: dict[str, int], message: str
) -> None:
    head = {"backing": 0, "size": 1 << 20, "cipher": 0, "features": 0, **change}
    header = struct.pack(">4sIQIIQI", b"QFI\xfb", 3, head["backing"], 11, 16, head["size"], head["cipher"])
    disk = tmp_path / "disk.qcow2"
    disk.write_bytes(header.ljust(72, b"\0") + struct.pack(">Q", head["features"]) + bytes(512))
    with pytest.raises(MachineError, match=message):
        convert.convert(disk, detect.kind(disk), tmp_path)


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("index.json", b"{", "cannot be read"),
        ("index.json", b'{"manifests": ["x"]}', "lacks what it must have"),
        ("index.json", b'{"manifests": [{"digest": "sha256:../../x"}]}', "not known here"),
        ("blobs/sha256", b"", "not what its digest says"),
    ],
)
def test_damaged_oci_images_are_refused(tmp_path: Path, path: str, content: bytes, message: str) -> None:
    image = oci(tmp_path / "image", tar(TREE))
    if path == "index.json":
        (image / path).write_bytes(content)
    else:
        blob = max((image / path).iterdir(), key=lambda file: file.stat().st_size)
        blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    with pytest.raises(MachineError, match=message):
        convert.convert(image, Kind.OCI, tmp_path)


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    runner = CliRunner()
    missing = runner.invoke(cli.app, ["image", "import", "no-such.tar", "--data", str(tmp_path)])
    assert missing.exit_code == 2
    assert "there is no file no-such.tar" in missing.output
    taken = tmp_path / "undercast-linux.tar"
    taken.write_bytes(tar(TREE))
    refused = runner.invoke(cli.app, ["image", "import", str(taken), "--data", str(tmp_path)])
    assert refused.exit_code == 2
    assert "the default image's own name" in refused.output


@pytest.mark.needs_incus
def test_a_hostile_root_file_system_leads_nowhere(lab: Lab, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "authorized_keys").write_text("untouched")
    entries: dict[str, bytes | str | None] = {
        "etc": None,
        "etc/passwd": PASSWD,
        "etc/hosts": str(outside / "hosts"),
        "etc/ssh": "/../../../../../../../../.." + str(outside),
        "usr": None,
        "sbin": None,
        "sbin/init": b"#!/bin/sh\n",
        "home": None,
        "home/ada": None,
        "etc/cloud": None,
        "etc/cloud/cloud.cfg": b"",
        "home/ada/.ssh": str(outside),
        "usr/lib": None,
        "usr/lib/systemd": None,
        "usr/lib/systemd/system": None,
        "etc/network": None,
        "etc/network/interfaces": b"auto eth0\niface eth0 inet dhcp\n",
    }
    source = tmp_path / "tree.tar"
    source.write_bytes(tar(entries))
    image = lab.run(lab.machines.images.import_file(source, "hostile"))
    assert image.ami_id == lab.run(lab.machines.images.import_file(source, "hostile")).ami_id
    assert lab.run(lab.machines.images.resolve(image.ami_id)).fingerprint == image.fingerprint
    spec = lab.spec(image="hostile")
    with pytest.raises(MachineError, match="cannot be written into the machine"):
        lab.run(lab.machines.create(spec))
    assert {path.name for path in outside.iterdir()} == {"authorized_keys"}
    assert (outside / "authorized_keys").read_text() == "untouched"

    # The same image without the traps: the key goes to its ordinary user.
    harmless = {**entries, "home/ada/.ssh": None, "etc/ssh": None, "etc/ssh/ssh_host_rsa_key": b"everybody's"}
    source.write_bytes(tar(harmless))
    lab.run(lab.machines.images.import_file(source, "harmless"))
    spec = lab.spec(image="harmless")
    lab.run(lab.machines.create(spec))
    lab.run(lab.machines.create(spec))
    assert lab.power(spec) is Power.STOPPED
    with RootFs(lab.machines.places.rootfs(spec.name)) as tree:
        assert firstboot.login(tree).name == "ada"
        assert tree.read("/home/ada/.ssh/authorized_keys").decode() == spec.ssh_authorized_keys[0]
        assert spec.nics[0].address in tree.read("/etc/hosts").decode()
        assert b"Unmanaged=yes" in tree.read("/etc/systemd/network/00-undercast.network")
        assert b"Ec2" in tree.read("/etc/cloud/cloud.cfg.d/99-undercast.cfg")
        assert tree.read("/etc/network/interfaces") == b"auto lo\niface lo inet loopback\n"
        # fstab is left to mount(8), which does not wait for a disk that stayed where the image came from.
        assert tree.read("/etc/systemd/system-generators/systemd-fstab-generator") == b""
        assert b"mount -a" in tree.read("/etc/systemd/system/undercast-mount.service")
        with pytest.raises(FileNotFoundError):
            tree.read("/etc/ssh/ssh_host_rsa_key")
    assert not (outside / "hosts").exists()
    lab.run(lab.machines.delete(spec.name))
    for name in ("hostile", "harmless"):
        found = lab.run(lab.machines.images.resolve(name))
        lab.run(lab.machines.images.delete(found.fingerprint))
        lab.run(lab.machines.images.delete(found.fingerprint))
    with pytest.raises(NotFound):
        lab.run(lab.machines.images.resolve("hostile"))


@pytest.mark.needs_incus
def test_images_that_are_no_machines_are_refused_with_a_reason(lab: Lab, tmp_path: Path) -> None:
    image = oci(tmp_path / "image", tar({"app": b"#!/bin/sh\n"}))
    with pytest.raises(Unsupported, match="it has no /sbin/init"):
        lab.run(lab.machines.images.import_file(image, "program"))
    assert not list(build.CACHE.glob("import-*"))


@pytest.mark.needs_incus
def test_remotes_that_are_not_there(lab: Lab) -> None:
    with pytest.raises(NotFound, match="There is no remote 'nowhere'"):
        lab.run(lab.machines.images.copy_remote("nowhere:debian/13"))
    with pytest.raises(MachineError, match=r"https://127\.0\.0\.1:1 cannot be reached"):
        lab.run(lab.machines.images.copy_remote("https://127.0.0.1:1:debian/13"))


def test_files_replace_links_and_folders_keep_their_owner(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "resolv.conf").symlink_to("/run/nothing")
    with RootFs(tmp_path) as tree:
        tree.write(
            {
                "/etc/resolv.conf": MachineFile(b"nameserver 1.1.1.1\n"),
                "/home/ada/.ssh/authorized_keys": MachineFile(b"key", 0o600, 1000, 1000),
            }
        )
        with pytest.raises(FileNotFoundError):
            tree.read("/etc")
    assert not (tmp_path / "etc" / "resolv.conf").is_symlink()
    key = (tmp_path / "home/ada/.ssh/authorized_keys").stat()
    folder = (tmp_path / "home/ada/.ssh").stat()
    assert (key.st_mode & 0o777, key.st_uid, folder.st_mode & 0o777, folder.st_uid) == (
        0o600,
        1000,
        0o700,
        1000,
    )
