"""Installing what servers need from the distribution's own packages (Debian 12 and 13, Ubuntu 24.04)."""

from __future__ import annotations

import platform
import re
import shutil
from pathlib import Path

from undercast.machines.errors import Unsupported
from undercast.machines.setup.command import run
from undercast.machines.setup.progress import Step

# A program that must be there, and the package that brings it. The check is the program, because an Incus
# from elsewhere (its own repository, a build) serves as well.
PROGRAMS = {
    "dnsmasq": "dnsmasq-base",
    "nft": "nftables",
    "lxcfs": "lxcfs",
    "setfattr": "attr",
    "rsync": "rsync",
    "mkfs.btrfs": "btrfs-progs",
    "mksquashfs": "squashfs-tools",
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "losetup": "mount",
    "nsenter": "util-linux",
    "ip": "iproute2",
    "xz": "xz-utils",
}
INCUS = {"incusd": "incus-base", "incus": "incus-client"}
SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/libexec/incus:/opt/incus/bin"
BACKPORTS = Path("/etc/apt/sources.list.d/undercast-backports.sources")
APT = (
    "apt-get",
    "-y",
    "-o",
    "DPkg::Lock::Timeout=120",
    "-o",
    "Dpkg::Options::=--force-confdef",
    "-o",
    "Dpkg::Options::=--force-confold",
    "-o",
    "Acquire::Retries=3",
    "-o",
    "APT::Status-Fd=1",
)
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1", "APT_LISTCHANGES_FRONTEND": "none"}
_STATUS = re.compile(r"^(dl|pm)status:([^:]*):([0-9.]+):(.*)$")


def find_program(name: str) -> str | None:
    """The path of a program, looked for also where packages put daemons."""
    return shutil.which(name, path=SEARCH)


def missing() -> list[str]:
    """The packages that have to be installed; empty when everything is there."""
    return [package for program, package in {**PROGRAMS, **INCUS}.items() if find_program(program) is None]


def install(packages: list[str], step: Step) -> None:
    """Install `packages` from the machine's own package sources.

    Raises:
        Unsupported: this is no Debian or Ubuntu, or its release carries no Incus.
        MachineError: apt failed; its last lines are in the message.
    """
    if shutil.which("apt-get") is None:
        raise Unsupported(
            "Servers need Incus, and this system has no apt-get to install it with. Install Incus 6 and "
            f"{', '.join(packages)} with this system's package manager and run `undercast setup` again."
        )
    step.update(None, "refreshing package lists")
    release = platform.freedesktop_os_release()
    if "incus-base" in packages and release.get("VERSION_CODENAME") == "bookworm":
        _add_backports()
    run([*APT, "update"], timeout_s=300, environment=QUIET)
    wanted = [_from_backports(package, release) for package in packages]
    run(
        [*APT, "install", "--no-install-recommends", *wanted],
        timeout_s=600,
        environment=QUIET,
        on_line=lambda line: _show(step, line),
    )


def _from_backports(package: str, release: dict[str, str]) -> str:
    if package.startswith("incus") and release.get("VERSION_CODENAME") == "bookworm":
        return f"{package}/bookworm-backports"
    return package


def _add_backports() -> None:
    """Debian 12 carries Incus in its backports: the same mirror and key as the machine's main source."""
    if "bookworm-backports" in run(["apt-cache", "policy"], timeout_s=60):
        return
    stanza = _own_stanza()
    text = re.sub(r"(?m)^Suites:.*$", "Suites: bookworm-backports", stanza)
    text = re.sub(r"(?m)^Components:.*$", "Components: main", text)
    BACKPORTS.write_text(text.rstrip() + "\n")


def _own_stanza() -> str:
    """The first deb822 stanza for this release, made from a one-line source where there is no such file."""
    folder = Path("/etc/apt/sources.list.d")
    for path in sorted(folder.glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text()):
            lines = [line for line in stanza.splitlines() if line.strip() and not line.startswith("#")]
            if any(re.match(r"Suites:.*\bbookworm\b", line) for line in lines):
                return "\n".join(lines)
    for path in [Path("/etc/apt/sources.list"), *sorted(folder.glob("*.list"))]:
        for line in path.read_text().splitlines() if path.exists() else ():
            if found := re.match(r"deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+bookworm\s", line):
                signed = re.search(r"signed-by=(\S+)", found[1] or "")
                key = signed[1] if signed else "/usr/share/keyrings/debian-archive-keyring.gpg"
                return f"Types: deb\nURIs: {found[2]}\nSuites: x\nComponents: main\nSigned-By: {key}"
    raise Unsupported("No Debian source for bookworm was found in /etc/apt to take bookworm-backports from.")


def _show(step: Step, line: str) -> None:
    if found := _STATUS.match(line):
        half = 0.0 if found[1] == "dl" else 0.5
        step.update(half + float(found[3]) / 200, found[4])
