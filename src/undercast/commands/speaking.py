"""How the command speaks: plain words, what to do next, an exit code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from undercast import running
from undercast.settings import Settings, config_file

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

FAILED = 1
WRONG_USE = 2
NOT_RUNNING = 3  # as `systemctl status` has it


def fail(message: str, advice: str = "", code: int = FAILED) -> NoReturn:
    """Say what is wrong and what to do, and leave."""
    err.print(f"[bold red]undercast:[/] {plain(message)}", soft_wrap=True)
    if advice:
        err.print(plain(advice), soft_wrap=True)
    raise typer.Exit(code)


def plain(text: str) -> str:
    """A text as it is: brackets in it are no markup."""
    from rich.markup import escape

    return escape(text)


def settings(**flags: Any) -> Settings:
    """The settings in force, flags that are None left aside. Leaves, explaining, when they are wrong."""
    _note_unknown_variables()
    given = {name: value for name, value in flags.items() if value is not None}
    if "data" in given:
        given["data"] = Path(given["data"]).absolute()
    try:
        return Settings(**given)
    except ValidationError as error:
        lines = []
        for one in error.errors():
            name = ".".join(map(str, one["loc"]))
            text = one["msg"].removeprefix("Value error, ")
            if one["type"] == "extra_forbidden":
                text = "there is no such setting"
            lines.append(f"{name}: {text}" if name else text)
        fail(
            "; ".join(lines),
            f"Settings come from flags, UNDERCAST_* variables and {config_file()}.",
            WRONG_USE,
        )
    except ValueError as error:  # a TOML file that can not be read
        fail(f"{config_file()}: {error}", code=WRONG_USE)


def _note_unknown_variables() -> None:
    """Tell of a misspelt variable. It is no failure: others may set variables that begin like ours."""
    known = {f"UNDERCAST_{name.upper()}" for name in Settings.model_fields} | {"UNDERCAST_CONFIG"}
    for name in sorted(set(os.environ) - known):
        if name.startswith("UNDERCAST_"):
            err.print(f"[yellow]undercast:[/] {name}: there is no such setting; it is passed over")


def running_server(data: Path | None) -> running.Running:
    """The server of a data folder. Leaves when none runs there."""
    folder = settings(data=data).data
    told = running.read(folder)
    if told is None:
        if (pid := running.pid(folder)) is not None:
            fail(f"a server on {folder} is starting or stopping (process {pid})", "Try again in a moment.")
        advice = "Start one with: undercast up"
        if data is None and os.geteuid() != 0 and Path("/var/lib/undercast").exists():
            advice += "\nOne that was started with sudo is reached with sudo: sudo undercast ..."
        fail(f"no server runs on {folder}", advice, NOT_RUNNING)
    return told
