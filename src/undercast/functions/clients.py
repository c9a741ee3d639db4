"""AWS's runtime interface clients (and boto3), installed once per interpreter version into a cache.

Shown inside as /var/runtime. For the server's own Python version its own copies are linked; for others pip
and npm fetch them on first use, which takes some seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from undercast.functions.spec import SandboxError

_INSTALL_TIMEOUT_S = 600
_BUILD_TOOLS = ("npm", "make", "g++", "cmake", "autoreconf", "libtoolize")
_BUILD_PACKAGES = ("npm", "make", "g++", "cmake", "autoconf", "automake", "libtool")
_PACKAGES = ("awslambdaric", "boto3")
# Everything those two need, to be linked from the server's own installation.
_CLOSURE = (
    "awslambdaric", "snapshot-restore-py", "simplejson", "boto3", "botocore", "s3transfer", "jmespath",
    "python-dateutil", "six", "urllib3",
)  # fmt: skip


def default_cache() -> Path:
    """/var/cache/undercast for root, the user's cache directory otherwise."""
    if os.geteuid() == 0:
        return Path("/var/cache/undercast")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "undercast"


async def for_python(cache: Path, version: str) -> Path:
    """Directory with awslambdaric and boto3 for a Python version. Raises SandboxError."""
    minor = version.rpartition(".")[0]
    if minor == f"{sys.version_info.major}.{sys.version_info.minor}":
        versions = "-".join(metadata.version(name) for name in _PACKAGES)
        return await _once(cache / f"runtime-python{minor}-{versions}", _link_own)
    return await _once(cache / f"runtime-python{minor}", lambda target: _pip(minor, target))


async def for_node(cache: Path, version: str) -> Path:
    """Directory with node_modules/aws-lambda-ric for a Node.js version. Raises SandboxError."""
    major = version.partition(".")[0]
    return await _once(cache / f"runtime-nodejs{major}", _npm)


async def _once(target: Path, install: Callable[[Path], None]) -> Path:
    """Fills a directory completely or not at all, whoever else tries at the same time."""
    if not target.is_dir():
        await asyncio.to_thread(_fill, target, install)
    return target


def _fill(target: Path, install: Callable[[Path], None]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    with _locked(target.with_name(f".{target.name}.lock")):
        if target.is_dir():
            return
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
            fresh = Path(scratch) / "fresh"
            fresh.mkdir(mode=0o755)
            install(fresh)
            fresh.rename(target)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    end = time.monotonic() + _INSTALL_TIMEOUT_S
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise SandboxError(
                        f"another server has been filling {path.parent} for too long"
                    ) from None
                time.sleep(0.1)
        yield


def _run(argv: list[str], cwd: Path, what: str) -> None:
    try:
        subprocess.run(
            argv, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
            timeout=_INSTALL_TIMEOUT_S,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        words = (error.stderr or error.stdout or "").strip().splitlines()
        raise SandboxError(f"installing {what} failed: {words[-1] if words else error}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxError(f"installing {what} failed: {error}") from error


def _pip(minor: str, target: Path) -> None:
    # Our own pip, told which Python to choose for: one that is run by another interpreter has to know it, and
    # Debian's does not know Python 3.12. Wheels alone, so nothing is built or run. In two steps, for only
    # `download` asks the packages themselves whether that Python suits them where an index does not tell.
    pip = [sys.executable, "-m", "pip"]
    common = [
        "--quiet", "--no-input", "--disable-pip-version-check",
        "--python-version", minor, "--implementation", "cp", "--only-binary=:all:",
    ]  # fmt: skip
    what = f"awslambdaric and boto3 for python{minor}"
    with tempfile.TemporaryDirectory(dir=target.parent) as wheels:
        _run([*pip, "download", *common, "--dest", wheels, *_PACKAGES], target, what)
        chosen = sorted(map(str, Path(wheels).glob("*.whl")))
        install = ["install", *common, "--no-index", "--no-deps", "--target", str(target)]
        _run([*pip, *install, *chosen], target, what)
    shutil.rmtree(target / "bin", ignore_errors=True)


def _npm(target: Path) -> None:
    absent = [name for name in _BUILD_TOOLS if shutil.which(name) is None]
    if absent:
        raise SandboxError(
            f"aws-lambda-ric is compiled on installation, and {', '.join(absent)} is not on this machine: "
            f"apt-get install {' '.join(_BUILD_PACKAGES)}"
        )
    # npm runs a package's install script only when the project says so
    (target / "package.json").write_text('{"private": true, "allowScripts": {"aws-lambda-ric": true}}\n')
    argv = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "aws-lambda-ric"]
    _run(argv, target, "aws-lambda-ric")
    if next((target / "node_modules/aws-lambda-ric").glob("**/*.node"), None) is None:
        raise SandboxError("installing aws-lambda-ric failed: npm did not compile its native part")


def _link_own(target: Path) -> None:
    """The server's own copies, as hard links where the cache is on the same file system."""
    for name in _CLOSURE:
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        for file in distribution.files or ():
            if file.parts[0] in ("..", "/") or file.is_absolute():
                continue  # commands in bin/
            source, wanted = Path(str(distribution.locate_file(file))), target / file
            if not source.is_file():
                continue
            wanted.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, wanted)
            except OSError:
                shutil.copy2(source, wanted)
    if not (target / "awslambdaric").is_dir():
        raise SandboxError("awslambdaric is not installed beside the server")
