"""`undercast doctor`: what is there, what is missing, what to do about it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.table import Table

from undercast import running
from undercast.commands.speaking import out, settings
from undercast.settings import Settings

_LEAST_DISK = 5 * 1024**3
_LEAST_CLI = (2, 13)  # the first that reads AWS_ENDPOINT_URL
_COMMAND_S = 20.0  # a cold aws CLI takes seconds


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `advice` says what to do about a thing that is not `ok`."""

    subject: str
    state: Literal["ok", "note", "missing"]
    told: str
    advice: str = ""


_MARKS = {"ok": "[green]✓[/]", "note": "[yellow]●[/]", "missing": "[red]✗[/]"}


def doctor(data: Path | None) -> int:
    """Show the findings. Returns 1 when something is missing that everything needs."""
    wanted = settings(data=data)
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    worst = 0
    for finding in findings(wanted):
        told = finding.told + (f"\n[cyan]→ {finding.advice}[/]" if finding.advice else "")
        table.add_row(_MARKS[finding.state], finding.subject, told)
        worst = max(worst, finding.state == "missing")
    out.print(table)
    return worst


def findings(wanted: Settings) -> Iterator[Finding]:
    """Look at everything, one thing after the other."""
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _python,
        _data,
        _port,
        _aws_cli,
        _functions,
        _servers,
    )
    for check in checks:
        yield from check(wanted)


def _python(wanted: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", "ok", f"{version} at {sys.executable}")


def _data(wanted: Settings) -> Iterator[Finding]:
    folder = wanted.data
    existing = next(path for path in (folder, *folder.parents) if os.access(path, os.F_OK))
    if not os.access(existing, os.W_OK):
        yield Finding(
            "Data", "missing", f"{folder} can not be written", "Choose another with --data, or use sudo."
        )
        return
    free = shutil.disk_usage(existing).free
    told = f"{folder}, {free / 1e9:.0f} GB free"
    if free < _LEAST_DISK:
        yield Finding(
            "Data", "note", told, "Servers need room: free some, or choose another disk with --data."
        )
    else:
        yield Finding("Data", "ok", told)


def _port(wanted: Settings) -> Iterator[Finding]:
    server = running.read(wanted.data)
    if server is not None:
        yield Finding("Server", "ok", f"running at {server.url} (process {server.pid})")
        return
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((wanted.host, wanted.port))
        except OSError as error:
            yield Finding(
                "Port", "missing", f"{wanted.host}:{wanted.port}: {error.strerror}", "Choose one with --port."
            )
            return
    yield Finding("Port", "ok", f"{wanted.host}:{wanted.port} is free")


def _aws_cli(wanted: Settings) -> Iterator[Finding]:
    advice = (
        "Install version 2: apt install -t bookworm-backports awscli on Debian 12, or "
        "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
    )
    path = shutil.which("aws")
    if path is None:
        yield Finding("aws CLI", "note", "not installed", advice)
        return
    text = _says(path, "--version")
    match = re.search(r"aws-cli/(\d+)\.(\d+)", text)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if version < _LEAST_CLI:
        yield Finding("aws CLI", "note", f"{text.split()[0] if text else path} is too old", advice)
    else:
        yield Finding("aws CLI", "ok", f"{text.split()[0]} at {path}")


def _says(*argv: str) -> str:
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_COMMAND_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout or done.stderr).strip()


def _functions(wanted: Settings) -> Iterator[Finding]:
    if not wanted.functions_enabled:
        yield Finding("Functions", "note", "turned off (the setting functions_enabled)")
        return
    if os.geteuid() != 0:
        yield Finding(
            "Functions",
            "missing",
            "isolating functions takes root (namespaces, control groups)",
            "Start the cloud with sudo.",
        )
    controllers = Path("/sys/fs/cgroup/cgroup.controllers")
    memory = Path("/sys/fs/cgroup/memory")
    if controllers.exists() and "memory" in controllers.read_text().split():
        yield Finding("Control groups", "ok", "version 2 with memory")
    elif memory.is_dir():
        yield Finding("Control groups", "ok", "version 1 with memory")
    else:
        yield Finding(
            "Control groups",
            "missing",
            "no memory controller: functions can not be limited",
            "Boot with cgroup_enable=memory, or give this container its control groups.",
        )
    from undercast.functions.runtimes import find_pythons

    pythons = ", ".join(f"3.{minor}" for minor in sorted(find_pythons()))
    if pythons:
        yield Finding("Runtimes", "ok", f"Python {pythons}")
    else:
        yield Finding("Runtimes", "missing", "no Python interpreter for functions", "apt install python3")
    if shutil.which("node"):
        yield Finding("Node", "ok", _says("node", "--version"))
    else:
        yield Finding("Node", "note", "not installed: no nodejs runtimes", "apt install nodejs npm")


def _servers(wanted: Settings) -> Iterator[Finding]:
    if not wanted.servers_enabled:
        yield Finding("Servers", "note", "turned off (the setting servers_enabled)")
        return
    if shutil.which("nft"):
        yield Finding("Packet filter", "ok", _says("nft", "--version").split("\n")[0])
    else:
        yield Finding("Packet filter", "note", "nft is not installed", "apt install nftables")
    from undercast.machines import setup

    if setup.ready():
        yield Finding("Incus", "ok", "installed and answering")
    else:
        yield Finding("Incus", "note", "not ready: no servers", "sudo undercast setup")
    if Path("/dev/kvm").exists():
        yield Finding("Virtualisation", "ok", "/dev/kvm is there: virtual machines can run")
    else:
        yield Finding("Virtualisation", "note", "no /dev/kvm: servers are system containers")
