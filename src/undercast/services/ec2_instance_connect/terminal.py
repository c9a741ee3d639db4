"""Terminals on instances: OpenSSH on a pseudo terminal, let in by a key that lives for one connection.

What the console's Connect page of AWS does: it makes a key pair, sends the public half with SendSSHPublicKey
and logs in (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-connect-methods.html).
The instance is hostile to this machine: ssh runs as `nobody`, without an agent, a configuration, forwarding
or escape characters, and its key opens this one instance alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import pwd
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from undercast.services.base import AwsError
from undercast.services.ec2 import ssh_keys

if TYPE_CHECKING:
    from undercast.cloud import Cloud
    from undercast.services.ec2_instance_connect.keys import Keys

MAX_TERMINALS = 32
CONNECT_S = 8
READ_BYTES = 32 * 1024
WRITE_S = 30.0  # until an instance must take what was typed
HANG_UP_S = 1.0  # from SIGHUP to SIGKILL
MAX_SIDE = 1000  # columns or rows
_SSH_FAILED = 255  # ssh's own exit status; others are the shell's

_OPTIONS = {
    "BatchMode": "yes",
    "CheckHostIP": "no",
    "ClearAllForwardings": "yes",
    "ConnectTimeout": str(CONNECT_S),
    "EscapeChar": "none",  # ~C would open a command line that forwards ports of this machine
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "GlobalKnownHostsFile": "/dev/null",
    "IdentitiesOnly": "yes",
    "IdentityAgent": "none",
    "LogLevel": "ERROR",
    "PreferredAuthentications": "publickey",
    "ServerAliveCountMax": "3",
    "ServerAliveInterval": "15",
    "StrictHostKeyChecking": "accept-new",
    "UpdateHostKeys": "no",
}
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "TERM": "xterm-256color", "LANG": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Size:
    """Of a window, in characters."""

    columns: int = 80
    rows: int = 24

    def packed(self) -> bytes:
        """As the kernel takes it, within bounds."""
        rows, columns = (max(1, min(MAX_SIDE, side)) for side in (self.rows, self.columns))
        return struct.pack("HHHH", rows, columns, 0, 0)


class Terminal:
    """One ssh on a pseudo terminal. Used on the event loop; `close` must be called."""

    def __init__(self, process: subprocess.Popen[bytes], master: int, folder: Path) -> None:
        self._process = process
        self._master = master
        self._folder = folder
        self._closed = False

    async def read(self) -> bytes:
        """What the instance wrote; empty at the end. Nothing is read ahead."""
        while not self._closed:
            try:
                return os.read(self._master, READ_BYTES)
            except BlockingIOError:
                await self._ready(writing=False)
            except OSError:
                break  # EIO: the other side of the pseudo terminal was closed
        return b""

    async def write(self, data: bytes) -> None:
        """Type. Waits while the instance does not read; raises TimeoutError after `WRITE_S`."""
        async with asyncio.timeout(WRITE_S):
            left = memoryview(data)
            while left and not self._closed:
                try:
                    left = left[os.write(self._master, left) :]
                except BlockingIOError:
                    await self._ready(writing=True)
                except OSError:
                    return  # ssh has ended: reading tells so

    async def _ready(self, writing: bool) -> None:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        add, remove = (
            (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
        )
        add(self._master, ready.set)
        try:
            await ready.wait()
        finally:
            if not self._closed:
                remove(self._master)

    def resize(self, size: Size) -> None:
        """Tell the instance the window's new size."""
        if self._closed:
            return
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size.packed())
        # The kernel tells processes that have the terminal as their own; ours is nobody's.
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGWINCH)

    async def close(self) -> str:
        """End ssh and take away what it used; returns why it ended, in a few words."""
        if self._closed:
            return "The session ended."
        self._closed = True
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        return await asyncio.to_thread(self._end)

    def _end(self) -> str:
        os.close(self._master)
        status: int | None = None
        try:
            # One that ended by itself is only waited for; hanging up harms it no more.
            status = self._process.wait(0.05)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGHUP)
            try:
                self._process.wait(HANG_UP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(HANG_UP_S)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        if status == _SSH_FAILED:
            return "SSH could not log in, or the connection broke."
        return "The session ended."


class Terminals:
    """The terminals that are open, and the way to open one."""

    def __init__(self, cloud: Cloud, keys: Keys) -> None:
        self._cloud = cloud
        self._keys = keys
        self._open: set[Terminal] = set()
        self._opening = 0
        self._prefix = f"undercast-{cloud.settings.host_id}-terminal-"

    async def open(self, account: str, region: str, instance_id: str, user: str, size: Size) -> Terminal:
        """A terminal on the account's running instance; ssh connects while it is read.

        Raises AWS's errors of SendSSHPublicKey, and ThrottlingException when too many are open.
        """
        if len(self._open) + self._opening >= MAX_TERMINALS:
            raise AwsError("ThrottlingException", f"{MAX_TERMINALS} terminals are open already.", 429)
        self._opening += 1
        try:
            private = ed25519.Ed25519PrivateKey.generate()
            public = ssh_keys.openssh(private.public_key())
            await self._keys.send(account, region, instance_id, user, public)
            address = self._address(account, region, instance_id)
            starting = asyncio.ensure_future(asyncio.to_thread(self._start, private, user, address, size))
            try:
                terminal = await asyncio.shield(starting)
            except asyncio.CancelledError:
                # The thread goes on; what it makes must not stay.
                await (await starting).close()
                raise
        finally:
            self._opening -= 1
        self._open.add(terminal)
        return terminal

    async def end(self, terminal: Terminal) -> str:
        """Close a terminal; returns why it ended."""
        self._open.discard(terminal)
        return await terminal.close()

    async def close(self) -> None:
        """End all of them."""
        await asyncio.gather(*(self.end(terminal) for terminal in list(self._open)))

    def sweep(self) -> None:
        """Take away the folders of a server that was killed."""
        for folder in Path(tempfile.gettempdir()).glob(f"{self._prefix}*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _address(self, account: str, region: str, instance_id: str) -> str:
        interfaces = self._cloud.ec2.network_interfaces.of_instances(account, region).get(instance_id)
        if not interfaces:
            raise AwsError("EC2InstanceUnavailableException", "The instance has no network interface.", 503)
        association = interfaces[0].get("Association")
        return str(association["PublicIp"] if association else interfaces[0]["PrivateIpAddress"])

    def _start(self, private: ed25519.Ed25519PrivateKey, user: str, address: str, size: Size) -> Terminal:
        ssh = shutil.which("ssh")
        if ssh is None:
            raise AwsError("ServiceException", "The server has no ssh: install openssh-client.", 500)
        folder = Path(tempfile.mkdtemp(prefix=self._prefix))
        master = slave = -1
        try:
            key = folder / "key"
            key.touch(0o600)
            key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
            uid, gid = _give_to_nobody(folder, key)
            master, slave = pty.openpty()
            fcntl.ioctl(slave, termios.TIOCSWINSZ, size.packed())
            options = _OPTIONS | {"IdentityFile": str(key), "UserKnownHostsFile": str(folder / "known_hosts")}
            process = subprocess.Popen(
                [
                    *(ssh, "-F", "/dev/null"),
                    *(word for name, text in options.items() for word in ("-o", f"{name}={text}")),
                    *("-l", user, "--", address),
                ],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                cwd=folder,
                env=_ENVIRONMENT | {"HOME": str(folder)},
                start_new_session=True,
                user=uid,
                group=gid,
                extra_groups=None if gid is None else [],
            )
            os.set_blocking(master, False)
            return Terminal(process, master, folder)
        except BaseException:
            if master >= 0:
                os.close(master)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            if slave >= 0:
                os.close(slave)


def _give_to_nobody(folder: Path, key: Path) -> tuple[int, int] | tuple[None, None]:
    """Hand the files to `nobody` where we are root; returns the user and group to start a process as."""
    if os.geteuid() != 0:
        return None, None
    nobody = pwd.getpwnam("nobody")
    for path in (folder, key):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return nobody.pw_uid, nobody.pw_gid
