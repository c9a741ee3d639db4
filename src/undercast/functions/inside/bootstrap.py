"""Binds a freshly forked Python environment to its function and runs AWS's own handler loop in it.

`awslambdaric.bootstrap.run` takes a client for the Runtime API; the one here speaks frames over a socket
instead of two HTTP exchanges, and everything else (handler loading, marshalling, error shapes, logging,
the context object) stays AWS's code. Runs inside the sandbox: imports nothing of Undercast but `wire`.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import logging
import os
import random
import site
import socket
import sys
import threading
import time
import traceback
from typing import Any, NoReturn

from awslambdaric import bootstrap as ric
from awslambdaric import lambda_runtime_client as ric_client
from awslambdaric import lambda_runtime_log_utils as ric_logs
from awslambdaric import lambda_runtime_marshaller as ric_marshaller

from . import snapshot, wire

_CHUNK = 65536
_log_descriptors: list[int] = []  # beside standard output


class ChannelClient(ric_client.LambdaRuntimeClient):  # type: ignore[misc]  # awslambdaric has no types
    """The Runtime API's client, over a stream socket."""

    def __init__(self, channel: socket.socket) -> None:
        super().__init__(os.environ.get("AWS_LAMBDA_RUNTIME_API", ""), False)
        self._channel = channel
        self._pid = os.getpid()
        self._started = False
        self._buffer = b""

    def wait_next_invocation(self) -> Any:
        if not self._started:
            self._started = True
            _mark_init_done()
            self._send(wire.READY, b"")
        head, body = self._receive()
        kind, meta_length, _, limit_ms = head
        if kind != wire.INVOKE:
            raise SystemExit(f"unexpected frame {kind}")
        request_id, arn, trace, client_context = body[:meta_length].decode().split("\0", 3)
        return ric_client.InvocationRequest(
            invoke_id=request_id,
            x_amzn_trace_id=trace or None,
            invoked_function_arn=arn,
            deadline_time_in_ms=int(time.time() * 1000) + limit_ms,
            client_context=client_context or None,
            cognito_identity=None,
            tenant_id=None,
            content_type="application/json",
            event_body=body[meta_length:],
            invocation_id=None,
        )

    def post_invocation_result(
        self,
        invoke_id: str,
        result_data: str | bytes,
        content_type: str = "application/json",
        invocation_id: str | None = None,
    ) -> None:
        body = result_data if isinstance(result_data, bytes) else result_data.encode("utf-8")
        self._send(wire.RESPONSE, body, wire.JSON if content_type == "application/json" else wire.BYTES)

    def post_invocation_error(
        self, invoke_id: str, error_response_data: str, xray_fault: str, invocation_id: str | None = None
    ) -> None:
        self._send(wire.ERROR, error_response_data.encode("utf-8"))

    def post_init_error(self, error_response_data: Any, error_type_override: str | None = None) -> None:
        self._send_error(wire.INIT_ERROR, error_response_data, error_type_override)

    def restore_next(self) -> None:
        snapshot.check(keep=self._channel.fileno())
        _mark_init_done()
        self._send(wire.SNAPSHOT_READY, b"")
        self._channel = snapshot.serve(self._channel, [1, 2, *_log_descriptors])
        self._pid = os.getpid()

    def report_restore_error(self, restore_error_data: Any) -> None:
        self._send_error(wire.RESTORE_ERROR, restore_error_data, "Runtime.AfterRestoreError")

    def _send_error(self, kind: int, error: Any, error_type: str | None) -> None:
        text = ric_client.to_json(error)
        self._send(kind, f"{error_type or error['errorType']}\0{text}".encode())

    def _send(self, kind: int, body: bytes, detail: int = 0) -> None:
        if os.getpid() != self._pid:
            # a process that the function forked and that returned from its handler: its answer is nobody's
            os._exit(0)
        head = wire.TO_ENGINE.pack(kind, detail, len(body))
        if len(body) < _CHUNK:
            self._channel.sendall(head + body)
        else:
            self._channel.sendall(head)
            self._channel.sendall(body)

    def _receive(self) -> tuple[tuple[int, int, int, int], bytes]:
        """One frame: its head's fields, and meta and event together."""
        data = self._buffer or self._read()
        while len(data) < wire.TO_INSIDE.size:
            data += self._read()
        head = wire.TO_INSIDE.unpack_from(data)
        size = wire.TO_INSIDE.size + head[1] + head[2]
        if len(data) < size:
            whole = bytearray(size)
            whole[: len(data)] = data
            view, at = memoryview(whole), len(data)
            while at < size:
                count = self._channel.recv_into(view[at:])
                if not count:
                    os._exit(0)
                at += count
            view.release()
            self._buffer = b""
            return head, bytes(whole[wire.TO_INSIDE.size :])
        self._buffer = data[size:]
        return head, data[wire.TO_INSIDE.size : size]

    def _read(self) -> bytes:
        data = self._channel.recv(_CHUNK)
        if not data:  # the engine is gone
            os._exit(0)
        return data


