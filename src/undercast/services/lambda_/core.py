"""What every part of the Lambda service stands on: store, directory, code, counters, and the engine."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from undercast.services.lambda_ import engines, errors
from undercast.services.lambda_.code import CodeStore
from undercast.services.lambda_.directory import Directory
from undercast.services.lambda_.download_key import load_key
from undercast.services.lambda_.metrics import Meter
from undercast.services.lambda_.model import Function, Key
from undercast.services.lambda_.names import LATEST, Ref, function_arn
from undercast.services.lambda_.slots import Slots
from undercast.store.tables.lambda_functions import LambdaAttachment, LambdaFunction, LambdaVersion

if TYPE_CHECKING:
    from undercast.cloud import Cloud

T = TypeVar("T")


class Core:
    """Shared by all resources of the service."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.settings = cloud.settings
        self.store = cloud.store
        self.engine, self.sandboxes = engines.make(cloud)
        cloud.functions = self.engine
        self.code = CodeStore(cloud.settings.data / "functions" / "code")
        self.directory = Directory(cloud.store, self.code.root)
        self.slots = Slots(cloud.settings.functions_concurrency, self.directory.functions)
        self.download_key = load_key(cloud.settings.data / "functions" / "download.key")
        self.meter = Meter(cloud)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._updating: set[Key] = set()
        self._guard = threading.Lock()
        # Held while a policy, a URL or a share of concurrency is read, checked and written: such changes are
        # short and follow one another, where those of code and configuration refuse each other.
        self.changing = threading.Lock()

    def runtime_problem(self, runtime: str) -> str | None:
        """Why this machine cannot run a runtime, or None when it can."""
        if not self.settings.functions_enabled:
            return "Functions are switched off here (functions_enabled)."
        if not (able := self.sandboxes.capability).available:
            reason = able.reason or "functions are not available"
            return f"{reason[:1].upper()}{reason[1:]}."
        offered = self.sandboxes.runtimes()
        found = offered.get(runtime)
        if found is not None:
            return found.missing
        usable = sorted(name for name, one in offered.items() if one.missing is None)
        return f"This machine runs: {', '.join(usable)}."

    def start(self) -> None:
        """Read the directory; called on the event loop, before anything is served."""
        self._loop = asyncio.get_running_loop()
        self.directory.load()
        self.slots.refresh()

    async def stop(self) -> None:
        """Cancel what runs in the background."""
        self.meter.flush()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def on_loop(self, action: Callable[..., object], *arguments: object) -> None:
        """Run a quick function on the event loop, from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(action, *arguments)

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a coroutine run on the event loop, from any thread, until it ends or the server stops."""
        if self._loop is None:
            work.close()
            return
        self._loop.call_soon_threadsafe(self._spawn, work)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do blocking work (the store) away from the event loop."""
        return await asyncio.to_thread(work, *arguments)

    def changed(self, key: Key) -> Function | None:
        """Take over a committed change of a function: directory, counters."""
        function = self.directory.reload(key)
        self.on_loop(self.slots.refresh)
        if function is not None:
            self.on_loop(self.engine.expect, function.latest.spec.runtime)
        return function

    def retire(self, key_prefix: str) -> None:
        """Let the environments of a replaced or deleted version go."""
        self.on_loop(self.engine.retire, key_prefix)

    @contextlib.contextmanager
    def updating(self, ref: Ref) -> Iterator[None]:
        """Hold a function while it is changed; whoever comes meanwhile gets AWS's 409."""
        with self._guard:
            if ref.key in self._updating:
                raise errors.conflict(
                    "The operation cannot be performed at this time. "
                    f"An update is in progress for resource: {ref.arn}"
                )
            self._updating.add(ref.key)
        try:
            yield
        finally:
            with self._guard:
                self._updating.discard(ref.key)

    def attach(self, session: Session, key: Key, qualifier: str, kind: str, document: dict[str, Any]) -> None:
        """Put a document on a function's qualifier, in place of the one that was there.

        Raises 404 for a function deleted meanwhile: its next namesake must not inherit anything.
        """
        if session.get(LambdaFunction, key) is None:
            raise errors.function_missing(function_arn(*key))
        row = session.get(LambdaAttachment, (*key, qualifier, kind))
        if row is None:
            account, region, name = key
            row = LambdaAttachment(account=account, region=region, name=name, qualifier=qualifier, kind=kind)
            session.add(row)
        row.document = document

    def detach(self, session: Session, key: Key, qualifier: str, kind: str | None = None) -> None:
        """Take a document (or all of them) off a function's qualifier."""
        table = LambdaAttachment
        where = [table.account == key[0], table.region == key[1], table.name == key[2]]
        where.append(table.qualifier == qualifier)
        if kind is not None:
            where.append(table.kind == kind)
        session.execute(delete(table).where(*where))


def row_of(session: Session, ref: Ref) -> LambdaFunction:
    """The function's row, inside a transaction. Raises 404."""
    row = session.get(LambdaFunction, ref.key)
    if row is None:
        raise errors.function_missing(ref.arn)
    return row


def version_row(session: Session, ref: Ref, version: str = LATEST) -> LambdaVersion:
    """The row of a version, inside a transaction. Raises 404."""
    row = session.get(LambdaVersion, (*ref.key, version))
    if row is None:
        raise errors.function_missing(ref.arn if version == LATEST else f"{ref.arn}:{version}")
    return row


def all_of(session: Session, table: Any, key: Key) -> list[Any]:
    """Every row of a table that belongs to a function."""
    where = (table.account == key[0], table.region == key[1], table.name == key[2])
    return list(session.scalars(select(table).where(*where)))


def spec_key(key: Key, version: str) -> str:
    """A key no other code and configuration ever had: the engine keeps environments by it."""
    return f"{'/'.join(key)}/{version}/{uuid.uuid4().hex[:12]}"


def new_revision() -> str:
    """A revision id."""
    return str(uuid.uuid4())


def timestamp(unix: float) -> str:
    """A time as FunctionConfiguration writes it: `2024-01-31T23:59:59.123+0000`."""
    moment = dt.datetime.fromtimestamp(unix, dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def url_timestamp(unix: float) -> str:
    """A time as function URLs and layers write it elsewhere: `2024-01-31T23:59:59.123456Z`."""
    return dt.datetime.fromtimestamp(unix, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def now() -> float:
    """The current Unix time."""
    return time.time()
