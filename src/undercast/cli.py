"""The `undercast` command."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _root() -> None:
    """A compute cloud that people own."""


@app.command()
def up(
    host: Annotated[str | None, typer.Option()] = None,
    port: Annotated[int | None, typer.Option()] = None,
    data: Annotated[Path | None, typer.Option()] = None,
    auth: Annotated[str | None, typer.Option()] = None,
    ready_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Start the cloud."""
    from undercast.server import serve
    from undercast.settings import Settings

    logging.basicConfig(level="INFO", stream=sys.stderr)
    given = {"host": host, "port": port, "data": data, "auth": auth}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})

    def ready(told: object) -> None:
        print(told.url, flush=True)
        if ready_fd is not None:
            import os

            os.write(ready_fd, b"ready\n")
            os.close(ready_fd)

    serve(settings, ready)


def main() -> None:
    """Entry point of the `undercast` script."""
    app()
