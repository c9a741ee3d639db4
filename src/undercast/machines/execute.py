"""Commands inside a machine, over the websockets Incus opens for their streams."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from undercast.machines.errors import MachineError, TimedOut
from undercast.machines.incus import Incus, instance_path
from undercast.machines.spec import ExecResult

_OUTPUT_LIMIT = 16 << 20
# What LXC says of a command that comes while init begins, even of one it has run: it is sent once more.
_TOO_EARLY = "Failed to retrieve PID of executing child process"
_BOOT_TRIES = 10


async def execute(
    incus: Incus,
    name: str,
    argv: Sequence[str],
    *,
    timeout_s: float,
    user: int,
    environment: Mapping[str, str],
) -> ExecResult:
    """Run `argv` in the machine `name`; each stream is cut at 16 MiB.

    In the first instants of a boot a command may be run twice: it has to bear that.

    Raises:
        TimedOut: it did not end within the limit; it was killed.
        MachineError: the machine does not run, or has no such program (status 127 otherwise).
    """
    body = {
        "command": list(argv),
        "environment": dict(environment),
        "user": user,
        "group": user,
        "interactive": False,
        "wait-for-websocket": True,
    }
    for _ in range(_BOOT_TRIES):
        try:
            return await _execute(incus, name, body, timeout_s)
        except MachineError as error:
            if _TOO_EARLY not in str(error):
                raise
        await asyncio.sleep(0.1)
    return await _execute(incus, name, body, timeout_s)


async def _execute(incus: Incus, name: str, body: Mapping[str, Any], timeout_s: float) -> ExecResult:
    operation = await incus.request("POST", instance_path(name, "exec"), dict(body))
    path = f"/1.0/operations/{operation['id']}"
    secrets = operation["metadata"]["fds"]
    # Incus starts the command once all four sockets stand; control goes first, as its own client does it.
    sockets = [await incus.websocket(f"{path}/websocket", secret=secrets["control"])]
    try:
        for stream in ("0", "1", "2"):
            sockets.append(await incus.websocket(f"{path}/websocket", secret=secrets[stream]))
        control, stdin, stdout, stderr = sockets
        with contextlib.suppress(aiohttp.ClientConnectionResetError):  # the command has ended already
            await stdin.send_str("")
        try:
            async with asyncio.timeout(timeout_s):
                out, err = await asyncio.gather(_drain(stdout), _drain(stderr))
        except TimeoutError:
            with contextlib.suppress(aiohttp.ClientConnectionResetError):
                await control.send_json({"command": "signal", "signal": signal.SIGKILL})
            raise TimedOut(f"{body['command'][0]} in {name} took longer than {timeout_s:.0f} s") from None
        finished = await incus.get(f"{path}/wait", timeout_s=60, timeout="30")
    finally:
        for socket in sockets:
            await socket.close()
    if finished["status_code"] >= 400:
        raise MachineError(finished.get("err") or "The command could not be run")
    return ExecResult(int((finished["metadata"] or {}).get("return", -1)), out, err)


async def _drain(socket: aiohttp.ClientWebSocketResponse) -> bytes:
    """All a stream carries. An empty text message is Incus's end of stream; so is a socket it has shut."""
    data = bytearray()
    with contextlib.suppress(aiohttp.ClientConnectionResetError):
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY and len(data) < _OUTPUT_LIMIT:
                data += message.data
            elif message.type is aiohttp.WSMsgType.TEXT and not message.data:
                break
    return bytes(data)
