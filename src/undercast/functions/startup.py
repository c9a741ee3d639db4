"""An environment's initialisation or restore: phase, time, failure, and what the log says of it."""

from __future__ import annotations

import time

from undercast.functions.failures import Failure
from undercast.functions.journal import Journal

INIT_LIMIT_S = 10.0
AHEAD_LIMIT_S = 130.0  # or the function's own time limit, when that is longer


class Startup:
    """Phases: "init"; "restore" from a snapshot; "invoke", the init phase repeated inside an invocation."""

    def __init__(self, journal: Journal, restored: bool, ahead: bool) -> None:
        self._journal = journal
        self._ahead = ahead  # nobody waits for it: provisioned concurrency, or SnapStart's snapshot
        self._begun = 0.0
        self._noted = False
        self.phase = "restore" if restored else "init"
        self.reported: tuple[str, bytes] | None = None  # the runtime's own error: its type and JSON
        self.init_ms: float | None = None  # for the first invocation's REPORT
        self.restore_ms: float | None = None

    @property
    def elapsed_ms(self) -> float:
        """Since it began."""
        return (time.perf_counter() - self._begun) * 1000

    def limit_s(self, function_s: int) -> float:
        """How long it may take, for a function with this time limit."""
        if self.phase == "invoke":
            return float(function_s)
        if self.phase == "init" and self._ahead:
            return max(AHEAD_LIMIT_S, float(function_s))
        return INIT_LIMIT_S

    def announce(self, statement: str | None) -> None:
        """Say that it begins, and what is to be known about the runtime."""
        platform = self._journal.platform
        if self.phase == "restore":
            self._journal.add(platform.restore_start())
        else:
            self._journal.add(platform.init_start(self.phase))
        if self.phase == "init" and statement:
            self._journal.add([f"{statement}\n"])
        self._begun = time.perf_counter()

    def begin(self) -> None:
        """The sandbox is there. A restore's time has begun before: making the process is part of it."""
        if self.phase != "restore":
            self._begun = time.perf_counter()

    def repeat(self) -> None:
        """Once more, inside the invocation."""
        self.phase = "invoke"
        self.reported = None
        self._noted = False

    def done(self) -> None:
        """It has succeeded; said and remembered once."""
        if self._noted:
            return
        self._noted = True
        millis = self.elapsed_ms
        platform = self._journal.platform
        if self.phase == "restore":
            self.restore_ms = millis
            self._journal.add(platform.restore_done(millis, "success", None))
            return
        if self.phase == "init":
            self.init_ms = millis
        self._journal.add(platform.init_done(millis, self.phase, "success", None))

    def failed(self, failure: Failure) -> str | None:
        """It has failed: say so. Returns the type of error that counts."""
        error_type = self.reported[0] if self.reported else None
        if error_type is None and failure.status == "error":
            error_type = failure.error_type
        millis, status = self.elapsed_ms, failure.status
        platform = self._journal.platform
        if self.phase == "restore":
            self._journal.add(platform.restore_done(millis, status, error_type))
        elif status != "timeout" or self.phase == "init":
            self._journal.add(platform.init_done(millis, self.phase, status, error_type))
        return error_type
