"""How setup tells what it is doing: a bar per step on a terminal, a line per step elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars


class Step(Protocol):
    """One thing being done. `update` takes how much of it is done (0 to 1) and a few words."""

    def update(self, fraction: float | None = None, note: str = "") -> None:
        """Show how far the step has come; None leaves the bar where it is."""


class Progress(Protocol):
    """Where setup reports to."""

    def step(self, name: str) -> AbstractContextManager[Step]:
        """Announce a step; leaving the context ends it."""


class _BarStep:
    def __init__(self, bars: Bars, name: str) -> None:
        self._bars = bars
        self._task = bars.add_task(name, total=None, note="")

    def update(self, fraction: float | None = None, note: str = "") -> None:
        total = None if fraction is None else 1.0
        self._bars.update(self._task, completed=fraction, total=total, note=note[-48:])


class _LineStep:
    def update(self, fraction: float | None = None, note: str = "") -> None:
        """A log has no use for intermediate states."""


class ConsoleProgress:
    """Rich bars where the console is a terminal, otherwise a line when a step ends."""

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console  # here, for a server's start: it shows no bars

        self._console = console or Console(stderr=True)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Show the step until the context is left; a failure is marked as one."""
        began = time.monotonic()
        if not self._console.is_terminal:
            outcome = "failed"
            try:
                yield _LineStep()
                outcome = "done"
            finally:
                self._console.print(f"{name}: {outcome} ({time.monotonic() - began:.1f} s)", highlight=False)
            return
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
        )
        with Progress(*columns, console=self._console) as bars:
            step = _BarStep(bars, name)
            yield step
            step.update(1.0)


class Quiet:
    """Reports nowhere, for callers that only want the result."""

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Do the step without a word."""
        yield _LineStep()
