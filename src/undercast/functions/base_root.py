"""The root file system that environments of one runtime share: which parts of this machine they may see.

/usr (with /lib, /bin and the rest that point into it), the interpreter, certificates, the runtime client. Of
/etc a minimal set of files made for the purpose. Nothing of /root, /home, /var, /srv or the data folder is
there to be read. `inside/launch.py` carries the plan out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# Read-only for the environment anyway (not its owner); these also disclose something of the host.
_MASKED = (
    "acpi", "asound", "bus", "cmdline", "config.gz", "driver", "fs", "interrupts", "iomem", "ioports", "irq",
    "kallsyms", "kcore", "key-users", "keys", "kmsg", "latency_stats", "modules", "sched_debug", "schedstat",
    "scsi",
    "slabinfo", "swaps", "sysrq-trigger", "sysvipc", "timer_list", "vmallocinfo",
)  # fmt: skip

# A library directory that is missing when the zygote starts would never be searched again by ld.so, so the
# places where functions bring theirs exist from the beginning, below the mount points.
_DIRECTORIES = ("/proc", "/tmp", "/var/task/lib", "/opt/lib", "/var/empty", "/var/runtime", "/etc")
_TOP_LEVEL = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
_CERTIFICATES = (
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/etc/ca-certificates/extracted",
    "/usr/share/ca-certificates",
)
_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


def masked_paths(proc: Path = Path("/proc")) -> tuple[list[str], list[str]]:
    """Files and directories of /proc to cover: those of the list that exist and that anyone may read."""
    files: list[str] = []
    directories: list[str] = []
    for name in _MASKED:
        path = proc / name
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & 0o004:
            (directories if path.is_dir() else files).append(f"/proc/{name}")
    return files, directories


def nameservers(
    resolv_conf: Iterable[Path] = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")),
) -> str:
    """resolv.conf for environments: the host's first that names a server beyond its own loopback."""
    for path in resolv_conf:
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        kept = [
            line
            for line in lines
            if not line.startswith("nameserver") or (" 127." not in line and " ::1" not in line)
        ]
        if any(line.startswith("nameserver") for line in kept):
            return "\n".join(kept) + "\n"
    return ""


def _users(first: int, count: int) -> str:
    named = "".join(f"sbx_user{n}:x:{n}:{n}::/tmp:/sbin/nologin\n" for n in range(first, first + count))
    return "root:x:0:0:root:/root:/sbin/nologin\n" + named


def _groups(first: int, count: int) -> str:
    return "root:x:0:\n" + "".join(f"sbx_user{n}:x:{n}:\n" for n in range(first, first + count))


def _etc(users: range) -> dict[str, str]:
    files = {
        "/etc/passwd": _users(users.start, len(users)),
        "/etc/group": _groups(users.start, len(users)),
        "/etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost\n",
        "/etc/hostname": "localhost\n",
        "/etc/resolv.conf": nameservers(),
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n",
    }
    for name in ("mime.types", "protocols", "services", "os-release", "gai.conf"):
        path = Path("/etc") / name
        if path.is_file():
            files[f"/etc/{name}"] = path.read_text(encoding="utf-8", errors="replace")
    return files


def _certificates(environ: Mapping[str, str]) -> set[Path]:
    """Where this machine keeps the certificates it trusts, by place and by what its variables name."""
    found = {Path(name) for name in _CERTIFICATES if Path(name).is_dir() and not name.startswith("/usr/")}
    for variable in _CERTIFICATE_VARIABLES:
        path = Path(environ.get(variable, ""))
        if (
            path.is_absolute()
            and path.is_file()
            and not any(path.is_relative_to(directory) for directory in found)
        ):
            found.add(path)
    return {path for path in found if not path.is_relative_to("/usr")}


def plan(
    root: Path,
    *,
    argv: list[str],
    env: Mapping[str, str],
    users: range,
    inside: Path,
    prefix: Path | None = None,
    client: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> dict[str, Any]:
    """What launch.py is to build and to start.

    `inside` is the package shown as /var/rapid/undercast_inside, `client` the runtime client's directory
    shown as /var/runtime, `prefix` the interpreter's installation if it lies outside /usr (shown under its
    own name, and as /var/lang, its name on AWS).
    """
    binds = {"/usr": "/usr", "/var/rapid/undercast_inside": str(inside)}
    links: dict[str, str] = {}
    for name in _TOP_LEVEL:
        path = Path("/") / name
        if path.is_symlink():
            links[f"/{name}"] = str(path.readlink())
        elif path.is_dir():
            binds[f"/{name}"] = f"/{name}"
    for path in (Path("/etc/ld.so.cache"), Path("/etc/alternatives")):
        if path.exists():
            binds[str(path)] = str(path)
    localtime = Path("/etc/localtime")
    if localtime.is_symlink():
        links["/etc/localtime"] = str(localtime.readlink())
    for path in _certificates(environ):
        binds[str(path)] = str(path.resolve())
    if prefix is not None and not prefix.is_relative_to("/usr"):
        binds[str(prefix)] = str(prefix)
    if client is not None:
        binds["/var/runtime"] = str(client)
    links["/var/lang"] = str(prefix or "/usr")
    return {
        "root": str(root),
        "directories": list(_DIRECTORIES),
        "files": _etc(users),
        "links": links,
        "binds": binds,
        "argv": argv,
        "env": dict(env),
    }
