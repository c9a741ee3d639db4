"""Deployment packages that strangers made: nothing leaves the folder, nothing grows beyond the limit."""

from __future__ import annotations

import io
import os
import stat
import threading
import zipfile
from pathlib import Path

import pytest

from undercast.services.base import AwsError
from undercast.services.lambda_ import archive, limits
from undercast.services.lambda_.code import CodeStore

_BAD = "Could not unzip uploaded file. Please check your file, then try to upload again."


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        for name, content in entries:
            made.writestr(name, content)
    return buffer.getvalue()


def entry(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "a/b/../../../evil", "\\evil"]
)
def test_no_entry_leaves_the_folder(tmp_path: Path, name: str) -> None:
    target = tmp_path / "in" / "files"
    target.parent.mkdir()
    with pytest.raises(AwsError, match="Could not unzip"):
        archive.unpack(zipped(("fine.py", b""), (name, b"x")), target)
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = entry("lib", stat.S_IFLNK | 0o777)
    package = zipped((link, str(outside).encode()), ("lib/evil.py", b"x"))
    try:
        archive.unpack(package, tmp_path / "files")
    except AwsError as error:
        assert error.message == _BAD
    assert list(outside.iterdir()) == []

    again = zipped((entry("f", stat.S_IFLNK | 0o777), str(outside / "x").encode()), ("f", b"evil"))
    archive.unpack(again, tmp_path / "again")
    assert list(outside.iterdir()) == []


def test_links_are_kept(tmp_path: Path) -> None:
    package = zipped(("real.py", b"1"), (entry("bin/alias", stat.S_IFLNK | 0o777), b"../real.py"))
    archive.unpack(package, tmp_path / "files")
    assert (tmp_path / "files/bin/alias").readlink() == Path("../real.py")
    assert (tmp_path / "files/bin/alias").read_text() == "1"


def test_modes_let_another_user_read_and_run(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        package = zipped(
            (entry("secretive.py", 0o100600), b""),
            (entry("bootstrap", 0o100711), b""),
            (entry("setuid", 0o104755), b""),
            ("a/b/plain", b""),
        )
        size = archive.unpack(package, tmp_path / "files")
    finally:
        os.umask(old)
    modes = {p.name: stat.S_IMODE(p.lstat().st_mode) for p in (tmp_path / "files").rglob("*")}
    assert modes == {
        "secretive.py": 0o644,
        "bootstrap": 0o755,
        "setuid": 0o755,
        "a": 0o755,
        "b": 0o755,
        "plain": 0o644,
    }
    assert size == 0


def test_a_bomb_is_refused_before_it_unfolds(tmp_path: Path) -> None:
    bomb = zipped(("zeros", bytes(limits.UNZIPPED)))
    assert len(bomb) < 1024 * 1024
    with pytest.raises(AwsError) as caught:
        archive.unpack(bomb, tmp_path / "files")
    assert caught.value.message == "Unzipped size must be smaller than 262144000 bytes"
    assert not (tmp_path / "files").exists()


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    honest = zipped(("zeros", bytes(1_000_000)))
    lie = honest.replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lie != honest
    with pytest.raises(AwsError, match="Could not unzip"):
        archive.unpack(lie, tmp_path / "files")
    assert sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()) <= 10


@pytest.mark.parametrize(
    ("package", "message"),
    [
        (b"this is no zip", _BAD),
        (zipped(("f", b"x" * 1000))[:-30], _BAD),
        (zipped(("a", b"1"), ("a/b", b"2")), _BAD),
        (zipped(("n" * 300, b"1")), _BAD),
        (zipped(), "Uploaded file must be a non-empty zip"),
    ],
)
def test_broken_packages(tmp_path: Path, package: bytes, message: str) -> None:
    with pytest.raises(AwsError) as caught:
        archive.unpack(package, tmp_path / "files")
    assert (caught.value.code, caught.value.message) == ("InvalidParameterValueException", message)


def test_code_is_stored_once_and_collected_when_unused(tmp_path: Path) -> None:
    store = CodeStore(tmp_path / "code")
    package = zipped(("f.py", b"pass"))
    with store.stored(package) as first, store.stored(package) as second:
        assert first == second
        store.collect(set, grace_s=0)  # pinned: a call is about to refer to it
        assert store.archive(first.sha256).read_bytes() == package
        assert (tmp_path / "code" / first.sha256 / "files/f.py").read_bytes() == b"pass"
    store.collect(lambda: {first.sha256}, grace_s=0)
    assert store.archive(first.sha256).exists()
    store.collect(set, grace_s=3600)
    assert store.archive(first.sha256).exists()
    (tmp_path / "code" / ".left-by-a-crash").mkdir()
    store.collect(set, grace_s=0)
    assert list((tmp_path / "code").iterdir()) == []


def test_a_package_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = CodeStore(tmp_path / "code")
    with pytest.raises(AwsError), store.stored(b"no zip"):
        pytest.fail("must not get here")
    assert list((tmp_path / "code").iterdir()) == []


def test_the_same_package_at_the_same_time(tmp_path: Path) -> None:
    store = CodeStore(tmp_path / "code")
    package = zipped(*((f"f{n}.py", b"x" * 1000) for n in range(200)))
    sizes: list[int] = []

    def put() -> None:
        with store.stored(package) as stored:
            sizes.append(stored.unzipped_size)

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sizes == [200_000] * 8
    assert len(list((tmp_path / "code").iterdir())) == 1
