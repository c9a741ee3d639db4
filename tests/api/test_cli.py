"""The `undercast` command as a user types it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import leftover_support
from support import AWS, Server, wait_until
from undercast import running

Run = Callable[..., subprocess.CompletedProcess[str]]


class Home:
    """A user with a home, a data folder and nothing else."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data"
        leftover_support.watch(self.data)
        self.env = {
            "HOME": str(root),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "COLUMNS": "200",
            "UNDERCAST_DATA": str(self.data),
            "UNDERCAST_CONFIG": str(root / "undercast.toml"),
            "UNDERCAST_PORT": "0",
            "UNDERCAST_SERVERS_ENABLED": "false",
            "UNDERCAST_FUNCTIONS_ENABLED": "false",
            "UNDERCAST_HOSTS_FILE": "false",
        }

    def __call__(self, *words: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `undercast` with these words and expect an exit code."""
        done = subprocess.run(
            [sys.executable, "-m", "undercast", *words],
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=50,
            cwd=self.root,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A user; whatever server they leave running is ended."""
    user = Home(tmp_path)
    try:
        yield user
    finally:
        # The lock knows whether the process in the file is still ours.
        if (pid := running.pid(user.data)) is not None:
            os.kill(pid, signal.SIGKILL)


def test_a_life_of_a_cloud(home: Home) -> None:
    told = home("status", code=3)
    assert "not running" in told.stdout
    assert "undercast up" in home("env", code=3).stderr

    (home.root / ".aws").mkdir()
    (home.root / ".aws" / "config").write_text("[default]\nregion=eu-west-1 # mine\n")
    up = home("up", "--detach")
    assert "is running" in up.stdout
    described = json.loads((home.data / "server.json").read_text())
    assert described["url"] in up.stdout
    assert re.search(rf"{re.escape(described['url'])}/console/#token=\S{{43}}\n", up.stdout)
    assert (home.data / "server.json").stat().st_mode & 0o777 == 0o600

    second = home("up", "--detach", code=1)
    assert f"is running on {home.data} already at {described['url']}" in second.stderr
    assert f"process {described['pid']}" in second.stderr
    assert "is running on" in home("up", code=1).stderr

    status = home("status").stdout
    assert described["url"] in status
    assert "sts" in status
    assert "aws_config" in status  # the settings are shown
    machine_readable = json.loads(home("status", "--json").stdout)
    assert machine_readable["running"] is True
    assert machine_readable["health"]["status"] == "running"
    assert machine_readable["settings"]["region"] == "us-east-1"

    exports = home("env").stdout
    assert f"export AWS_ENDPOINT_URL={described['url']}" in exports
    script = f'eval "$(cat)"; exec {AWS} sts get-caller-identity --query Arn --output text'
    shell = subprocess.run(
        ["/bin/bash", "-c", script], input=exports, env=home.env, capture_output=True, text=True, timeout=50
    )
    assert shell.stdout.strip() == "arn:aws:iam::000000000000:root", shell.stderr
    assert (home.root / ".aws" / "config").read_text().startswith("[default]\nregion=eu-west-1 # mine\n")
    profile = subprocess.run(
        [str(AWS), "--profile", "undercast", "iam", "create-user", "--user-name", "u"],
        env=home.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert "user/u" in profile.stdout, profile.stderr

    added = home("account", "add", "team", "--number", "222233334444").stdout
    assert "export AWS_ACCESS_KEY_ID=" in added
    assert "222233334444  team" in home("account", "list").stdout
    assert "exists already" in home("account", "add", "team", "--number", "222233334444", code=1).stderr

    assert "is empty" in home("reset").stdout
    assert "ready at" in home("logs", "-n", "50").stdout
    assert "has stopped" in home("down").stdout
    assert not (home.data / "server.json").exists()
    home("down", code=3)


def test_what_is_wrong_is_said_in_plain_words(home: Home) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = str(taken.getsockname()[1])
    with taken:
        for words in (("up", "--port", port), ("up", "--detach", "--port", port)):
            told = home(*words, code=1).stderr
            assert f"can not listen on 127.0.0.1:{port}" in told
            assert "Another program uses the port" in told
            assert "Traceback" not in told
    told = home("up", "--host", "192.0.2.1", "--port", "0", code=1).stderr
    assert "can not listen on 192.0.2.1:0" in told and "--host" in told
    told = home("up", code=2, UNDERCAST_REGION="my region").stderr
    assert "region: " in told
    told = home("up", "--auth", "off", "--host", "0.0.0.0", code=2).stderr
    assert "auth=off is only allowed on a loopback address" in told
    assert "no_such: there is no such setting" in _with_toml(home, "no_such = 1\n")
    assert "functions_idle_s: " in _with_toml(home, 'functions_idle_s = "long"\n')
    assert "undercast.toml" in _with_toml(home, "this is not TOML")
    (home.root / "undercast.toml").unlink()
    (home.root / "file").write_text("")
    told = home("up", "--data", str(home.root / "file"), code=1).stderr
    assert f"the data folder {home.root / 'file'} can not be used" in told


def _with_toml(home: Home, text: str) -> str:
    (home.root / "undercast.toml").write_text(text)
    return home("up", code=2).stderr


def test_settings_come_from_flags_before_the_environment_before_the_file(home: Home) -> None:
    (home.root / "undercast.toml").write_text(
        'region = "eu-north-1"\nlog_level = "error"\naccount = "999999999999"\n'
    )
    told = json.loads(home("status", "--json", code=3, UNDERCAST_LOG_LEVEL="debug").stdout)["settings"]
    assert (told["region"], told["log_level"], told["account"]) == ("eu-north-1", "debug", "999999999999")
    misspelt = home("status", "--json", code=3, UNDERCAST_PROT="1")
    assert "UNDERCAST_PROT: there is no such setting" in misspelt.stderr and json.loads(misspelt.stdout)
    elsewhere = json.loads(home("status", "--json", "--data", "relative", code=3).stdout)["settings"]
    assert elsewhere["data"] == str(home.root / "relative")


def test_doctor_says_what_is_missing_and_what_to_do(home: Home) -> None:
    done = home("doctor")
    assert "Python" in done.stdout
    assert str(home.data) in done.stdout
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = home("doctor", code=1, UNDERCAST_PORT=str(taken.getsockname()[1])).stdout
    assert "--port" in told


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_up_is_ready_soon_and_ends_soon(start_server: Callable[..., Server]) -> None:
    own = start_server(functions_enabled="false", servers_enabled="false")
    own.stop()
    again = start_server(data=own.data, functions_enabled="false", servers_enabled="false")
    process = again.process
    assert process is not None
    # On a quiet machine this is what one waits; other work on this one only stretches the wall clock.
    assert _cpu_seconds(process.pid) < 2.2
    assert again.access_key_id == own.access_key_id
    process.send_signal(signal.SIGINT)
    wait_until(lambda: process.poll() is not None, 8, "the end after SIGINT")
    assert process.returncode == 0


def test_what_was_acknowledged_survives_a_kill(start_server: Callable[..., Server]) -> None:
    own = start_server(functions_enabled="false", servers_enabled="false")
    for number in range(5):
        own.client("iam").create_user(UserName=f"u{number}")
    made = own.account_factory("kept")
    own.stop(kill=True)
    again = start_server(data=own.data, functions_enabled="false", servers_enabled="false")
    assert [user["UserName"] for user in again.client("iam").list_users()["Users"]] == [
        f"u{n}" for n in range(5)
    ]
    made.url = again.url
    assert made.client("sts").get_caller_identity()["Account"] == made.account
