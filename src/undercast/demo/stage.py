"""The stage of the demo: shows each command as one would type it, runs it for real, checks what came back."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.markup import escape
from rich.rule import Rule
from rich.syntax import Syntax

_SHOWN_LINES = 24


class DemoFailed(Exception):
    """A step did not do what the tutorial promises."""


class Stage:
    """Runs commands in a folder of its own, with the environment a user of this cloud has."""

    def __init__(self, console: Console, folder: Path, environment: Mapping[str, str]) -> None:
        self.console = console
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        foreign = [name for name in os.environ if name.startswith("AWS_")]
        kept = {name: value for name, value in os.environ.items() if name not in foreign}
        self._environment = {**kept, "AWS_PAGER": "", "AWS_CLI_AUTO_PROMPT": "off", **environment}

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self.console.print()
        self.console.print(Rule(f"[bold]{escape(title)}"))

    def say(self, text: str) -> None:
        """Tell the reader what comes next."""
        self.console.print()
        self.console.print(f"[bold cyan]{escape(text)}")

    def file(self, name: str, content: str, *, show: bool = True) -> Path:
        """Write a file of the tutorial into the folder, and show it."""
        path = self.folder / name
        path.write_text(content)
        if show:
            self.console.print(f"[dim]{escape(name)}:")
            language = "python" if name.endswith(".py") else "json"
            self.console.print(Syntax(content.rstrip(), language, background_color="default", padding=(0, 2)))
        return path

    def run(
        self,
        command: Sequence[str],
        *,
        expect: str | None = None,
        status: int | None = 0,
        timeout_s: float = 60,
        show: bool = True,
        show_as: str | None = None,
        stdin: IO[bytes] | None = None,
    ) -> str:
        """Run a command; returns what it printed (standard output, then errors).

        `expect` is a text the output must hold, `status` the exit status it must have (None: any). `show_as`
        is shown in place of the command.
        Raises DemoFailed.
        """
        if show:
            self.console.print(f"[bold green]$[/] {escape(show_as or shlex.join(command))}", soft_wrap=True)
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=self._environment,
                stdin=stdin or subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DemoFailed(f"`{shlex.join(command)}` did not end within {timeout_s:.0f} s") from error
        except FileNotFoundError as error:
            raise DemoFailed(
                f"`{command[0]}` is not installed; `make demo` installs what it needs, `undercast doctor` "
                "says what is missing"
            ) from error
        output = done.stdout + done.stderr
        if show:
            self._show(output)
        if status is not None and done.returncode != status:
            raise DemoFailed(
                f"`{shlex.join(command)}` ended with status {done.returncode}, not {status}:\n{output}"
            )
        if expect is not None and expect not in output:
            raise DemoFailed(
                f"`{shlex.join(command)}` was expected to print {expect!r}, it printed:\n{output}"
            )
        return output

    def aws(
        self,
        *arguments: str,
        expect: str | None = None,
        status: int | None = 0,
        timeout_s: float = 60,
        show: bool = True,
    ) -> str:
        """Run the unmodified `aws` command."""
        return self.run(["aws", *arguments], expect=expect, status=status, timeout_s=timeout_s, show=show)

    def _show(self, output: str) -> None:
        lines = output.rstrip().splitlines()
        for line in lines[:_SHOWN_LINES]:
            self.console.print(escape(line), soft_wrap=True, highlight=False)
        if len(lines) > _SHOWN_LINES:
            self.console.print(f"[dim]... {len(lines) - _SHOWN_LINES} more lines")
