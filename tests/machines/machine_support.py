"""What the tests of machines share: specs with names nobody else has, and ways into a machine."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from support import wait_until
from undercast.machines.machines import Machines
from undercast.machines.spec import ExecResult, MachineSpec, NicSpec, Power
from undercast.settings import Settings

T = TypeVar("T")
SSH_OPTIONS = {
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
    "BatchMode": "yes",
    "ConnectTimeout": "2",
}


def make_key(folder: Path) -> Path:
    """A fresh key pair for logging in."""
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=20)
    return key


class Lab:
    """One engine on one event loop, and machines in address space of their own (10.213/16, by host id)."""

    def __init__(self, settings: Settings, key: Path) -> None:
        self._runner = asyncio.Runner()
        self._numbers = itertools.count(1)
        self._key = key
        self._block = int(settings.host_id[:2], 16)
        self._tag = settings.host_id
        self.machines = Machines(settings)

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float = 90.0) -> T:
        """Run a coroutine on the lab's loop, never longer than the limit."""
        return self._runner.run(asyncio.wait_for(work, timeout_s))

    def close(self) -> None:
        """Close the engine and the loop."""
        self.run(self.machines.close())
        self._runner.close()

    def nic(self, device: str = "eth0") -> NicSpec:
        """An interface nobody else has."""
        number = next(self._numbers)
        address = f"10.213.{self._block}.{number}"
        mac = f"0a:00:{self._tag[:2]}:{self._tag[2:4]}:00:{number:02x}"
        return NicSpec(device, f"ut{self._tag}{number}", mac, address)

    def spec(self, **changes: Any) -> MachineSpec:
        """A machine of the default image that the lab's key opens."""
        nic = self.nic()
        number = int(nic.address.rpartition(".")[2])
        spec = MachineSpec(
            name=f"i-{int(self._tag, 16):012x}{number:05x}",
            account="000000000000",
            image="undercast-linux",
            vcpus=1,
            memory_mib=1024,
            root_gib=8,
            nics=(nic,),
            hostname=f"ip-{nic.address.replace('.', '-')}.ec2.internal",
            ssh_authorized_keys=(self._key.with_suffix(".pub").read_text(),),
        )
        return replace(spec, **changes)

    def launch(self, spec: MachineSpec) -> MachineSpec:
        """Launch a machine, and wait for its boot: until then a command may be run twice (`execute`)."""
        self.run(self.machines.launch(spec))
        booted = "systemctl is-active --quiet multi-user.target"
        wait_until(lambda: self.sh(spec, booted).status == 0, 20, "the end of the boot")
        return spec

    def sh(self, spec: MachineSpec, script: str, timeout_s: float = 30.0) -> ExecResult:
        """Run a script inside as root."""
        return self.run(self.machines.exec(spec.name, ["sh", "-c", script], timeout_s=timeout_s))

    def out(self, spec: MachineSpec, script: str) -> str:
        """What a script inside prints; it must succeed."""
        done = self.sh(spec, script)
        assert done.status == 0, (script, done)
        return done.stdout.decode().strip()

    def ssh(
        self, spec: MachineSpec, *command: str, user: str = "ec2-user", tty: bool = False, feed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Log in with the lab's key and an unmodified ssh."""
        options = [word for key, value in SSH_OPTIONS.items() for word in ("-o", f"{key}={value}")]
        argv = ["ssh", "-i", str(self._key), *options, *(["-tt"] if tty else [])]
        target = f"{user}@{spec.nics[0].address}"
        return subprocess.run(
            [*argv, target, *command], input=feed, capture_output=True, text=True, timeout=30
        )

    def reachable(self, spec: MachineSpec, within_s: float = 15.0) -> None:
        """Wait until a login works."""
        wait_until(lambda: self.ssh(spec, "true").returncode == 0, within_s, "login")

    def power(self, spec: MachineSpec) -> Power | None:
        """What the machine is doing, None when there is none."""
        state = self.run(self.machines.states()).get(spec.name)
        return state.power if state else None
