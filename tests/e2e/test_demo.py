"""`undercast demo`, as a newcomer sees it: each step checks itself and the command ends with status 0."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.usefixtures("needs_root")
@pytest.mark.parametrize("chapter", ["functions", "servers"])
@pytest.mark.timeout(420)
def test_the_tutorial_plays(chapter: str, data_root: Path) -> None:
    data = data_root / f"demo-{chapter}"
    environment = {**os.environ, "UNDERCAST_PORT": "0", "UNDERCAST_AWS_CONFIG": "false", "COLUMNS": "160"}
    undercast = [sys.executable, "-m", "undercast"]

    def run(*arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*undercast, *arguments, "--data", str(data)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    try:
        played = run("demo", "--chapter", chapter, timeout=400)
        assert played.returncode == 0, played.stdout[-6000:] + played.stderr[-3000:]
        assert "The cloud keeps running" in played.stdout
        assert run("status", timeout=30).returncode == 0
    finally:
        stopped = run("down", timeout=60)
    assert stopped.returncode == 0, stopped.stderr
