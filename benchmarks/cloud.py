"""A cloud of the benchmark's own, and the tutorial's function on it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from undercast.functions import cgroups
from undercast.settings import Settings

HANDLER = """\
def lambda_handler(event, context):
    nums = event['nums']
    return {'statusCode': 200, 'body': sum(nums) / len(nums)}
"""
_TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow",'
    '"Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
)


class BenchCloud:
    """A running server and its root key."""

    def __init__(self, told: dict[str, Any], data: Path) -> None:
        self.data = data
        self.url: str = told["url"]
        self.host, self.port = "127.0.0.1", int(told["port"])
        self.key: str = told["access_key_id"]
        self.secret: str = told["secret_access_key"]
        self.region: str = told["region"]
        self.account: str = told["account"]
        self.pid: int = told["pid"]
        self.runtime = f"python3.{sys.version_info.minor}"
        self.role = ""

    def client(self, service: str) -> Any:
        """A boto3 client."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            config=Config(max_pool_connections=64, retries={"total_max_attempts": 1}),
        )

    def create_function(self, name: str, source: str = HANDLER, **settings: Any) -> str:
        """A function that is ready to be invoked; returns its ARN."""
        if not self.role:
            made = self.client("iam").create_role(RoleName="bench", AssumeRolePolicyDocument=_TRUST)
            self.role = made["Role"]["Arn"]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as file:
            file.writestr("lambda_function.py", source)
        functions = self.client("lambda")
        settings.setdefault("Runtime", self.runtime)
        made = functions.create_function(
            FunctionName=name,
            Handler="lambda_function.lambda_handler",
            Role=self.role,
            Code={"ZipFile": packed.getvalue()},
            **settings,
        )
        functions.get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
        return str(made["FunctionArn"])

    def environments_pss_mib(self) -> float:
        """Proportional memory of one of the functions' environments there are now, on average, in MiB."""
        root = cgroups.discover().mounts()[0] / f"undercast-{Settings(data=self.data).host_id}"
        sizes = []
        for group in root.iterdir():
            if group.is_dir() and (pids := (group / "cgroup.procs").read_text().split()):
                sizes.append(sum(_pss_kib(pid) for pid in pids) / 1024)
        return sum(sizes) / max(1, len(sizes))

    def resident_mib(self) -> float:
        """Resident memory of the server's process, in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


def _pss_kib(pid: str) -> int:
    try:
        lines = Path("/proc", pid, "smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1])


@contextmanager
def running_cloud(*, servers: bool = False, data: Path | None = None) -> Iterator[BenchCloud]:
    """A server, in a folder that is gone afterwards unless it was given.

    Only one server of a machine can run instances.
    """
    given = data is not None
    data = data or Path(tempfile.mkdtemp(prefix="undercast-bench-"))
    command = [sys.executable, "-m", "undercast"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    env_flags = ["--data", str(data)]
    try:
        subprocess.run(
            [*command, "up", "--detach", "--port", "0", *env_flags],
            env={**os.environ, "UNDERCAST_SERVERS_ENABLED": str(servers).lower()},
            check=True,
            timeout=60,
            **quiet,
        )
        yield BenchCloud(json.loads((data / "server.json").read_text()), data)
    finally:
        subprocess.run([*command, "down", *env_flags], check=False, timeout=60, **quiet)
        if not given:
            shutil.rmtree(data, ignore_errors=True)
