"""Plays the chapters on a cloud that is started where none runs, and left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from undercast import running
from undercast.demo import functions, servers
from undercast.demo.stage import DemoFailed, Stage
from undercast.settings import Settings, default_data

CHAPTERS = ("functions", "servers")
_GONE_S = 10.0  # how long a killed server may take to be gone


def run(settings: Settings, chapters: Sequence[str]) -> int:
    """Play chapters on the cloud of a data folder; returns an exit status."""
    console = Console(highlight=False)
    data = settings.data
    try:
        if "servers" in chapters:
            _set_up(settings, console)
        server = running.read(data) or _up(data)
        stage = Stage(console, data / "demo", environment(server))

        def crash() -> None:
            nonlocal server
            _kill(server, data)
            server = _up(data, server.port)

        if "functions" in chapters:
            functions.play(stage, server.account, server.region, crash)
        if "servers" in chapters:
            servers.play(stage)
    except DemoFailed as failure:
        console.print(f"\n[bold red]The demo stopped:[/] {escape(str(failure))}")
        return 1
    _farewell(console, server, data)
    return 0


def _set_up(settings: Settings, console: Console) -> None:
    """Servers need Incus, a storage pool and an image. Quick where they are there already."""
    from undercast.machines import setup
    from undercast.machines.errors import MachineError
    from undercast.machines.setup.progress import ConsoleProgress

    try:
        setup.run(settings, ConsoleProgress(console))
    except MachineError as error:
        raise DemoFailed(
            f"this machine could not be set up for servers: {error}\n"
            "The functions chapter works without: undercast demo --chapter functions"
        ) from error


def environment(server: running.Running) -> Mapping[str, str]:
    """What points AWS's tools at a server, and away from the user's own profiles."""
    return {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": server.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
        "AWS_DEFAULT_REGION": server.region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        # Debian's own before another `aws` that is too old to know AWS_ENDPOINT_URL.
        "PATH": f"/usr/bin:{os.environ.get('PATH', os.defpath)}",
    }


def _up(data: Path, port: int | None = None) -> running.Running:
    command = [sys.executable, "-m", "undercast", "up", "--detach", "--data", str(data)]
    if port is not None:
        command += ["--port", str(port)]
    if subprocess.run(command, stdin=subprocess.DEVNULL, check=False, timeout=90).returncode != 0:
        raise DemoFailed("the cloud did not start; `undercast doctor` says what this machine lacks")
    server = running.read(data)
    if server is None:
        raise DemoFailed("the cloud ended right after its start; `undercast logs` shows why")
    return server


def _kill(server: running.Running, data: Path) -> None:
    os.kill(server.pid, signal.SIGKILL)
    deadline = time.monotonic() + _GONE_S
    while running.pid(data) is not None:
        if time.monotonic() > deadline:
            raise DemoFailed(f"the server (process {server.pid}) is still there after SIGKILL")
        time.sleep(0.02)


def _farewell(console: Console, server: running.Running, data: Path) -> None:
    default = f" --data {data}" if data != default_data() else ""
    lines = [
        "The cloud keeps running. It is yours:",
        "",
        f'  eval "$(undercast env{default})"      then: aws lambda list-functions',
        f"  {server.url}/console/      the console",
        f"  undercast down{default}               to stop it",
    ]
    console.print()
    console.print(Panel("\n".join(lines), border_style="green", expand=False))
