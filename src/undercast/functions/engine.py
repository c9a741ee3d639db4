"""The functions engine: takes a function version and an event, answers with what the function returned."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from undercast.functions.exchange import Exchange, Request
from undercast.functions.function import (
    Credentials,
    CredentialSource,
    EngineStats,
    FunctionSpec,
    FunctionsUnavailable,
    InitFailed,
    Invocation,
    LogLine,
    LogWriter,
    SnapshotRefused,
    StreamingInvocation,
)
from undercast.functions.ground import Ground, Sandboxes
from undercast.functions.pool import Pool
from undercast.functions.spec import SandboxError

__all__ = [
    "CredentialSource",
    "Credentials",
    "Engine",
    "EngineStats",
    "FunctionSpec",
    "FunctionsUnavailable",
    "InitFailed",
    "Invocation",
    "LogLine",
    "LogWriter",
    "SnapshotRefused",
    "StreamingInvocation",
]


class Engine:
    """Runs function versions in isolated environments, which it makes, reuses and discards.

    `write_logs` and `credentials` are called on the event loop and must not block. `gateway` makes the
    server's side of a connection that a function opened to the cloud (its own AWS calls).
    """

    def __init__(
        self,
        sandboxes: Sandboxes,
        *,
        write_logs: LogWriter,
        credentials: CredentialSource | None = None,
        gateway: Callable[[], asyncio.Protocol] | None = None,
        idle_s: float = 300.0,
    ) -> None:
        self._sandboxes = sandboxes
        self._write_logs = write_logs
        self._credentials = credentials
        self._gateway = gateway
        self._idle_s = idle_s
        self._ground: Ground | None = None
        self._running: Pool | None = None
        self._invocations = 0
        self._expected: set[str] = set()
        self._preparing = asyncio.Lock()

    async def start(self) -> None:
        """Make ready, on the running event loop."""
        await self._sandboxes.start()
        if not self._sandboxes.capability.available:
            return  # whoever wants to run something is told why
        loop = asyncio.get_running_loop()
        self._ground = Ground(
            loop, self._sandboxes, self._write_logs, self._credentials, self._gateway, tasks=set()
        )
        self._running = Pool(self._ground, self._idle_s)
        self._running.start()

    async def close(self) -> None:
        """End every environment and release what they held."""
        if self._running is None or self._ground is None:
            await self._sandboxes.close()
            return
        await self._running.close()
        tasks = list(self._ground.tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=5.0)
        for task in self._ground.tasks:
            task.cancel()
        self._running = None
        await self._sandboxes.close()

    async def invoke(
        self,
        spec: FunctionSpec,
        payload: bytes,
        *,
        request_id: str,
        invoked_arn: str,
        client_context: str | None = None,
        trace_id: str | None = None,
        tail: bool = False,
    ) -> Invocation:
        """Run the function once. A caller who gives up does not stop it.

        Raises FunctionsUnavailable when no environment can be made; what the function itself does wrong is in
        the result.
        """
        request = Request(request_id, payload, invoked_arn, client_context or "", trace_id or "", tail)
        exchange = await self._begin(spec, request)
        return await exchange.result

    async def invoke_stream(
        self,
        spec: FunctionSpec,
        payload: bytes,
        *,
        request_id: str,
        invoked_arn: str,
        client_context: str | None = None,
        trace_id: str | None = None,
        tail: bool = False,
    ) -> StreamingInvocation:
        """Run the function once and return when its answer begins (or is there, for a buffered one)."""
        request = Request(
            request_id, payload, invoked_arn, client_context or "", trace_id or "", tail, stream=True
        )
        exchange = await self._begin(spec, request)
        assert exchange.opened is not None
        await exchange.opened
        failed = exchange.stream is None and exchange.invocation.function_error is not None
        streamed = exchange.stream is not None
        return StreamingInvocation(
            exchange.content_type, _pieces(exchange), exchange.invocation, failed, streamed
        )

    def expect(self, runtime: str) -> None:
        """A function of this runtime is there: be ready for its first invocation."""
        if runtime not in self._expected and runtime.startswith("python") and self._ground is not None:
            self._expected.add(runtime)
            self._ground.run(self._prepare(runtime))

    async def _prepare(self, runtime: str) -> None:
        async with self._preparing:  # one at a time: a server that starts with many has other things to do
            with contextlib.suppress(SandboxError):  # the first invocation will say it
                await self._sandboxes.prepare(runtime)

    async def provision(self, spec: FunctionSpec, count: int) -> None:
        """Keep `count` environments initialised ahead; returns when they are."""
        await self._pool.provision(spec, count)

    async def snapshot(self, spec: FunctionSpec) -> None:
        """Initialise a version once, so that later environments start from that state (SnapStart).

        Raises InitFailed, SnapshotRefused, FunctionsUnavailable.
        """
        await self._pool.snapshot(spec)

    def retire(self, key_prefix: str) -> None:
        """A function changed or went: idle environments end now, busy ones after their invocation."""
        if self._running is not None:
            self._running.retire(key_prefix)

    def runtimes(self) -> dict[str, str | None]:
        """The runtimes that run here, each with the statement of what stands in for it, or None."""
        if not self._sandboxes.capability.available:
            return {}
        offered = self._sandboxes.runtimes().values()
        return {runtime.name: runtime.statement for runtime in offered if runtime.missing is None}

    def stats(self) -> EngineStats:
        """What there is at this moment."""
        pool = self._running
        environments = pool.environments() if pool is not None else []
        return EngineStats(
            environments=dict(pool.states()) if pool is not None else {},
            frozen=sum(environment.frozen for environment in environments),
            memory_mb=sum(environment.memory_mb for environment in environments),
            created=pool.created if pool is not None else 0,
            invocations=self._invocations,
        )

    @property
    def _pool(self) -> Pool:
        if self._running is None:
            raise FunctionsUnavailable(self._sandboxes.capability.reason or "functions are not available")
        return self._running

    async def _begin(self, spec: FunctionSpec, request: Request) -> Exchange:
        pool = self._pool
        self._invocations += 1
        while (environment := pool.take(spec)) is not None:
            if environment.frozen:
                await environment.wake()
            if environment.state == "idle":
                return environment.begin(request)
        return await pool.serve(spec, request)


async def _pieces(exchange: Exchange) -> AsyncIterator[bytes]:
    """The answer's bytes; at the end the invocation is complete."""
    if exchange.stream is not None:
        async for chunk in exchange.stream.chunks():
            yield chunk
    elif exchange.invocation.payload:
        yield exchange.invocation.payload
    await exchange.result
