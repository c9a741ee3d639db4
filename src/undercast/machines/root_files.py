"""A root disk as the file of a block device, and back: a tree in Incus's pool, an ext4 file system in a file.

Run as a program (`root_files to-file|to-tree TREE FILE FOLDER`) it does the copying, in a mount namespace of
its own: what it mounts at FOLDER ends with it, even by kill -9.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

_LIMIT_S = 900.0


async def to_file(tree: Path, file: Path, mounts: Path) -> None:
    """Make an ext4 file system in `file`, as large as that, with everything that is in `tree`.

    `mounts` is an empty folder to mount at.

    Raises:
        NotFound, Unsupported, NoCapacity, MachineError: it could not be done; `file` is of no use then.
    """
    from undercast.machines.errors import NotFound, Unsupported

    try:
        owner = (await asyncio.to_thread(tree.stat)).st_uid
    except FileNotFoundError as error:
        raise NotFound(f"There is no root disk at {tree}") from error
    if owner:
        raise Unsupported("This machine's storage pool keeps owners shifted: its root disks cannot be moved")
    await _run("to-file", tree, file, mounts)


async def to_tree(file: Path, tree: Path, mounts: Path) -> None:
    """Copy everything that is in the ext4 file system in `file` into the folder `tree`, which is empty.

    Device nodes are left out: who could write to the block device could have made any.

    Raises:
        NoCapacity, MachineError: it could not be done; `tree` is of no use then.
    """
    await _run("to-tree", tree, file, mounts)


async def _run(direction: str, tree: Path, file: Path, mounts: Path) -> None:
    from undercast.machines.errors import TimedOut
    from undercast.machines.incus import failure

    mounts.mkdir(mode=0o700, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--"),
        *(sys.executable, "-m", "undercast.machines.root_files"),
        *(direction, str(tree), str(file), str(mounts)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_LIMIT_S):
            _, said = await process.communicate()
    except TimeoutError as error:
        raise TimedOut(f"copying a root disk took longer than {_LIMIT_S:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise failure(f"a root disk could not be copied: {said.decode(errors='replace')[-500:].strip()}", 500)


def main() -> None:
    """The copying itself."""
    direction = sys.argv[1]
    tree, file, folder = (Path(word) for word in sys.argv[2:5])
    if direction == "to-file":
        _do("mke2fs", "-q", "-F", "-t", "ext4", str(file))
        _do("mount", "-t", "ext4", "-o", "loop,nosuid,nodev,noexec", str(file), str(folder))
        _do("cp", "-a", "--", f"{tree}/.", str(folder))
    else:
        _do("mount", "-t", "ext4", "-o", "loop,ro,nosuid,nodev,noexec", str(file), str(folder))
        _do("cp", "-a", "--", f"{folder}/.", str(tree))
        _do("find", str(tree), "-xdev", "(", "-type", "b", "-o", "-type", "c", ")", "-delete")
    _do("umount", str(folder))


def _do(*argv: str) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
    if done.returncode:
        sys.exit(done.stderr[-400:] or f"{argv[0]} failed with status {done.returncode}")


if __name__ == "__main__":
    os.umask(0o077)
    main()
