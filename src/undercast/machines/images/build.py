"""Building the default image: a plan, a build in namespaces of its own, a cache keyed by the recipe."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from undercast.machines.errors import MachineError
from undercast.machines.images import convert, host, stage
from undercast.machines.setup.command import run
from undercast.machines.setup.progress import Step

CACHE = Path("/var/cache/undercast")
RECIPE = Path(__file__).parent / "default"
EXCLUDE = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
ALIAS = "undercast-linux"
_LONG_AGO_S = 24 * 3600.0
BUILD_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """The two files Incus imports as one image. `key` is the hash of the recipe they were made from."""

    key: str
    metadata: Path
    rootfs: Path


def recipe_key() -> str:
    """A hash over everything that shapes the image: packages, overlay, scripts, release and host settings."""
    digest = hashlib.sha256()
    for path in sorted(path for path in RECIPE.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(RECIPE)).encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(Path(stage.__file__).read_bytes())
    release = host.codename()
    for text in (
        release,
        platform.machine(),
        host.sources(release),
        host.apt_settings(),
        host.pip_settings(),
    ):
        digest.update(text.encode() + b"\0")
    digest.update(host.environment().encode())
    for name, content in host.own_certificates().items():
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()[:24]


def cached(key: str) -> BuiltImage | None:
    """The image built from this recipe before, if the cache has it."""
    image = BuiltImage(key, CACHE / f"{ALIAS}-{key}.tar.xz", CACHE / f"{ALIAS}-{key}.squashfs")
    return image if image.metadata.exists() and image.rootfs.exists() else None


def build(step: Step) -> BuiltImage:
    """The default image from the cache, or built now (half a minute to a minute).

    Raises:
        MachineError: the build failed; the message ends with its last lines.
    """
    key = recipe_key()
    CACHE.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time():
        if found := cached(key):
            return found
        with work_folder("build-") as work:
            rootfs = work / "image.squashfs"
            _bootstrap(work, rootfs, step)
            metadata = work / "metadata.tar.xz"
            metadata.write_bytes(_metadata(key))
            for source, suffix in ((rootfs, "squashfs"), (metadata, "tar.xz")):
                source.replace(CACHE / f"{ALIAS}-{key}.{suffix}")
        for old in CACHE.glob(f"{ALIAS}-*"):
            if key not in old.name:
                old.unlink()
    found = cached(key)
    if found is None:
        raise MachineError("The built image is not where it was put")
    return found


def _bootstrap(work: Path, output: Path, step: Step) -> None:
    release = host.codename()
    packages = [line for line in (RECIPE / "packages.txt").read_text().split("\n") if line and line[0] != "#"]
    tree = work / "tree"
    tree.mkdir(mode=0o755)
    plan = {
        "work": str(tree),
        "output": str(output),
        "memory": _available_mib() > 6000,
        "release": release,
        "sources": host.sources(release),
        "packages": packages,
        "exclude": EXCLUDE,
        "apt": host.apt_settings(),
        "pip": host.pip_settings(),
        "environment": host.environment(),
        "certificates": str(host.CERTIFICATES),
        "overlay": str(RECIPE / "overlay"),
        "customize": str(RECIPE / "customize.sh"),
    }
    (work / "plan.json").write_text(json.dumps(plan))

    def show(line: str) -> None:
        if line.startswith("stage:"):
            _, fraction, note = line.split(":", 2)
            step.update(float(fraction), note)

    namespaces = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--"]
    stage = [sys.executable, "-m", "undercast.machines.images.stage", str(work / "plan.json")]
    run([*namespaces, *stage], timeout_s=BUILD_LIMIT_S, on_line=show)


def _metadata(key: str) -> bytes:
    name = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return convert.metadata(
        f"Undercast Linux ({name})",
        "ami-" + hashlib.sha256(ALIAS.encode()).hexdigest()[:17],
        created=int(time.time()),
        os="Undercast Linux",
        release=host.codename(),
        undercast_user="ec2-user",
        undercast_recipe=key,
    )


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two set-ups at once build once: the second waits and finds the cache filled."""
    with (CACHE / "build.lock").open("w") as lock:
        deadline = time.monotonic() + BUILD_LIMIT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise MachineError("Another image build has been running for too long") from None
                time.sleep(0.2)
        _sweep()
        yield


@contextlib.contextmanager
def work_folder(prefix: str) -> Iterator[Path]:
    """A folder below the cache, removed afterwards."""
    work = Path(tempfile.mkdtemp(prefix=prefix, dir=CACHE))
    try:
        yield work
    finally:
        remove_tree(work)


@contextlib.contextmanager
def one_import_at_a_time() -> Iterator[None]:
    """The second of two imports waits, and finds what the first has brought."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "import.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _sweep_imports()
        yield


def _sweep() -> None:
    """Work folders of builds that were killed (the lock is ours, so none is in use)."""
    for work in CACHE.glob("build-*"):
        if work.is_dir():
            remove_tree(work)


def _sweep_imports() -> None:
    """Work folders of imports that were killed; those of today may be in use."""
    for work in CACHE.glob("import-*"):
        if work.is_dir() and time.time() - work.stat().st_mtime > _LONG_AGO_S:
            remove_tree(work)


def remove_tree(path: Path) -> None:
    """Remove a folder of ours, never anything that is mounted below it.

    Raises:
        MachineError: something is mounted inside; it is left untouched.
    """
    prefix = os.path.realpath(path) + "/"
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    if inside := [mount for mount in mounts if (mount + "/").startswith(prefix)]:
        raise MachineError(f"{path} is not removed: {inside[0]} is mounted inside")
    argv = ["rm", "-rf", "--one-file-system", "--", str(path)]
    subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=120, check=True)


def _available_mib() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return 0