def preload() -> None:
    """Import, once in the zygote, what every function's first moments would import otherwise."""
    for name in ("lambda_runtime_hooks_runner", "lambda_literals"):
        with contextlib.suppress(ImportError):  # older runtime clients have no such part
            importlib.import_module(f"awslambdaric.{name}")
    # the zygote starts without `site`, to see nothing of the host's packages; functions miss its builtins
    site.setquit()
    site.setcopyright()
    site.sethelper()


def run(channel: socket.socket) -> NoReturn:
    """Initialise the function that `os.environ` names and serve its invocations. Ends with the process."""
    code = 1
    try:
        _serve(channel)
    except SystemExit as end:
        code = _exit_code(end)
    except BaseException:
        traceback.print_exc()
    finally:
        _leave(code)


def _serve(channel: socket.socket) -> None:
    random.seed()
    _bind_runtime_client()
    client = ChannelClient(channel)
    handler = os.environ["_HANDLER"]
    if ric.run.__code__.co_varnames[:2] == ("handler", "lambda_runtime_client"):
        ric.run(handler, client)
    else:  # runtime clients before 3.1 make the client themselves
        ric.LambdaRuntimeClient = lambda *_: client
        ric.run("/var/task", handler, client.lambda_runtime_address)


def _bind_runtime_client() -> None:
    """Redo what the runtime client decided from the environment when the zygote imported it."""
    environ = os.environ
    # one record of the function's logger is one log event, as on AWS; its writer closes the descriptor
    log = os.dup(1)
    _log_descriptors.append(log)
    environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(log)
    base = getattr(ric_client, "BaseLambdaRuntimeClient", ric_client.LambdaRuntimeClient)
    base.marshaller = ric_marshaller.LambdaMarshaller()
    log_format = ric_logs.LogFormat.from_str(environ.get("AWS_LAMBDA_LOG_FORMAT"))
    if log_format == ric_logs.LogFormat.JSON:
        importlib.reload(ric)
    else:
        level = ric_logs._get_log_level_from_env_var(environ.get("AWS_LAMBDA_LOG_LEVEL"))
        ric._AWS_LAMBDA_LOG_LEVEL = level
    # json's and logging's module state is the interpreter's own: nothing of another function is in it
    logging.root.handlers.clear()


def _mark_init_done() -> None:
    """Tell where, among what was printed, the initialisation ended."""
    mark = wire.LOG_HEAD.pack(wire.LOG_INIT_DONE, 0, int(time.time_ns() / 1000))
    with contextlib.suppress(OSError):  # the function closed its output: then nothing needs a mark
        os.write(1, mark)


def _exit_code(end: SystemExit) -> int:
    """What the interpreter makes of SystemExit."""
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code & 0xFF
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{end.code}\n")
    return 1


def _leave(code: int) -> NoReturn:
    """End the process as the interpreter would: threads, exit functions, flushed streams."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter itself calls
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(code)


# json is imported for the functions' sake: nearly all of them do, and the zygote has it then.
__all__ = ["ChannelClient", "json", "run"]
