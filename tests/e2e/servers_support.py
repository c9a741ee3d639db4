"""What the tests with real instances share: the machine's one instance network, ssh, launches."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support import Server, run_server, unique, wait_until
from undercast.machines import setup
from undercast.machines.incus import Incus
from undercast.machines.places import places
from undercast.machines.setup import project
from undercast.machines.setup.progress import Quiet
from undercast.network.owner import LOCK
from undercast.settings import Settings

SSH_OPTIONS = {
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
    "BatchMode": "yes",
    "ConnectTimeout": "3",
    "IdentitiesOnly": "yes",
}


def _lock_is_free() -> bool:
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def start_with_servers(data: Path) -> Server:
    """A server that runs instances. Another one on this machine is waited for, a bounded time."""

    def try_it() -> Server | None:
        if not _lock_is_free():
            return None
        server = run_server(data, servers_enabled="true")
        if "another Undercast server" not in server.log:
            return server
        server.stop()
        return None

    return wait_until(try_it, 240, "the instance network of this machine")


def remove_project(data: Path) -> None:
    """Take the server's Incus project away, with all that is left in it."""

    async def remove() -> None:
        incus = Incus("default")
        try:
            await project.remove_project(incus, places(Settings(data=data)))
        finally:
            await incus.close()

    asyncio.run(asyncio.wait_for(remove(), 60))


def ssh(
    host: str, key: Path | None, *command: str, user: str = "ec2-user", timeout: float = 30, **options: str
) -> subprocess.CompletedProcess[str]:
    """An unmodified ssh. Without a key it has nothing to offer."""
    settings = {**SSH_OPTIONS, **options}
    argv = ["ssh", *(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))]
    argv += ["-i", str(key)] if key else ["-o", "IdentityFile=none"]
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "TERM": "xterm"}
    return subprocess.run(
        [*argv, f"{user}@{host}", *command],
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        env=env,
    )


@dataclass
class Renter:
    """Somebody with an account, a key and a group that opens port 22 to this machine."""

    server: Server
    folder: Path
    key_name: str = field(default_factory=lambda: unique("key"))
    key: Path = Path()
    group: str = ""

    def __post_init__(self) -> None:
        self.ec2 = self.server.client("ec2")
        made = self.ec2.create_key_pair(KeyName=self.key_name, KeyType="ed25519")
        self.key = self.folder / f"{self.key_name}.pem"
        self.key.write_text(made["KeyMaterial"])
        self.key.chmod(0o400)
        self.group = self.new_group()
        self.open_port(self.group, 22)

    def new_group(self) -> str:
        """A security group that lets nothing in."""
        return str(self.ec2.create_security_group(GroupName=unique("group"), Description="test")["GroupId"])

    def open_port(self, group: str, port: int, cidr: str = "0.0.0.0/0") -> None:
        """Let a TCP port in."""
        self.ec2.authorize_security_group_ingress(
            GroupId=group, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp=cidr
        )

    @property
    def ami(self) -> str:
        """The default image."""
        return str(self.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"])

    def launch(self, count: int = 1, **changes: Any) -> list[str]:
        """Run instances; returns at once."""
        params = {
            "ImageId": self.ami,
            "InstanceType": "t2.micro",
            "KeyName": self.key_name,
            "SecurityGroupIds": [self.group],
            "MinCount": count,
            "MaxCount": count,
            **changes,
        }
        made = self.ec2.run_instances(**params)["Instances"]
        return [instance["InstanceId"] for instance in made]

    def describe(self, instance_id: str) -> dict[str, Any]:
        """An instance."""
        found = self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
        instance: dict[str, Any] = found[0]["Instances"][0]
        return instance

    def wait(self, state: str, ids: Sequence[str], timeout: float = 60) -> None:
        """Wait until all are in the state."""

        def there() -> bool:
            shown = self.ec2.describe_instances(InstanceIds=list(ids))["Reservations"]
            states = {i["State"]["Name"] for r in shown for i in r["Instances"]}
            return states == {state}

        wait_until(there, timeout, f"{state} of {list(ids)}")

    def host(self, instance_id: str) -> str:
        """The public DNS name."""
        return str(self.describe(instance_id)["PublicDnsName"])

    def ssh(self, instance_id: str, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Log in with the key."""
        return ssh(self.host(instance_id), self.key, *command, **options)

    def run(self, instance_id: str, command: str, **options: Any) -> str:
        """What a command on the instance prints; it must succeed."""
        done = self.ssh(instance_id, command, **options)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.strip()

    def reachable(self, *instance_ids: str, timeout: float = 40) -> None:
        """Wait until a login works on all of them."""
        for instance_id in instance_ids:
            wait_until(
                lambda id=instance_id: self.ssh(id, "true").returncode == 0, timeout, f"ssh to {instance_id}"
            )

    def terminate(self, *instance_ids: str) -> None:
        """Terminate and wait for it."""
        self.ec2.terminate_instances(InstanceIds=list(instance_ids))
        self.wait("terminated", instance_ids)


@contextmanager
def cloud_with_servers(folder: Path) -> Iterator[Server]:
    """A server with instances for a while; nothing of it is left behind."""
    data = folder / "cloud"
    server = start_with_servers(data)
    try:
        yield server
    finally:
        server.stop()
        remove_project(data)


def needs_servers() -> None:
    """Skip where instances cannot run; under CI that is a failure. Sets the machine up if need be."""
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must run as root: instances need it")
        pytest.skip("needs root")
    with tempfile.TemporaryDirectory() as data:
        setup.run(Settings(data=Path(data)), Quiet())
