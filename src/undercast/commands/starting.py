"""`undercast up`: in the foreground, or detached with the start watched."""

from __future__ import annotations

import gc
import logging
import logging.handlers
import os
import select
import subprocess
import sys
import time
from pathlib import Path

from undercast import running
from undercast.commands import aws_profile
from undercast.commands.speaking import FAILED, err, fail, out, plain
from undercast.settings import Settings

START_S = 60.0  # until a detached server must answer
LOG_BYTES = 10 * 1024 * 1024
LOG_FILES = 3
READY = "ready"  # the word through the pipe; the link into the console follows it


def log_file(data: Path) -> Path:
    """Where the server of a data folder logs."""
    return data / "server.log"


def foreground(settings: Settings, ready_fd: int | None) -> None:
    """Run the server in this process until it is told to stop."""
    _make_folder(settings.data)
    _refuse_second(settings, ready_fd)
    _log_to(settings, quiet=ready_fd is not None and not sys.stderr.isatty())
    # What is imported and built at the start stays to the end: looking through it for garbage while it grows
    # takes an eighth of the start, and while requests are served it would be a pause for them.
    gc.disable()
    from undercast.server import CannotListen, serve

    def ready(server: running.Running, link: str) -> None:
        gc.freeze()
        gc.enable()
        if settings.aws_config:
            _write_profile(server)
        if ready_fd is not None:
            _tell(ready_fd, f"{READY} {link}")
        else:
            summary(server, settings, link)

    try:
        serve(settings, ready)
    except running.AlreadyRunning:
        _refuse_second(settings, ready_fd)
        raise
    except CannotListen as error:
        if ready_fd is not None:
            _tell(ready_fd, f"{error}. {error.advice}")
        fail(str(error), error.advice)
    except Exception as error:
        logging.getLogger("undercast").exception("the server failed")
        message = f"the server failed: {type(error).__name__}: {error}"
        if ready_fd is not None:
            _tell(ready_fd, message)
        fail(message, f"The log has the details: {log_file(settings.data)}")


def detached(settings: Settings, arguments: list[str]) -> None:
    """Start the server in the background; returns once it answers."""
    _make_folder(settings.data)
    _refuse_second(settings, None)
    reading, writing = os.pipe()
    began = time.monotonic()
    with log_file(settings.data).open("ab") as log:
        earlier = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "undercast", "up", *arguments, "--ready-fd", str(writing)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(writing,),
            start_new_session=True,
        )
    os.close(writing)
    with err.status("Starting the cloud ..."):
        said = _await_word(reading, process)
    os.close(reading)
    word, _, link = said.partition(" ")
    if word != READY:
        process.kill()
        process.wait(5)
        with log_file(settings.data).open("rb") as told:
            told.seek(earlier)
            tail = told.read().decode(errors="replace").splitlines()[-8:]
        fail(
            said or f"the server ended at its start (status {process.returncode})",
            "\n".join(["Its log says:", *tail]) if tail else "",
        )
    server = running.read(settings.data)
    if server is None:
        fail("the server ended right after its start", f"See {log_file(settings.data)}", FAILED)
    summary(server, settings, link, time.monotonic() - began)


def _await_word(reading: int, process: subprocess.Popen[bytes]) -> str:
    """What the server says when it is ready or can not be; empty when it ended without a word."""
    said, deadline = b"", time.monotonic() + START_S
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([reading], [], [], left)[0]:
            break
        piece = os.read(reading, 4096)
        if not piece:
            return said.decode(errors="replace").strip()
        said += piece
        if said.endswith(b"\n"):
            return said.decode(errors="replace").strip()
    return f"the server did not answer within {START_S:.0f} s (process {process.pid})"


def _tell(descriptor: int, word: str) -> None:
    os.write(descriptor, word.encode() + b"\n")
    os.close(descriptor)


def _make_folder(data: Path) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(data, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        fail(f"the data folder {data} can not be used: {error.strerror}", "Choose another one with --data.")


def _refuse_second(settings: Settings, ready_fd: int | None) -> None:
    pid = running.pid(settings.data)
    if pid is None:
        return
    server = running.read(settings.data)
    where = f" at {server.url}" if server else ""
    message = f"a server is running on {settings.data} already{where} (process {pid})"
    if ready_fd is not None:
        _tell(ready_fd, message)
    fail(message, "Use it, stop it with: undercast down, or give another folder with --data.")


def _log_to(settings: Settings, quiet: bool) -> None:
    file = logging.handlers.RotatingFileHandler(
        log_file(settings.data), maxBytes=LOG_BYTES, backupCount=LOG_FILES
    )
    handlers: list[logging.Handler] = [file]
    if not quiet:
        handlers.append(logging.StreamHandler())
    logging.basicConfig(
        level=settings.log_level.upper(),
        handlers=handlers,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    # Each tells of its own every-day business at this level.
    for name in ("alembic", "botocore", "uvicorn", "aiohttp.access", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _write_profile(server: running.Running) -> None:
    try:
        aws_profile.write(server)
    except OSError as error:
        logging.getLogger("undercast").warning("the AWS profile could not be written: %s", error)


def summary(server: running.Running, settings: Settings, link: str, took: float | None = None) -> None:
    """The few lines one needs to use the cloud; `link` leads into the console, once."""
    rows = [
        ("Endpoint", server.url),
        ("Console", link),
        ("Account", f"{server.account}   region {server.region}"),
        ("Data", str(settings.data)),
    ]
    if settings.auth == "off":
        rows.append(("Signatures", "not verified (auth off)"))
    profile = "   or   aws --profile undercast ..." if settings.aws_config else ""
    rows.append(("Use it", f'eval "$(undercast env)"{profile}'))
    title = f"[bold cyan]Undercast {server.version} is running[/]"
    if took is not None:
        title += f" (ready in {took:.1f} s)"
    out.print(title)
    # Lines are left whole whatever the window's width: a link in two pieces can not be clicked or copied.
    for name, text in rows:
        out.print(f"  [bold]{name:<12}[/]{plain(text)}", soft_wrap=True)
