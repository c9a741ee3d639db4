"""`undercast down`: ends the server and waits until it is gone."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path

from undercast import running
from undercast.commands.speaking import NOT_RUNNING, err, fail, out, settings

STOP_S = 20.0


def down(data: Path | None) -> None:
    """Stop the server of a data folder, by force when it does not stop by itself."""
    folder = settings(data=data).data
    pid = running.pid(folder)
    if pid is None:
        fail(f"no server runs on {folder}", code=NOT_RUNNING)
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        out.print("Undercast has stopped.")
        return
    try:
        with err.status("Stopping the cloud ..."):
            signal.pidfd_send_signal(process, signal.SIGTERM)
            stopped = bool(select.select([process], [], [], STOP_S)[0])
            if not stopped:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(process, signal.SIGKILL)
                select.select([process], [], [], 5.0)
    except PermissionError:
        fail(f"process {pid} belongs to another user", "Stop it as the user that started it (sudo?).")
    finally:
        os.close(process)
    if stopped:
        out.print("Undercast has stopped.")
    else:
        out.print(
            f"Undercast did not stop within {STOP_S:.0f} s and was killed; nothing acknowledged is lost."
        )
