"""The part of an image build that mounts things, run in namespaces of its own.

Started by `build.py` through `unshare --mount --pid --fork --kill-child`. Whatever this process mounts exists
in its mount namespace only and ends with it, even by kill -9. So nothing outside ever walks (or removes) a
tree in which host folders are mounted. Progress goes to standard output as lines `stage:FRACTION:NOTE`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

_APT = re.compile(r"^(?:Get:(\d+)|Unpacking (\S+)|Setting up (\S+))")
SAFE_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def main() -> None:
    """Build the root file system described by the plan (a JSON file) and pack it as squashfs."""
    plan: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())
    work = Path(plan["work"])
    if plan["memory"]:
        _do("mount", "-t", "tmpfs", "-o", "size=6g,mode=0755", "undercast-build", str(work))
    root = work / "root"
    _bootstrap(plan, work, root)
    _say(0.82, "settings")
    _inherit(plan, root)
    _do("cp", "-a", "--no-preserve=ownership", f"{plan['overlay']}/.", str(root))
    shutil.copy(plan["customize"], root / "customize.sh")
    _in_root(root, "sh", "/customize.sh")
    (root / "customize.sh").unlink()
    _say(0.92, "packing")
    _do("mksquashfs", str(root), plan["output"], "-comp", "lz4", "-noappend", "-no-progress", "-quiet")
    _say(1.0, "packed")


def _bootstrap(plan: dict[str, Any], work: Path, root: Path) -> None:
    source = work / "undercast.sources"
    source.write_text(plan["sources"])
    argv = [
        "mmdebstrap",
        "--mode=root",
        "--variant=apt",
        "--format=directory",
        f"--include={','.join(plan['packages'])}",
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in plan["exclude"]),
        *(f"--aptopt={line}" for line in plan["apt"].splitlines()),
        '--aptopt=APT::Install-Recommends "false";',
        '--aptopt=Dpkg::Use-Pty "false";',
        "--verbose",
        plan["release"],
        str(root),
        str(source),
    ]
    total = len(plan["packages"]) * 7.0
    fetched = installed = 0
    tail: list[str] = []
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    for line in process.stdout:
        tail = [*tail[-30:], line.rstrip()]
        if found := _APT.match(line):
            fetched += bool(found[1])
            installed += not found[1]
            share = min(fetched / total, 1) * 0.3 + min(installed / (2 * total), 1) * 0.5
            _say(min(share, 0.8), found[2] or found[3] or "downloading")
    if process.wait():
        print("\n".join(tail), flush=True)
        sys.exit(f"mmdebstrap failed with status {process.returncode}")


def _inherit(plan: dict[str, Any], root: Path) -> None:
    """Settings of the machine underneath: certificates, apt, pip, proxies."""
    folder = root / "usr/local/share/ca-certificates"
    for path in sorted(Path(plan["certificates"]).rglob("*.crt")):
        shutil.copy(path, folder / path.name)
    (root / "etc/apt/apt.conf.d/90undercast-host").write_text(plan["apt"])
    for path in (root / "etc/apt/sources.list.d").iterdir():
        path.unlink()
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    (root / "etc/apt/sources.list.d/distribution.sources").write_text(plan["sources"])
    (root / "etc/pip.conf").write_text(plan["pip"])
    (root / "etc/environment").write_text(plan["environment"])


def _in_root(root: Path, *argv: str) -> None:
    _do("mount", "-t", "proc", "proc", str(root / "proc"))
    try:
        _do("chroot", str(root), "/usr/bin/env", "-i", f"PATH={SAFE_PATH}", "LC_ALL=C.UTF-8", *argv)
    finally:
        _do("umount", str(root / "proc"))


def _do(*argv: str) -> None:
    subprocess.run(argv, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, timeout=300, check=True)


def _say(fraction: float, note: str) -> None:
    print(f"stage:{fraction:.3f}:{note}", flush=True)


if __name__ == "__main__":
    main()
