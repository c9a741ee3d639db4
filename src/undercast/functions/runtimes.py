"""Which of AWS's runtimes this machine can run, and with what.

Python: every python3.N found in the usual places; a version that is not there runs on the nearest newer one.
Node.js: the node on the PATH, with the same rule. provided.*: nothing is needed. Everything else is refused
by name.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from undercast.functions import clients
from undercast.functions.spec import Runtime, SandboxError

log = logging.getLogger(__name__)

PYTHONS = tuple(f"python3.{minor}" for minor in range(8, 15))
NODES = ("nodejs18.x", "nodejs20.x", "nodejs22.x", "nodejs24.x")
PROVIDED = ("provided.al2", "provided.al2023")
# What bin/index.mjs of aws-lambda-ric does, without its line in the function's log.
_RUN_NODE = (
    'import { run } from "file:///var/runtime/node_modules/aws-lambda-ric/dist/index.mjs";'
    " await run(process.cwd(), process.argv[1]);"
)
_VERSION_TIMEOUT_S = 10
_ASK = "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.base_prefix)"


def _directories() -> Iterator[Path]:
    """Where Python interpreters are looked for."""
    yield Path("/usr/bin")
    yield Path("/usr/local/bin")
    home = Path(os.environ.get("HOME") or "/root")
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    for base in (pyenv / "versions", home / ".local/share/uv/python", Path("/opt/python")):
        with contextlib.suppress(OSError):  # not there, or not for us to read
            yield from [entry / "bin" for entry in sorted(base.iterdir(), reverse=True) if entry.is_dir()]


def find_pythons() -> dict[int, Path]:
    """Interpreters by minor version."""
    found: dict[int, Path] = {}
    for directory in _directories():
        for minor in range(8, 20):
            path = directory / f"python3.{minor}"
            if minor not in found and os.access(path, os.X_OK) and path.is_file():
                found[minor] = path
    return found


def choose(wanted: int, offered: list[int], *, fallback: bool) -> int | None:
    """The wanted version, or the nearest newer one if that is allowed, or None."""
    if wanted in offered:
        return wanted
    return min((version for version in offered if version > wanted), default=None) if fallback else None


def _outside_usr(prefix: Path) -> Path | None:
    return None if prefix.is_relative_to("/usr") else prefix


async def _output(*argv: str) -> str:
    def run() -> str:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT_S,
            check=True,
        )
        return done.stdout

    try:
        return await asyncio.to_thread(run)
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxError(f"{argv[0]} does not run: {error}") from error


class Runtimes:
    """The runtimes of this machine.

    Pythons are found at once; what takes time is asked later, at the latest when a runtime is first prepared.
    """

    def __init__(self, cache: Path, *, fallback: bool = True) -> None:
        self._cache = cache
        self._fallback = fallback
        self._prepared: dict[str, tuple[Runtime, Path | None]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self.found: dict[str, Runtime] = {runtime.name: runtime for runtime in self._pythons()}
        self.found.update({name: Runtime(name, None) for name in PROVIDED})

    def find_nodes(self) -> None:
        """Looks for Node.js, which takes a moment: it has to be asked for its version."""
        self.found.update({runtime.name: runtime for runtime in self._nodes()})

    def get(self, name: str) -> Runtime:
        """Raises SandboxError for a runtime that cannot run here, saying why."""
        runtime = self.found.get(name)
        if runtime is None:
            raise SandboxError(f"The runtime {name} is not supported. Supported: {', '.join(self.found)}.")
        if runtime.missing is not None:
            raise SandboxError(runtime.missing)
        return runtime

    async def prepare(self, name: str) -> tuple[Runtime, Path | None]:
        """The runtime with its details, and the directory of its client, installed if need be.

        Raises SandboxError.
        """
        if (known := self._prepared.get(name)) is not None:
            return known
        async with self._locks.setdefault(name, asyncio.Lock()):
            if name not in self._prepared:
                self._prepared[name] = await self._prepare(self.get(name))
            return self._prepared[name]

    async def _prepare(self, runtime: Runtime) -> tuple[Runtime, Path | None]:
        if runtime.interpreter is None:
            return runtime, None
        interpreter = str(runtime.interpreter)
        if runtime.zygote:
            version, prefix = (await _output(interpreter, "-S", "-c", _ASK)).splitlines()
            try:
                client = await clients.for_python(self._cache, version)
            except SandboxError as error:
                return await self._prepare(self._instead(runtime, int(version.split(".")[1]), error))
            argv: tuple[str, ...] = (interpreter, "-S", "-m", "awslambdaric")
            full = replace(runtime, version=version, prefix=_outside_usr(Path(prefix)), argv=argv)
        else:
            version = (await _output(interpreter, "--version")).strip().lstrip("v")
            client = await clients.for_node(self._cache, version)
            argv = (interpreter, "--input-type=module", "-e", _RUN_NODE)
            full = replace(runtime, version=version, argv=argv)
        self.found[runtime.name] = full
        return full, client

    def _instead(self, runtime: Runtime, minor: int, error: SandboxError) -> Runtime:
        """The nearest newer Python, for one whose client cannot be had; without one, raises the error."""
        offered = find_pythons()
        newer = choose(minor + 1, list(offered), fallback=self._fallback) if self._fallback else None
        if newer is None:
            raise error
        log.warning("%s: %s", runtime.name, error)
        statement = f"{runtime.name} cannot be prepared on this machine: running on Python 3.{newer}."
        return replace(runtime, interpreter=offered[newer], version=f"3.{newer}", statement=statement)

    def _pythons(self) -> Iterator[Runtime]:
        offered = find_pythons()
        for name in PYTHONS:
            wanted = int(name.rpartition(".")[2])
            minor = choose(wanted, list(offered), fallback=self._fallback)
            if minor is None:
                missing = (
                    f"The runtime {name} needs a Python 3.{wanted} interpreter, which is not on this machine"
                )
                missing += (
                    " and no newer one is either." if self._fallback else " (fallback to newer ones is off)."
                )
                yield Runtime(
                    name, None, missing=f"{missing} Install python3.{wanted}, for example with pyenv."
                )
                continue
            statement = None
            if minor != wanted:
                statement = (
                    f"{name} is not on this machine: running on Python 3.{minor}, the nearest newer version."
                )
            yield Runtime(name, offered[minor], version=f"3.{minor}", zygote=True, statement=statement)

    def _nodes(self) -> Iterator[Runtime]:
        node = shutil.which("node", path="/usr/local/bin:/usr/bin:/bin")
        major = _node_major(node) if node else None
        for name in NODES:
            wanted = int(name[len("nodejs") : -2])
            if node is None or major is None:
                yield Runtime(
                    name, None, missing=f"The runtime {name} needs Node.js, which is not on this machine."
                )
                continue
            if choose(wanted, [major], fallback=self._fallback) is None:
                missing = f"The runtime {name} needs Node.js {wanted}; this machine has {major}."
                yield Runtime(name, None, missing=missing)
                continue
            statement = None
            if major != wanted:
                statement = (
                    f"{name} is not on this machine: running on Node.js {major}, the nearest newer version."
                )
            yield Runtime(name, Path(node), version=str(major), statement=statement)


def _node_major(node: str) -> int | None:
    """Major version of a node, as it says."""
    try:
        done = subprocess.run(
            [node, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERSION_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.match(r"v(\d+)\.", done.stdout)
    return int(match[1]) if match else None
