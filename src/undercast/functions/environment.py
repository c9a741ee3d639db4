"""One execution environment: creating -> init -> idle -> busy -> idle ... -> dead."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from undercast.functions import failures
from undercast.functions.attachment import Attachment
from undercast.functions.container_keys import ContainerKeys
from undercast.functions.entry import Entry, runtime_version_arn, sandbox_spec
from undercast.functions.exchange import Exchange, Request
from undercast.functions.extensions import Extensions
from undercast.functions.failures import Failure
from undercast.functions.function import (
    Credentials,
    EnvironmentState,
    FunctionSpec,
    FunctionsUnavailable,
    InitFailed,
)
from undercast.functions.ground import Ground, Sandbox
from undercast.functions.journal import Journal
from undercast.functions.snapshots import Snapshot
from undercast.functions.spec import Exit
from undercast.functions.startup import Startup
from undercast.functions.variables import variables

SNAP_START = "snap-start"  # as AWS_LAMBDA_INITIALIZATION_TYPE says
# How long an answer waits for its runtime and extensions to be free: the next request then finds them warm.
_LINGER_S = 0.02
_EXIT_S = 0.5  # how long a runtime that has reported a failed initialisation may take to exit


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
        self.memory_mb = 0  # most that was in use
        self.expires = math.inf  # perf_counter when its keys grow old
        self.initialization_type = initialization_type
        self.runtime_version = entry.runtime_version
        self.runtime_version_arn = runtime_version_arn(spec.region, spec.runtime)
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
        self._startup = Startup(
            self._journal, restored=snapshot is not None, ahead=initialization_type != "on-demand"
        )
        self._runtime_ready = False
        self._runtime_idle = False
        self._keys: ContainerKeys | None = None
        self._taken: Snapshot | None = None  # the snapshot that this environment's process is
        self._held = False  # the runtime waits for external extensions

    # from the pool

    async def create(self) -> None:
        """Make the sandbox and begin the initialisation. Raises SandboxError."""
        self._startup.announce(self._entry.statement)
        if self._entry.broken is not None:
            self._init_broken(self._entry.broken)
            return
        if self._snapshot is not None:
            await self._begin_with(await self._snapshot.fork(self._journal.variables), {})
            return
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
            sandbox_spec(spec, entry, env, snapshot=self.initialization_type == SNAP_START)
        )
        await self._begin_with(sandbox, env)

    async def _begin_with(self, sandbox: Sandbox, env: dict[str, str]) -> None:
        """Serve a new sandbox."""
        if self.state == "dead":  # given up meanwhile
            await sandbox.destroy()
            return
        attached = self._attach(sandbox)
        if self._held:
            self._extensions.expect(self._entry.extensions)
            await attached.start_extensions(self._entry.extensions, env)
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
        if self._exchange is not None:
            self._exchange.abandon(FunctionsUnavailable("The environment was ended by the server."))
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

    # from the transports (RuntimeEvents, Served)

    def runtime_ready(self) -> None:
        if self._runtime_ready or self.state == "dead":
            return
        self._runtime_ready = self._runtime_idle = True
        self._init_progress()

    def runtime_idle(self) -> None:
        self._runtime_idle = True
        self._progress()

    def runtime_init_failed(self, error_type: str, body: bytes) -> None:
        self._startup.reported = (error_type, body)
        # its process exits now, and that is what counts; one that does not is ended
        self._loop.call_later(_EXIT_S, self._init_given_up, self._attached)

    def runtime_at_snapshot(self) -> None:
        if self._attached is None or self.state != "init" or self.initialization_type != SNAP_START:
            return
        self._cancel_timer()
        self._output.drain()
        self._startup.done()
        self._output.flush()
        self.state = "snapshot"
        if not self.initialised.done():
            self.initialised.set_result(None)

    def runtime_restore_failed(self, error_type: str, body: bytes) -> None:
        self.runtime_init_failed(error_type, body)

    # the initialisation

    def _attach(self, sandbox: Sandbox) -> Attachment:
        """Begin to serve a new sandbox."""
        self.state = "init"
        self._startup.begin()
        self._attached = Attachment(sandbox, self, self._ground, self._output, self._extensions, self._keys)
        self._timer = self._loop.call_later(self._startup.limit_s(self.spec.timeout_s), self._expired)
        return self._attached

    def _release(self) -> None:
        """Give up the sandbox; what it holds is released in the background."""
        attached, self._attached = self._attached, None
        if attached is not None:
            self.memory_mb = max(self.memory_mb, attached.detach())
            self._ground.run(attached.sandbox.destroy())

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
        self._startup.done()
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

    def _init_broken(self, failure: Failure) -> None:
        """The initialisation failed: repeat it inside the invocation, or fail that when it was repeated."""
        self._release()
        self._cancel_timer()
        error_type = self._startup.failed(failure)
        exchange = self._exchange
        if exchange is not None and self._startup.phase == "init":
            self._ground.run(self._initialise_again())
            return
        reported = self._startup.reported
        if not self.initialised.done():
            self.initialised.set_exception(InitFailed(error_type or "Runtime.Unknown", reported))
            self.initialised.exception()  # nobody may be waiting
        if exchange is not None:
            self._journal.start(exchange.request.request_id)
            if reported is not None:
                exchange.answer_error(reported[1], error_type, "error")
            else:
                self.fail(exchange, failure)
            self._finish(exchange)
        self.kill()

    def _init_given_up(self, attached: Attachment | None) -> None:
        if self.state == "init" and self._attached is attached:
            self._output.drain()
            self._init_broken(Failure("Runtime.ExitError", "Runtime exited without providing a reason"))

    async def _initialise_again(self) -> None:
        """The init phase failed: run it once more, in the invocation's time."""
        exchange = self._exchange
        if exchange is None or self.state == "dead":
            return
        self._startup.repeat()
        self.state = "creating"
        self._runtime_ready = self._runtime_idle = False
        self._extensions = Extensions(self.spec, self._extensions_changed)
        exchange.started = time.perf_counter()
        exchange.delivered = False
        try:
            await self.create()
        except Exception as problem:
            self.fail(exchange, Failure("Runtime.ExitError", str(problem)))
            self._finish(exchange)
            self.kill()
            raise

    # an invocation

    def _start_invoke(self, exchange: Exchange) -> None:
        """The function's time begins."""
        self._runtime_idle = False
        self._journal.start(exchange.request.request_id)
        if self._startup.phase != "invoke" or not exchange.started:
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

    def unanswered(self) -> Exchange | None:
        """The exchange that an answer is for; None for an answer that nobody asked for."""
        exchange = self._exchange
        return None if exchange is None or exchange.answered or self.state != "busy" else exchange

    def responded(self, exchange: Exchange) -> None:
        """The answer is there: give it to the caller, unless the log's tail must come with it."""
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
            self.memory_mb = self._attached.sandbox.memory_peak_mb()
        invocation.memory_mb = min(self.memory_mb, self.spec.memory_mb)
        startup = self._startup
        init_ms, invocation.restore_ms = startup.init_ms, startup.restore_ms
        startup.init_ms = startup.restore_ms = None
        invocation.init_ms = init_ms
        billed = invocation.duration_ms
        if init_ms is not None and self.initialization_type == "on-demand":
            billed += init_ms  # billed since August 2025
        invocation.billed_ms = math.ceil(billed)
        self._journal.end(invocation, exchange.request.tail)
        self._exchange = None
        exchange.resolve()

    def fail(self, exchange: Exchange, failure: Failure) -> None:
        """Answer with a failure of the platform's."""
        exchange.fail(failure, self.spec.timeout_s)
        self._journal.fault(exchange.request.request_id, failure)

    def _rest(self) -> None:
        """Nothing to do: back to the pool."""
        self.state = "idle"
        self.idle_since = time.perf_counter()
        self._output.flush()
        self._on_idle(self)

    # ends

    def sandbox_exited(self, end: Exit) -> None:
        self._output.drain()
        self._broken(failures.exited(end))

    def extension_exited(self, name: str, end: Exit) -> None:
        if not self.retired:
            failure = failures.extension_crashed(end)
            self._output.drain()
            self._journal.add(self._log.extension(name, "ExitError", [], failure.error_type))
            self._broken(failure)

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
                self.fail(exchange, failure)
            self._finish(exchange)
        self.kill()

    # small things

    def _init_mark(self) -> None:
        """The function's output has come to where its initialisation ended."""
        if self._exchange is not None and self._exchange.delivered:
            self._startup.done()
            self._journal.start(self._exchange.request.request_id)

    def _credentials(self) -> Credentials | None:
        spec = self.spec
        return self._ground.credentials_for(spec.role_arn, spec.account, spec.name)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
