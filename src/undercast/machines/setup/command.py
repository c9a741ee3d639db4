"""Running other programs during setup: no prompts, always a limit, the output kept for the error."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from undercast.machines.errors import MachineError

_DRAIN_S = 2.0
LOCALE = {"LC_ALL": "C.UTF-8"}


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    on_line: Callable[[str], None] | None = None,
    environment: Mapping[str, str] | None = None,
    allowed: Sequence[int] = (),
) -> str:
    """Run `argv` and return its output (both streams, the last 2,000 lines).

    The program gets no terminal and no input, so that nothing can ask a question. When the limit is reached
    its whole process group is killed.

    Raises:
        MachineError: the program is missing, failed or took too long; the message ends with its last lines.
    """
    lines: deque[str] = deque(maxlen=2000)
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **LOCALE, **(environment or {})},
            start_new_session=True,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        raise MachineError(f"{argv[0]} is not installed") from error
    assert process.stdout is not None
    reader = threading.Thread(target=_read, args=(process.stdout, lines, on_line), daemon=True)
    reader.start()
    try:
        status = process.wait(timeout_s)
    except subprocess.TimeoutExpired as error:
        _kill_group(process.pid)
        reader.join(_DRAIN_S)
        raise MachineError(
            f"{' '.join(argv[:3])} took longer than {timeout_s:.0f} s\n{_tail(lines)}"
        ) from error
    finally:
        if process.poll() is None:
            _kill_group(process.pid)
            process.wait()
    # Not until the end of the output: a daemon that a package starts may hold the pipe for ever.
    reader.join(_DRAIN_S)
    if status and status not in allowed:
        raise MachineError(f"{' '.join(argv[:6])} failed with status {status}\n{_tail(lines)}")
    return "\n".join(list(lines))


def _read(stream: IO[str], lines: deque[str], on_line: Callable[[str], None] | None) -> None:
    with stream:
        for line in stream:
            lines.append(line.rstrip("\n"))
            if on_line:
                on_line(lines[-1])


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def _tail(lines: deque[str]) -> str:
    return "\n".join("    " + line for line in list(lines)[-15:])
