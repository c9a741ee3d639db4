"""One execution environment: creating -> init -> idle -> busy -> idle ... -> dead."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from undercast.functions import failures
from undercast.functions.attachment import Attachment
from undercast.functions.channel import PAYLOAD_LIMIT
from undercast.functions.container_keys import ContainerKeys
from undercast.functions.entry import Entry
from undercast.functions.exchange import BodyStream, Exchange, Request
from undercast.functions.extensions import Extensions
from undercast.functions.failures import Failure
from undercast.functions.function import Credentials, EnvironmentState, FunctionSpec, InitFailed
from undercast.functions.ground import Ground, Process, Sandbox
from undercast.functions.journal import Journal
from undercast.functions.snapshots import Snapshot
from undercast.functions.spec import Exit, SandboxSpec
from undercast.functions.variables import variables

SNAP_START = "snap-start"  # as AWS_LAMBDA_INITIALIZATION_TYPE says
INIT_LIMIT_S = 10.0
# How long an answer waits for its runtime and extensions to be free: the next request then finds them warm.
_LINGER_S = 0.02


class Environment:
    """Runs one function version, one invocation at a time.

    A cold start sends the event at once and lets it wait in the transport: the function takes it when its
    initialisation is done. An initialisation that fails is repeated inside the invocation, as on AWS, with
    the function's own time limit.
    """

    def __init__(
        self,
        spec: FunctionSpec,
        entry: Entry,
        ground: Ground,
        *,
        initialization_type: str,
        snapshot: Snapshot | None = None,
        on_idle: Callable[[Environment], None],
        on_dead: Callable[[Environment], None],
    ) -> None:
        self.spec = spec
        self.state: EnvironmentState = "creating"
        self.retired = False  # not to be used again
        self.idle_since = 0.0
        self.expires = math.inf  # perf_counter when its keys grow old
        self.initialization_type = initialization_type
        self.runtime_version = entry.runtime_version
        self.runtime_version_arn = entry.runtime_version_arn(spec.region)
        self.initialised: asyncio.Future[None] = ground.loop.create_future()
        self._entry = entry
        self._snapshot = snapshot  # what it is restored from
        self._ground = ground
        self._loop = ground.loop
        self._on_idle = on_idle
        self._on_dead = on_dead
        self._journal = Journal(spec, self, ground.write_logs)
        self._output = self._journal.output
        self._output.on_init_done = self._init_mark
        self._log = self._journal.platform
        self._attached: Attachment | None = None
        self._extensions = Extensions(spec, self._extensions_changed)
        self._exchange: Exchange | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._phase = "init" if snapshot is None else "restore"
        self._init_started = 0.0
        self._init_ms: float | None = None
        self._restore_ms: float | None = None
        self._init_error: tuple[str, bytes] | None = None  # as the runtime reported it
        self._init_noted = False
        self._runtime_ready = False
        self._runtime_idle = False
        self._memory_mb = 0
        self._keys: ContainerKeys | None = None
        self._taken: Snapshot | None = None  # the snapshot that this environment's process is
        self._held = False  # the runtime waits for external extensions

    # from the pool

    async def create(self) -> None:
        """Make the sandbox and begin the initialisation. Raises SandboxError."""
        if self._entry.broken:
            self._without_entry_point()
            return
        if self._snapshot is not None and self._phase == "restore":
            self._journal.add(self._log.restore_start())
            begun = time.perf_counter()
            await self._begin_with(await self._snapshot.fork(self._journal.variables), {})
            self._init_started = begun  # what the fork took is part of the restore
            return
        self._journal.add(self._log.init_start(self._phase))
        if self._phase == "init" and self._entry.statement:
            self._output.add(f"{self._entry.statement}\n")
        spec, entry = self.spec, self._entry
        keys = None
        if self.initialization_type == SNAP_START:
            self._keys = ContainerKeys(self._credentials)
        elif (keys := self._credentials()) is not None:
            # a process keeps the keys it was started with: it goes before they do
            self.expires = time.perf_counter() + max(60.0, keys.expires - time.time() - 900.0)
        env = variables(spec, self._journal.stream, keys, self.initialization_type)
        if self._keys is not None:
            env.update(self._keys.variables)
        env.update(entry.variables)
        self._held = bool(entry.extensions)
        sandbox = await self._ground.sandboxes.create(
            SandboxSpec(
                key=spec.key,
                runtime=spec.runtime,
                code=spec.code,
                layers=spec.layers,
                env=env,
                memory_mb=spec.memory_mb,
                tmp_mb=spec.tmp_mb,
                argv=entry.argv,
                hold=self._held,
                snapshot=self.initialization_type == SNAP_START,
            )
        )
        await self._begin_with(sandbox, env)

    async def _begin_with(self, sandbox: Sandbox, env: dict[str, str]) -> None:
        """Serve a new sandbox."""
        if self.state == "dead":  # given up meanwhile
            await sandbox.destroy()
            return
        attached = self._attach(sandbox)
        if self._held:
            await self._start_extensions(attached, env)
        elif self._exchange is not None and attached.takes_events_ahead:
            self._deliver(self._exchange)  # to be taken when the initialisation is done

    def begin(self, request: Request) -> Exchange:
        """Serve a request. The environment must be idle and awake, or still to be created."""
        exchange = Exchange(request, self._loop)
        self._exchange = exchange
        if request.tail:
            self._output.begin_tail()
        if self.state == "idle":
            self.state = "busy"
            self._start_invoke(exchange)
        return exchange

    def _without_entry_point(self) -> None:
        """A custom runtime without a bootstrap: the invocation fails without a sandbox."""
        self.state = "busy"
        exchange = self._exchange
        if exchange is not None:
            exchange.started = time.perf_counter()
            self._journal.start(exchange.request.request_id)
            self._fail(exchange, failures.no_bootstrap())
            self._finish(exchange)
        else:
            self.initialised.set_exception(InitFailed("Runtime.InvalidEntrypoint", None))
        self.kill()

    async def freeze(self) -> None:
        """Stop every process until `wake`."""
        if self.state == "idle" and self._attached is not None:
            await self._attached.freeze()

    async def wake(self) -> None:
        """Let a frozen environment run again."""
        if self._attached is not None:
            await self._attached.thaw()

    async def shutdown(self, reason: str = "spindown") -> None:
        """End an environment: its extensions get their SHUTDOWN event and their time."""
        if self.state == "dead":
            return
        self.retired = True
        if self._extensions.any and self.state == "idle":
            self.state = "busy"
            await self.wake()
            await self._extensions.shutdown(reason)
        self.kill()

    def take_snapshot(self) -> Snapshot:
        """Hand over the process that has initialised the version. The environment's state must be so."""
        assert self._attached is not None and self.state == "snapshot"
        self._attached.hand_over()
        sandbox = self._attached.sandbox
        self._taken = Snapshot(self._ground, sandbox, self.spec.tmp_mb, self.spec.memory_mb)
        return self._taken

    async def shutdown_snapshot(self) -> None:
        """End the snapshot's process when no environment that was forked from it lives any more."""
        if self._taken is not None:
            await self._taken.until_unused()
        self.kill()

    def kill(self) -> None:
        """End the environment now; what it held is released in the background."""
        if self.state == "dead":
            return
        self.state = "dead"
        self._cancel_timer()
        if self._taken is not None:
            self._taken.close()
        self._release()
        self._output.flush()
        if not self.initialised.done():
            self.initialised.cancel()
        self._on_dead(self)

    @property
    def frozen(self) -> bool:
        """Whether its processes are stopped."""
        return self._attached is not None and self._attached.frozen

    @property
    def was_initialised(self) -> bool:
        """Whether its initialisation has succeeded."""
        done = self.initialised
        return done.done() and not done.cancelled() and done.exception() is None

    @property
    def memory_mb(self) -> int:
        """Most memory that was in use."""
        return self._memory_mb

    # from the transports (RuntimeEvents, StreamEvents)

    def runtime_ready(self) -> None:
        if self._runtime_ready or self.state == "dead":
            return
        self._runtime_ready = self._runtime_idle = True
        self._init_progress()

    def runtime_answered(self, body: bytes | None, content_type: str) -> None:
        exchange = self._answer()
        if exchange is None:
            return
        if body is None:
            self._fail(exchange, failures.response_too_large(PAYLOAD_LIMIT))
        else:
            exchange.content_type = content_type
            exchange.invocation.payload = body
        self._respond(exchange)

    def runtime_failed(self, body: bytes) -> None:
        exchange = self._answer()
        if exchange is not None:
            exchange.invocation.payload = body
            exchange.invocation.function_error = "Unhandled"
            self._respond(exchange)

    def runtime_idle(self) -> None:
        self._runtime_idle = True
        self._progress()

    def runtime_init_failed(self, error_type: str, body: bytes) -> None:
        self._init_error = (error_type, body)  # its process exits now, and that is what counts

    def runtime_at_snapshot(self) -> None:
        if self._attached is None or self.state != "init" or self.initialization_type != SNAP_START:
            return
        self._cancel_timer()
        self._output.drain()
        self._journal.add(self._log.init_done(self._elapsed_ms(), self._phase, "success", None))
        self._output.flush()
        self.state = "snapshot"
        if not self.initialised.done():
            self.initialised.set_result(None)

    def runtime_restore_failed(self, error_type: str, body: bytes) -> None:
        self._init_error = (error_type, body)

    def stream_opened(self, stream: BodyStream, content_type: str) -> None:
        exchange = self._exchange
        if exchange is None or exchange.answered:
            stream.drop()
            return
        exchange.stream = stream
        exchange.content_type = content_type
        if exchange.opened is None:  # the caller wants it whole
            self._ground.run(self._collect(exchange, stream))
        exchange.open()

    def stream_closed(self, error_type: str | None, body: bytes) -> None:
        exchange = self._exchange
        if exchange is None or exchange.stream is None or exchange.answered:
            return
        exchange.answered = True
        if error_type is not None:
            exchange.invocation.function_error = "Unhandled"
            exchange.invocation.error_type = error_type
            exchange.invocation.payload = body
        exchange.stream.end()
        if exchange.opened is not None or error_type is not None:
            self._respond(exchange)

    # the initialisation

    def _attach(self, sandbox: Sandbox) -> Attachment:
        """Begin to serve a new sandbox."""
        self.state = "init"
        self._init_started = time.perf_counter()
        self._attached = Attachment(sandbox, self, self._ground, self._output, self._extensions, self._keys)
        limit = float(self.spec.timeout_s) if self._phase == "invoke" else INIT_LIMIT_S
        self._timer = self._loop.call_later(limit, self._expired)
        return self._attached

    def _release(self) -> None:
        """Give up the sandbox; what it holds is released in the background."""
        attached, self._attached = self._attached, None
        if attached is not None:
            self._memory_mb = max(self._memory_mb, attached.detach())
            self._ground.run(attached.sandbox.destroy())

    async def _start_extensions(self, attached: Attachment, env: dict[str, str]) -> None:
        """Start the external extensions; the runtime follows when all have registered."""
        self._extensions.expect(self._entry.extensions)
        for name in self._entry.extensions:
            process = await attached.sandbox.spawn([f"/opt/extensions/{name}"], env)
            self._ground.run(self._watch_extension(attached, name, process))

    async def _watch_extension(self, attached: Attachment, name: str, process: Process) -> None:
        end = await process.wait()
        if self._attached is not attached or self.retired:
            return
        failure = failures.extension_crashed(end)
        self._output.drain()
        self._journal.add(self._log.extension(name, "ExitError", [], failure.error_type))
        self._broken(failure)

    def _extensions_changed(self) -> None:
        if self._held and self._extensions.all_registered and self._attached is not None:
            self._held = False
            self._ground.run(self._attached.sandbox.start())
        if self.state == "init":
            self._init_progress()
        else:
            self._progress()

    def _init_progress(self) -> None:
        """Go on to the first invocation when the runtime and every extension are ready."""
        if not self._runtime_ready or self.state != "init":
            return
        if self._extensions.any and not self._extensions.all_ready:
            return
        self._extensions.close_registration()
        self._cancel_timer()
        self._output.drain()
        self._note_init_done()
        if self._attached is not None:
            self._attached.sandbox.end_init()
        for name, events in self._extensions.described():
            self._journal.add(self._log.extension(name, "Ready", events, None))
        if not self.initialised.done():
            self.initialised.set_result(None)
        exchange = self._exchange
        if exchange is None:
            self._rest()
        else:
            self.state = "busy"
            self._start_invoke(exchange)

    def _note_init_done(self) -> None:
        """Say once, and remember, how long the initialisation or restore took."""
        if self._init_noted:
            return
        self._init_noted = True
        millis = self._elapsed_ms()
        if self._phase == "restore":
            self._restore_ms = millis
            self._journal.add(self._log.restore_done(millis, "success", None))
            return
        if self._phase == "init":
            self._init_ms = millis
        self._journal.add(self._log.init_done(millis, self._phase, "success", None))

    def _init_broken(self, failure: Failure) -> None:
        """The initialisation failed: repeat it inside the invocation, or fail that when it was repeated."""
        millis = self._elapsed_ms()
        if self._init_error is not None:
            error_type: str | None = self._init_error[0]
        else:
            error_type = failure.error_type if failure.status == "error" else None
        self._release()
        self._cancel_timer()
        if self._phase == "restore":
            self._journal.add(self._log.restore_done(millis, failure.status, error_type))
        elif failure.status != "timeout" or self._phase == "init":
            self._journal.add(self._log.init_done(millis, self._phase, failure.status, error_type))
        exchange = self._exchange
        if exchange is not None and self._phase == "init":
            self._ground.run(self._initialise_again())
            return
        if not self.initialised.done():
            self.initialised.set_exception(InitFailed(error_type or "Runtime.Unknown", self._init_error))
            self.initialised.exception()  # nobody may be waiting
        if exchange is not None:
            self._journal.start(exchange.request.request_id)
            if self._init_error is not None:
                self._fail_init(exchange, *self._init_error)
            else:
                self._fail(exchange, failure)
            self._finish(exchange)
        self.kill()

    @staticmethod
    def _fail_init(exchange: Exchange, error_type: str, body: bytes) -> None:
        """Answer with the error that the runtime reported from its initialisation."""
        invocation = exchange.invocation
        exchange.answered = True
        invocation.payload = body
        invocation.function_error = "Unhandled"
        invocation.status, invocation.error_type = "error", error_type
        if exchange.started:
            invocation.duration_ms = (time.perf_counter() - exchange.started) * 1000

    async def _initialise_again(self) -> None:
        """The init phase failed: run it once more, in the invocation's time."""
        exchange = self._exchange
        if exchange is None or self.state == "dead":
            return
        self._phase = "invoke"
        self.state = "creating"
        self._init_error = None
        self._init_noted = False
        self._runtime_ready = self._runtime_idle = False
        self._extensions = Extensions(self.spec, self._extensions_changed)
        exchange.started = time.perf_counter()
        exchange.delivered = False
        try:
            await self.create()
        except Exception as problem:
            self._fail(exchange, Failure("Runtime.ExitError", str(problem)))
            self._finish(exchange)
            self.kill()
            raise

    # an invocation

    def _start_invoke(self, exchange: Exchange) -> None:
        """The function's time begins."""
        self._runtime_idle = False
        self._journal.start(exchange.request.request_id)
        if self._phase != "invoke" or not exchange.started:
            exchange.started = time.perf_counter()
        left = self.spec.timeout_s - (time.perf_counter() - exchange.started)
        self._timer = self._loop.call_later(left, self._expired)
        if not exchange.delivered:
            self._deliver(exchange)
        if self._extensions.any:
            self._extensions.invoke(exchange.request, int((time.time() + left) * 1000))

    def _deliver(self, exchange: Exchange) -> None:
        exchange.delivered = True
        request = exchange.request
        assert self._attached is not None
        self._attached.transport.invoke(
            request.request_id,
            request.arn,
            request.trace_id,
            request.client_context,
            request.event,
            self.spec.timeout_s * 1000,
        )

    def _answer(self) -> Exchange | None:
        """The exchange that an answer is for; None for an answer that nobody asked for."""
        exchange = self._exchange
        if exchange is None or exchange.answered or self.state != "busy":
            return None
        exchange.answered = True
        return exchange

    def _respond(self, exchange: Exchange) -> None:
        """The answer is there: give it to the caller, unless the log's tail must come with it."""
        exchange.invocation.duration_ms = (time.perf_counter() - exchange.started) * 1000
        self._progress()
        if self._exchange is exchange and not exchange.request.tail:
            self._loop.call_later(_LINGER_S, exchange.resolve)

    def _progress(self) -> None:
        """An invocation is over when it was answered and the runtime and the extensions are idle again."""
        exchange = self._exchange
        if exchange is None or not exchange.answered or not self._runtime_idle or self.state != "busy":
            return
        if self._extensions.any and not self._extensions.idle:
            return
        self._cancel_timer()
        self._output.drain()
        self._finish(exchange)
        if self.retired:
            self._ground.run(self._retire())
        else:
            self._rest()

    async def _retire(self) -> None:
        self.state = "idle"
        await self.shutdown()

    def _finish(self, exchange: Exchange) -> None:
        """Write END and REPORT and give the result to the caller."""
        invocation = exchange.invocation
        if self._attached is not None:
            self._memory_mb = self._attached.sandbox.memory_peak_mb()
        invocation.memory_mb = min(self._memory_mb, self.spec.memory_mb)
        init_ms, self._init_ms = self._init_ms, None
        invocation.init_ms = init_ms
        invocation.restore_ms, self._restore_ms = self._restore_ms, None
        billed = invocation.duration_ms
        if init_ms is not None and self.initialization_type == "on-demand":
            billed += init_ms  # billed since August 2025
        invocation.billed_ms = math.ceil(billed)
        self._journal.end(invocation, exchange.request.tail)
        self._exchange = None
        exchange.resolve()

    def _fail(self, exchange: Exchange, failure: Failure) -> None:
        """Answer with a failure of the platform's."""
        invocation = exchange.invocation
        exchange.answered = True
        invocation.function_error = "Unhandled"
        invocation.error_type = failure.error_type
        invocation.status = failure.status
        invocation.payload = failure.payload(invocation.request_id)
        invocation.duration_ms = (time.perf_counter() - exchange.started) * 1000 if exchange.started else 0.0
        if failure.status == "timeout":
            invocation.duration_ms = self.spec.timeout_s * 1000.0
        self._journal.fault(invocation.request_id, failure)
        if exchange.stream is not None:
            exchange.stream.end()

    def _rest(self) -> None:
        """Nothing to do: back to the pool."""
        self.state = "idle"
        self.idle_since = time.perf_counter()
        self._output.flush()
        self._on_idle(self)

    # ends

    def sandbox_exited(self, attached: Attachment, end: Exit) -> None:
        if self._attached is attached:
            self._output.drain()
            self._broken(failures.exited(end))

    def _expired(self) -> None:
        """The time of the init phase or of the invocation is over."""
        self._timer = None
        self._output.drain()
        self._broken(failures.timed_out(self.spec.timeout_s))

    def _broken(self, failure: Failure) -> None:
        """The environment cannot go on."""
        if self.state == "init":
            self._init_broken(failure)
            return
        exchange = self._exchange
        if exchange is not None and self.state == "busy":
            if not exchange.answered:
                self._fail(exchange, failure)
            self._finish(exchange)
        self.kill()

    async def _collect(self, exchange: Exchange, stream: BodyStream) -> None:
        """Gather a streamed answer for a caller who wants it whole."""
        parts: list[bytes] = []
        size = 0
        async for chunk in stream.chunks():
            size += len(chunk)
            if size <= PAYLOAD_LIMIT:
                parts.append(chunk)
            else:
                parts.clear()
        if exchange is not self._exchange or exchange.invocation.function_error is not None:
            return
        if size > PAYLOAD_LIMIT:
            self._fail(exchange, failures.response_too_large(PAYLOAD_LIMIT))
        else:
            exchange.invocation.payload = b"".join(parts)
        self._respond(exchange)

    # small things

    def _init_mark(self) -> None:
        """The function's output has come to where its initialisation ended."""
        if self._exchange is not None and self._exchange.delivered:
            self._note_init_done()
            self._journal.start(self._exchange.request.request_id)

    def _credentials(self) -> Credentials | None:
        spec = self.spec
        return self._ground.credentials_for(spec.role_arn, spec.account, spec.name)

    def _elapsed_ms(self) -> float:
        """Since the initialisation or restore began."""
        return (time.perf_counter() - self._init_started) * 1000

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
