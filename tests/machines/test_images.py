"""Images brought in from elsewhere, and what a machine made from a hostile one can not do."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import shutil
import tarfile
from pathlib import Path

import pytest
from machine_support import Lab

from undercast.machines import firstboot
from undercast.machines.errors import MachineError, NotFound, Unsupported
from undercast.machines.images import build, detect, layers
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
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


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


def test_layers_merge_as_the_specification_says(tmp_path: Path) -> None:
    image = oci(
        tmp_path / "image",
        tar(
            {
                "etc": None,
                "etc/a": b"1",
                "etc/b": b"1",
                "opt": None,
                "opt/old": b"1",
                "gone": None,
                "gone/x": b"1",
            }
        ),
        tar({"etc/a": b"2", "etc/.wh.b": b"", "opt/.wh..wh..opq": b"", "opt/new": b"2", ".wh.gone": b""}),
        tar({"./etc/c": b"3", "opt/link": "/etc/c"}),
    )
    layers.merge(layers.oci_layers(image), tmp_path / "merged.tar")
    with tarfile.open(tmp_path / "merged.tar") as merged:
        names = [name.removeprefix("./") for name in merged.getnames()]
        assert sorted(names) == ["etc", "etc/a", "etc/c", "opt", "opt/link", "opt/new"]
        file = merged.extractfile("etc/a")
        assert file is not None and file.read() == b"2"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (tar({"./": None, "./etc": None, "./usr": None}), Kind.TREE),
        (tar({"metadata.yaml": b"{}", "rootfs": None}), Kind.INCUS),
        (tar({"blobs": None, "oci-layout": b"{}"}), Kind.OCI),
        (tar({"abc/layer.tar": b"", "manifest.json": b"[]"}), Kind.DOCKER),
        (gzip.compress(tar({"bin": None, "etc": None})), Kind.TREE),
        (b"hsqs" + bytes(100), Kind.SQUASHFS),
        (b"QFI\xfb" + bytes(100), Kind.DISK),
        (tar({"letter.txt": b"dear"}), None),
        (b"\x28\xb5\x2f\xfd" + bytes(100), None),
        (b"#!/bin/sh", None),
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
    harmless = {**entries, "home/ada/.ssh": None, "etc/ssh": None}
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
    with pytest.raises(Unsupported, match="it has no init"):
        lab.run(lab.machines.images.import_file(image, "program"))
    if shutil.which("qemu-img") is None:
        disk = tmp_path / "disk.qcow2"
        disk.write_bytes(b"QFI\xfb" + bytes(512))
        with pytest.raises(Unsupported, match="qemu-utils"):
            lab.run(lab.machines.images.import_file(disk, "disk"))
    assert not list(build.CACHE.glob("import-*"))


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
