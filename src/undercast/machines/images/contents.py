"""What a root file system is: a machine of which architecture and release, and how large."""

from __future__ import annotations

import platform
import shlex
from dataclasses import dataclass

from undercast.machines.errors import Unsupported
from undercast.machines.images.tree import Tree

# e_machine of <elf.h>, as `uname -m` names it.
_MACHINES = {
    3: "i686",
    21: "ppc64le",
    22: "s390x",
    40: "armv7l",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
}
_ALSO = {"x86_64": "i686"}  # what a processor runs beside its own


@dataclass(frozen=True, slots=True)
class Contents:
    """`release` is what /etc/os-release says."""

    architecture: str
    release: dict[str, str]


def look(tree: Tree) -> Contents:
    """What the tree holds.

    Raises:
        Unsupported: it cannot run as a machine here; the message says why.
    """
    init = tree.find("sbin/init")
    if init is None or init.children is not None:
        systemd = tree.find("usr/lib/systemd/systemd") or tree.find("lib/systemd/systemd")
        raise Unsupported(
            "This image holds a program, not a machine: it has no /sbin/init. An image for servers needs "
            + ("one (Debian's package systemd-sysv brings it)" if systemd else "an init, systemd or another")
            + ", and sshd to log in by."
        )
    here = platform.machine()
    found = _machine(init.start)
    if found is None and (shell := tree.find("bin/sh")):
        found = _machine(shell.start)
    if found not in (None, here, _ALSO.get(here)):
        raise Unsupported(f"This image is for {found}; this machine is {here}.")
    text = tree.find("etc/os-release") or tree.find("usr/lib/os-release")
    return Contents(found or here, _release(text.start.decode(errors="replace") if text else ""))


def _machine(program: bytes) -> str | None:
    """The processor a program is for, None when it is no ELF file."""
    if len(program) < 20 or not program.startswith(b"\x7fELF"):
        return None
    number = int.from_bytes(program[18:20], "little" if program[5] == 1 else "big")
    return _MACHINES.get(number, f"another processor (ELF machine {number})")


def _release(text: str) -> dict[str, str]:
    """https://www.freedesktop.org/software/systemd/man/latest/os-release.html"""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and key.isidentifier():
            try:
                found[key] = " ".join(shlex.split(value))
            except ValueError:
                continue
    return found
