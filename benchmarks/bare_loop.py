"""The floor of an invocation: a minimal ASGI server and unsandboxed `awslambdaric` processes.

No signatures, no store, no isolation. `GET /` is a bare hello, `POST /invoke` an invocation, the rest is as
much of the Runtime API as awslambdaric needs.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

HANDLER = """\
def lambda_handler(event, context):
    nums = event['nums']
    return {'statusCode': 200, 'body': sum(nums) / len(nums)}
"""
_PREFIX = "/2018-06-01/runtime/invocation/"


class BareLoop:
    """The ASGI application."""

    def __init__(self) -> None:
        self._events: deque[tuple[str, bytes]] = deque()
        self._idle: deque[asyncio.Future[tuple[str, bytes]]] = deque()
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._count = 0

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path == "/":
            await _answer(send, 200, b"hello")
        elif path == "/invoke":
            await _answer(send, 200, await self._invoke(await _body(receive)))
        elif path == _PREFIX + "next":
            id, event = await self._next()
            headers = [
                (b"lambda-runtime-aws-request-id", id.encode()),
                (b"lambda-runtime-deadline-ms", b"4102444800000"),
                (b"lambda-runtime-invoked-function-arn", b"arn:aws:lambda:us-east-1:000000000000:function:f"),
            ]
            await _answer(send, 200, event, headers)
        else:
            id = path.removeprefix(_PREFIX).split("/", 1)[0]
            self._waiting.pop(id).set_result(await _body(receive))
            await _answer(send, 202, b"")

    async def _invoke(self, event: bytes) -> bytes:
        self._count += 1
        id = f"{self._count:036d}"
        future = self._waiting[id] = asyncio.get_running_loop().create_future()
        while self._idle:
            runtime = self._idle.popleft()
            if not runtime.done():
                runtime.set_result((id, event))
                break
        else:
            self._events.append((id, event))
        return await future

    async def _next(self) -> tuple[str, bytes]:
        if self._events:
            return self._events.popleft()
        future: asyncio.Future[tuple[str, bytes]] = asyncio.get_running_loop().create_future()
        self._idle.append(future)
        return await future


async def _body(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _answer(
    send: Any, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    headers = [
        *(headers or []),
        (b"content-length", str(len(body)).encode()),
        (b"content-type", b"application/json"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve(port: int) -> None:
    """Serve until terminated."""
    import uvicorn

    uvicorn.run(BareLoop(), port=port, loop="uvloop", http="httptools", log_level="warning", access_log=False)


def start_runtimes(port: int, count: int, task: Path) -> list[subprocess.Popen[bytes]]:
    """Start awslambdaric processes that take events from the server, with their function in a folder."""
    (task / "lambda_function.py").write_text(HANDLER)
    environment = {
        **os.environ,
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "_HANDLER": "lambda_function.lambda_handler",
        "LAMBDA_TASK_ROOT": str(task),
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "g",
        "AWS_LAMBDA_LOG_STREAM_NAME": "s",
        "AWS_REGION": "us-east-1",
        "PYTHONPATH": str(task),
    }
    command = [sys.executable, "-m", "awslambdaric", "lambda_function.lambda_handler"]
    return [
        subprocess.Popen(
            command,
            env=environment,
            cwd=task,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(count)
    ]


if __name__ == "__main__":
    serve(int(sys.argv[1]))
