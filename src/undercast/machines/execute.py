"""Commands inside a machine, over the websockets Incus opens for their streams."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import aiohttp

from undercast.machines.errors import MachineError, NotFound, TimedOut
from undercast.machines.incus import Incus, instance_path
from undercast.machines.spec import ExecResult

_OUTPUT_LIMIT = 16 << 20


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
    operation = await incus.request("POST", instance_path(name, "exec"), body)
    secrets = operation["metadata"]["fds"]
    path = f"/1.0/operations/{operation['id']}"
    try:
        async with asyncio.timeout(timeout_s):
            return await _converse(incus, path, secrets)
    except TimeoutError:
        try:
            await incus.request("DELETE", path)
        except NotFound:
            raise TimedOut(f"{argv[0]} ended at its limit of {timeout_s:.0f} s") from None
        raise TimedOut(f"{argv[0]} in {name} took longer than {timeout_s:.0f} s") from None


async def _converse(incus: Incus, path: str, secrets: Mapping[str, str]) -> ExecResult:
    # Incus starts the command once all four sockets stand; control goes first, as its own client does it.
    control = await incus.websocket(f"{path}/websocket", secret=secrets["control"])
    stdin, stdout, stderr = [
        await incus.websocket(f"{path}/websocket", secret=secrets[stream]) for stream in ("0", "1", "2")
    ]
    try:
        await stdin.send_str("")
        out, err = await asyncio.gather(_drain(stdout), _drain(stderr))
        finished = await incus.get(f"{path}/wait", timeout_s=60, timeout="30")
    finally:
        for socket in (control, stdin, stdout, stderr):
            await socket.close()
    if finished["status_code"] >= 400:
        raise MachineError(finished.get("err") or "The command could not be run")
    return ExecResult(int((finished["metadata"] or {}).get("return", -1)), out, err)


async def _drain(socket: aiohttp.ClientWebSocketResponse) -> bytes:
    """All a stream carries. An empty text message is Incus's end of stream."""
    data = bytearray()
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY and len(data) < _OUTPUT_LIMIT:
            data += message.data
        elif message.type is aiohttp.WSMsgType.TEXT and not message.data:
            break
    return bytes(data)
