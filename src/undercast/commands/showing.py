"""`undercast status`, `env` and `logs`: what runs, and how to use it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from undercast import running
from undercast.commands.speaking import NOT_RUNNING, fail, out, running_server, settings
from undercast.commands.starting import log_file
from undercast.settings import Settings


def status(data: Path | None, as_json: bool) -> int:
    """Show what runs on a data folder and the settings in force. Returns the exit code."""
    wanted = settings(data=data)
    server = running.read(wanted.data)
    health = _health(server.url) if server is not None else None
    in_force = server.settings if server is not None else wanted.shown()
    if as_json:
        told: dict[str, Any] = {"running": server is not None, "settings": in_force}
        if server is not None:
            told |= {
                "pid": server.pid,
                "url": server.url,
                "account": server.account,
                "region": server.region,
                "uptime_s": round(time.time() - server.started, 1),
                "health": health,
            }
        print(json.dumps(told, indent=2))
        return 0 if server is not None else NOT_RUNNING
    if server is None:
        out.print(
            f"[bold]Undercast is not running[/] on {wanted.data}.  Start it with: undercast up --detach"
        )
    else:
        _show_server(server, health)
    _show_settings(in_force)
    return 0 if server is not None else NOT_RUNNING


def _health(url: str) -> dict[str, Any] | None:
    try:
        # `url` is the server's own http address, from a file only we write.
        with urllib.request.urlopen(f"{url}/_undercast/health", timeout=5) as answer:  # noqa: S310
            told: dict[str, Any] = json.load(answer)
            return told
    except (urllib.error.URLError, TimeoutError, ValueError):
        return None


def _show_server(server: running.Running, health: dict[str, Any] | None) -> None:
    minutes, seconds = divmod(int(time.time() - server.started), 60)
    hours, minutes = divmod(minutes, 60)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row(
        "Undercast", f"{server.version}, process {server.pid}, up {hours}:{minutes:02}:{seconds:02}"
    )
    table.add_row("Endpoint", server.url)
    table.add_row("Account", f"{server.account}   region {server.region}")
    if health is None:
        table.add_row("Health", "[red]does not answer[/]; see: undercast logs")
    else:
        table.add_row("Services", " ".join(health.get("services", {})))
        runtimes = health.get("runtimes", {})
        table.add_row("Runtimes", " ".join(runtimes) or "none; see: undercast doctor")
        for statement in sorted(set(runtimes.values()) - {"available"}):
            table.add_row("", f"[yellow]{statement}[/]")
    out.print(table)


def _show_settings(in_force: Mapping[str, Any]) -> None:
    table = Table(title="Settings", title_justify="left", box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(style="dim")
    for name, field in Settings.model_fields.items():
        value = in_force.get(name)
        table.add_row(name, "" if value is None else str(value), field.description or "")
    out.print()
    out.print(table)


def env(data: Path | None) -> None:
    """Print shell exports that point AWS's tools at the server."""
    server = running_server(data)
    exports = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": server.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
        "AWS_DEFAULT_REGION": server.region,
    }
    for name, text in exports.items():
        print(f"export {name}={shlex.quote(text)}")
    # A session token of another cloud would go along with our key.
    print("unset AWS_SESSION_TOKEN AWS_PROFILE")


def logs(data: Path | None, follow: bool, lines: int) -> None:
    """Show the server's log; with `follow`, until interrupted."""
    path = log_file(settings(data=data).data)
    if not os.access(path, os.R_OK):
        advice = "The server writes one when it starts: undercast up"
        fail(f"there is no log to read at {path}", advice, NOT_RUNNING)
    tail = shutil.which("tail")
    if tail is None:
        fail("the program `tail` is missing", f"The log is at {path}")
    os.execv(tail, ["tail", "-n", str(lines), *(["-F"] if follow else []), str(path)])  # noqa: S606 - no shell
