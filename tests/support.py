"""What tests use: a real server as a process, clients for it, accounts, waiting on conditions."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import boto3
import pytest
import requests
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

import leftover_support

T = TypeVar("T")

REGION = "us-east-1"
AWS = next((path for path in ("/usr/bin/aws", "/usr/local/bin/aws") if Path(path).exists()), None)

_PLAIN_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"}
_CONFIG = Config(
    retries={"total_max_attempts": 1},
    connect_timeout=5,
    read_timeout=55,
    parameter_validation=False,  # the server's answers are what is tested, not the client's
    max_pool_connections=32,
)


def wait_until(condition: Callable[[], T | None], timeout: float = 10.0, what: str = "the condition") -> T:
    """The first truthy value of `condition`, asked again and again; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = 0.01
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come true within {timeout} s (last: {value!r})")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)


def unique(prefix: str = "t") -> str:
    """A name nothing else has."""
    return f"{prefix}-{secrets.token_hex(4)}"


@dataclass
class Account:
    """A caller: an account's root key (or any other key) on a server."""

    url: str
    account: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None
    region: str = REGION
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)

    def client(self, service: str, region: str | None = None, **config: Any) -> Any:
        """A boto3 client; retries are off, parameters are not checked on the client's side."""
        key = (service, region or self.region)
        if config or key not in self._clients:
            client = boto3.session.Session().client(
                service,
                endpoint_url=self.url,
                region_name=key[1],
                aws_access_key_id=self.access_key_id,
                aws_secret_access_key=self.secret_access_key,
                aws_session_token=self.session_token,
                config=_CONFIG.merge(Config(**config)),
            )
            if config:
                return client
            self._clients[key] = client
        return self._clients[key]

    @property
    def env(self) -> dict[str, str]:
        """The environment that points AWS's tools at the server."""
        env = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_PAGER": "",
            "AWS_CONFIG_FILE": "/nonexistent/config",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials",
        }
        return env | ({"AWS_SESSION_TOKEN": self.session_token} if self.session_token else {})

    def aws(
        self, *args: str, check: bool = True, cwd: Path | None = None, timeout: float = 50
    ) -> subprocess.CompletedProcess[str]:
        """Run the `aws` CLI; a failure fails the test unless `check` is off."""
        if AWS is None:
            pytest.fail("the aws CLI v2 (2.13 or newer) is needed: install awscli from bookworm-backports")
        done = subprocess.run(
            [AWS, *args],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"}
            | self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=cwd,
        )
        if check and done.returncode != 0:
            pytest.fail(f"aws {' '.join(args)} exited with {done.returncode}: {done.stderr or done.stdout}")
        return done

    def aws_json(self, *args: str, **options: Any) -> Any:
        """Run the `aws` CLI and decode what it prints."""
        printed = self.aws(*args, "--output", "json", **options).stdout
        return json.loads(printed) if printed.strip() else None

    def signed(
        self, method: str, path: str, service: str = "execute-api", body: bytes = b"", **options: Any
    ) -> requests.Response:
        """A request of one's own, signed for a service. `options`: headers, host."""
        headers = dict(options.get("headers") or {})
        if host := options.get("host"):
            headers["Host"] = host
        request = AWSRequest(method, f"{self.url}{path}", data=body, headers=headers)
        keys = Credentials(self.access_key_id, self.secret_access_key, self.session_token)
        SigV4Auth(keys, service, self.region).add_auth(request)
        return requests.request(
            method, f"{self.url}{path}", data=body, headers=dict(request.headers), timeout=30
        )


@dataclass
class Server(Account):
    """A server process, and the root of its first account."""

    data: Path = Path()
    process: subprocess.Popen[bytes] | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    ready_s: float = 0.0

    @property
    def log(self) -> str:
        """What the server logged so far."""
        paths = (self.data.with_suffix(".log"), self.data / "server.log")
        return "".join(path.read_text(errors="replace") for path in paths if path.exists())

    def stop(self, kill: bool = False) -> None:
        """End the process: by SIGTERM, or by SIGKILL as a power cut would."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
            pytest.fail(f"the server did not stop within 15 s:\n{self.log[-4000:]}")
        finally:
            self.process = None

    def account_factory(self, name: str = "") -> Account:
        """A new account with a root key."""
        answer = self.signed(
            "POST",
            "/_undercast/accounts",
            "undercast",
            json.dumps({"name": name or unique("account")}).encode(),
        )
        assert answer.status_code == 201, answer.text
        told = answer.json()
        return Account(self.url, told["account"], told["access_key_id"], told["secret_access_key"])


def terminal_url(account: Account, service: str = "ec2-instance-connect", **query: str) -> str:
    """The presigned address of a terminal's WebSocket, as the console makes it."""
    request = AWSRequest("GET", f"{account.url}/_undercast/terminal?{urlencode(query)}")
    keys = Credentials(account.access_key_id, account.secret_access_key, account.session_token)
    SigV4QueryAuth(keys, service, account.region, expires=60).add_auth(request)
    return str(request.url).replace("http", "ws", 1)


def run_server(data: Path, port: int = 0, timeout: float = 30.0, **settings: str) -> Server:
    """Start a server on a data folder and wait until it answers. `settings` are `UNDERCAST_` variables."""
    leftover_support.watch(data)
    env = dict(os.environ)
    env |= {"UNDERCAST_AWS_CONFIG": "false", "UNDERCAST_CONFIG": str(data / "none.toml")}
    env["UNDERCAST_SERVERS_ENABLED"] = "false"  # one server per machine may have instances: tests ask for it
    env |= {f"UNDERCAST_{name.upper()}": text for name, text in settings.items()}
    reading, writing = os.pipe()
    began = time.monotonic()
    with data.with_suffix(".log").open("ab") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "undercast", "up"),
                *("--port", str(port), "--data", str(data), "--ready-fd", str(writing)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=env,
            pass_fds=(writing,),
        )
    os.close(writing)
    server = Server("", "", "", "", data=data, process=process, settings=settings)
    try:
        os.set_blocking(reading, False)

        def told() -> bytes | None:
            try:
                said = os.read(reading, 64)
            except BlockingIOError:
                return None
            if not said:
                pytest.fail(f"the server ended at its start:\n{server.log[-4000:]}")
            return said

        wait_until(told, timeout, "the server's start")
        server.ready_s = time.monotonic() - began
    except BaseException:
        process.kill()
        process.wait(5)
        raise
    finally:
        os.close(reading)
    described = json.loads((data / "server.json").read_text())
    for name in ("url", "account", "access_key_id", "secret_access_key", "region"):
        setattr(server, name, described[name])
    return server
