"""Servers through the API: from RunInstances to a shell, beside Incus's own launch and a plain login.

Floors, in the same round: Incus's REST API creating and starting a bare instance from the same image; `ssh`
to an instance that has long been running. Their sum is what a launch cannot be quicker than.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.cloud import BenchCloud, running_cloud
from benchmarks.figures import Figure, show
from undercast.machines.incus import Incus, instance_path
from undercast.machines.instance import root_disk
from undercast.machines.places import Places, places
from undercast.settings import Settings

IDLE = 40
_AT_ONCE = 10  # a launch must fit into what is free, promised memory and all
_OPTIONS = (
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "LogLevel=ERROR",
    "BatchMode=yes",
    "ConnectTimeout=5",
)


class Servers:
    """A key, a security group that lets this machine in, and launches with both."""

    def __init__(self, cloud: BenchCloud, folder: Path) -> None:
        self._ec2 = cloud.client("ec2")
        self._key = folder / "bench.pem"
        material = self._ec2.create_key_pair(KeyName="bench", KeyType="ed25519")["KeyMaterial"]
        self._key.write_text(material.rstrip() + "\n")
        self._key.chmod(0o400)
        group = self._ec2.create_security_group(GroupName="bench", Description="bench")["GroupId"]
        everyone = [{"CidrIp": "0.0.0.0/0"}]
        rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": everyone}
        self._ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
        images = self._ec2.describe_images(Owners=["amazon"])["Images"]
        self._image = next(image["ImageId"] for image in images if "Undercast" in str(image))
        self._group = group

    def launch(self, count: int = 1) -> list[dict[str, Any]]:
        """RunInstances; its answer's instances."""
        answer = self._ec2.run_instances(
            ImageId=self._image,
            InstanceType="t2.micro",
            KeyName="bench",
            SecurityGroupIds=[self._group],
            MinCount=count,
            MaxCount=count,
        )
        found: list[dict[str, Any]] = answer["Instances"]
        return found

    def shell(self, address: str, within_s: float = 60.0) -> None:
        """Wait until `ssh ... true` works at a public address.

        Nobody else answers there; a private address leads to the default route until the instance is up.
        """
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            # Short: a SYN that is dropped before the machine is there would be sent again after a second.
            with contextlib.suppress(OSError), socket.create_connection((address, 22), timeout=0.05):
                break
            time.sleep(0.005)
        while self.login(address) != 0:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no login at {address} within {within_s:.0f} s")

    def login(self, address: str, *command: str) -> int:
        """The status of a command over ssh, `true` by default."""
        options = [word for option in _OPTIONS for word in ("-o", option)]
        argv = ["ssh", "-i", str(self._key), *options, f"ec2-user@{address}", *(command or ("true",))]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60).returncode

    def serve(self, address: str) -> None:
        """Start a web server on port 8000 of an instance, which no rule lets in yet."""
        self.login(address, "nohup python3 -m http.server 8000 >/dev/null 2>&1 </dev/null &")

    def rule(self, address: str) -> float:
        """Milliseconds from the answer that made a rule to the first connection it lets in."""
        rule = {"GroupId": self._group, "IpProtocol": "tcp", "FromPort": 8000, "ToPort": 8000}
        self._ec2.authorize_security_group_ingress(CidrIp="127.0.0.1/32", **rule)
        began = time.perf_counter()
        while not _connects(address, 8000):
            continue
        took = (time.perf_counter() - began) * 1000
        self._ec2.revoke_security_group_ingress(CidrIp="127.0.0.1/32", **rule)
        while _connects(address, 8000):
            continue
        return took

    def terminate(self, instances: list[dict[str, Any]]) -> None:
        """Terminate and wait for the end."""
        ids = [instance["InstanceId"] for instance in instances]
        self._ec2.terminate_instances(InstanceIds=ids)
        self._ec2.get_waiter("instance_terminated").wait(
            InstanceIds=ids, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )


def _connects(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=0.02).close()
    except OSError:
        return False
    return True


async def _bare_launch(ours: Places) -> float:
    """Seconds Incus takes by itself to create and start an instance of the default image."""
    incus = Incus(ours.project)
    try:
        source = (await incus.get("/1.0/images/aliases/undercast-linux"))["target"]
        body = {
            "name": "bench-floor",
            "type": "container",
            "source": {"type": "image", "fingerprint": source},
            "profiles": [],
            "devices": {"root": root_disk(ours, 8)},
            "start": True,
        }
        began = time.perf_counter()
        await incus.run("POST", "/1.0/instances", body)
        took = time.perf_counter() - began
        stop = {"action": "stop", "force": True, "timeout": 20}
        await incus.run("PUT", instance_path("bench-floor", "state"), stop)
        await incus.run("DELETE", instance_path("bench-floor"))
        return took
    finally:
        await incus.close()


@contextlib.contextmanager
def _servers() -> Iterator[tuple[Servers, Places]]:
    with running_cloud(servers=True) as cloud, tempfile.TemporaryDirectory() as folder:
        yield Servers(cloud, Path(folder)), places(Settings(data=cloud.data))


def _available_mib() -> float:
    line = next(line for line in Path("/proc/meminfo").read_text().splitlines() if "MemAvailable" in line)
    return int(line.split()[1]) / 1024


def measure(rounds: int) -> None:
    """Measure and show the table. Five launches make a round."""
    answer = Figure("RunInstances answers", "ms", "< 50")
    shell = Figure("RunInstances to a shell over SSH", "s", "< 1.0", "Incus's launch + ssh to a running one")
    rule = Figure("a security group's rule is in force after the answer", "ms", "< 100")
    ten = Figure("ten at once, to the last shell", "s")
    idle = Figure(f"memory of one of {IDLE} idle instances", "MiB", "< 600")
    with _servers() as (servers, ours):
        warm = servers.launch()
        address = warm[0]["PublicIpAddress"]
        servers.shell(address)
        servers.serve(address)
        for _ in range(rounds):
            rule.add(statistics.median(servers.rule(address) for _ in range(5)))
            answers, shells, floors = [], [], []
            for _ in range(5):
                began = time.perf_counter()
                made = servers.launch()
                answers.append((time.perf_counter() - began) * 1000)
                servers.shell(made[0]["PublicIpAddress"])
                shells.append(time.perf_counter() - began)
                servers.terminate(made)
                bare = asyncio.run(_bare_launch(ours))
                began = time.perf_counter()
                servers.login(address)
                floors.append(bare + time.perf_counter() - began)
            answer.add(statistics.median(answers))
            shell.add(statistics.median(shells), statistics.median(floors))
            began = time.perf_counter()
            many = servers.launch(10)
            for instance in many:
                servers.shell(instance["PublicIpAddress"])
            ten.add(time.perf_counter() - began)
            servers.terminate(many)
        before = _available_mib()
        resting = []
        for _ in range(IDLE // _AT_ONCE):
            some = servers.launch(_AT_ONCE)
            for instance in some:
                servers.shell(instance["PublicIpAddress"], within_s=120)
            for instance in some:  # cloud-init has ended
                servers.login(instance["PublicIpAddress"], "cloud-init", "status", "--wait")
            resting += some
        idle.add((before - _available_mib()) / IDLE)
        servers.terminate([*resting, *warm])
    show("Servers", (answer, shell, rule, ten, idle))
