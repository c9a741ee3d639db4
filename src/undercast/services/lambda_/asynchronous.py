"""Asynchronous invocations: accepted once they are durable, run as slots allow, retried, reported.

The queue in the store is the truth. An event is leased while this process holds it; after a crash the next
start voids the leases and every event that was not finished runs again (at least once, as AWS promises).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Coroutine
from typing import Any

from undercast.functions.function import Invocation
from undercast.services.base import AwsError
from undercast.services.lambda_ import limits, running
from undercast.services.lambda_.core import Core
from undercast.services.lambda_.journal import Journal, Row
from undercast.services.lambda_.messages import TOPIC, Event, new_message
from undercast.services.lambda_.model import Function, Key
from undercast.services.lambda_.names import LATEST, Ref
from undercast.services.lambda_.outcomes import follow_ups
from undercast.services.lambda_.slots import Slot
from undercast.store.queue import Queue

log = logging.getLogger(__name__)

_LEASE_S = 7 * 24 * 3600.0  # this process answers for what it holds until it dies
_AT_ONCE = 512  # runs under way beyond which new events stay in the queue for now
_CLAIM = 64  # events taken from the queue at once
_SYSTEM_RETRY_S = (1.0, 300.0)  # first and longest pause after a failure of our own


class Events:
    """Accepts events and works them off."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._queue = Queue(core.store, TOPIC)
        self._journal = Journal(core.store)
        self._waiting: dict[Key, deque[Event]] = {}  # held, but no slot was free yet
        self._running: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._more = True  # the queue may hold events that are due
        self._loop: asyncio.Task[None] | None = None

    async def accept(
        self,
        ref: Ref,
        payload: bytes,
        *,
        request_id: str,
        client_context: str | None = None,
        trace_id: str | None = None,
    ) -> None:
        """Take an event. When this returns, it is committed."""
        row = new_message(
            ref, payload, request_id=request_id, client_context=client_context, trace_id=trace_id
        )
        # A caller who leaves meanwhile must not take along what the queue has as ours already.
        await asyncio.shield(self._spawn(self._take(ref.key, row)))

    async def _take(self, key: Key, row: Row) -> None:
        # Nobody waiting before it: it is run from here, without a second look into the queue.
        at_once = not self._more and key not in self._waiting and len(self._running) < _AT_ONCE
        if at_once:
            row["leased_until"] = time.time() + _LEASE_S
        id = await self._journal.put(row)
        if not at_once:
            self._more = True
            self._wake.set()
            return
        event = Event(id, key, row["body"], row["created"], 0, row["attributes"])
        if key in self._waiting or not self._begin(event):
            self._waiting.setdefault(key, deque()).append(event)
            self._wake.set()

    async def start(self) -> None:
        """Begin to work."""
        await asyncio.to_thread(self._queue.release_all)
        self._core.slots.released = lambda key: self._wake.set() if self._waiting else None
        self._loop = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Stop working. Events under way stay in the queue and run again after the next start."""
        tasks = [task for task in (self._loop, *self._running) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._journal.close()

    def forget(self, account: str) -> None:
        """Drop what is held for an account whose queue was emptied."""
        for key in [key for key in self._waiting if key[0] == account]:
            del self._waiting[key]

    async def _work(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._claim()
                self._launch()
                pause = await self._pause()
            except Exception:  # the store is locked or away: the events are safe in it
                log.exception("asynchronous invocations: will try again in a second")
                self._more = True
                await asyncio.sleep(1.0)
                continue
            if self._more:
                continue
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                self._more = True

    async def _claim(self) -> None:
        if not self._more:
            return
        self._more = False
        # A function whose events wait for slots already gets no more of them, so that the rest of the queue
        # is reached; they follow once these are through.
        busy = ["/".join(key) for key in self._waiting]
        messages = await asyncio.to_thread(self._queue.claim, _CLAIM, _LEASE_S, busy)
        for message in messages:
            account, region, name = message.key.split("/")
            event = Event(
                message.id,
                (account, region, name),
                message.body,
                message.created,
                message.attempts,
                dict(message.attributes),
            )
            self._waiting.setdefault(event.key, deque()).append(event)
        self._more = self._more or len(messages) == _CLAIM

    def _launch(self) -> None:
        """Start every waiting event for which there is a slot."""
        for key in list(self._waiting):
            waiting = self._waiting[key]
            while waiting and self._begin(waiting[0]):
                waiting.popleft()
            if not waiting:
                del self._waiting[key]
                self._more = True  # more of this function's may be in the queue

    def _begin(self, event: Event) -> bool:
        """Start an event, or settle it without a run. False when it has to wait."""
        function = self._core.directory.functions.get(event.key)
        if function is None or not function.exists(event.qualifier):
            self._spawn(self._finish(event, None, "FunctionGone", None))
            return True
        if time.time() >= event.created + _max_age(function, event):
            self._spawn(self._finish(event, function, "EventAgeExceeded", event.attributes.get("last")))
            return True
        if function.reserved == 0:
            self._spawn(self._finish(event, function, "ZeroReservedConcurrency", None))
            return True
        try:
            version = function.serving(event.qualifier)
            running.check_state(version)
            slot = self._core.slots.take(function, version.version)
        except AwsError:
            return False
        self._spawn(self._run(event, function, version.version, slot))
        return True

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _run(self, event: Event, function: Function, version: str, slot: Slot) -> None:
        arn = f"{function.arn}:{event.qualifier}" if event.qualifier else function.arn
        try:
            invocation = await running.run(
                self._core,
                function,
                function.versions[version],
                event.payload,
                request_id=event.request_id,
                invoked_arn=arn,
                client_context=event.attributes.get("client_context"),
                trace_id=event.attributes.get("trace_id"),
                slot=slot,
            )
        except Exception as error:
            await self._put_back(event, error)
            return
        event.attempts += 1
        last = _response(version, invocation)
        if not invocation.function_error:
            await self._finish(event, function, "Success", last)
            return
        retries = function.event_invoke.get(event.qualifier or LATEST, {}).get("MaximumRetryAttempts")
        if event.attempts > (limits.RETRIES if retries is None else retries):
            await self._finish(event, function, "RetriesExhausted", last)
            return
        event.attributes["last"] = last
        # An event that will be too old by then is reported when it is.
        due = time.time() + self._core.settings.functions_retry_s * event.attempts
        await self._retry(event, min(due, event.created + _max_age(function, event)))

    async def _put_back(self, event: Event, error: Exception) -> None:
        """A failure of ours, not the function's: it costs no attempt."""
        failures = int(event.attributes.get("failures", 0))
        event.attributes["failures"] = failures + 1
        first, longest = _SYSTEM_RETRY_S
        pause = min(longest, first * 2**failures)
        if not isinstance(error, AwsError):
            log.error("asynchronous invocation of %s failed", event.key[2], exc_info=error)
        await self._retry(event, time.time() + pause)

    async def _retry(self, event: Event, due: float) -> None:
        await self._journal.again(
            event.id, due=due, leased_until=0.0, attempts=event.attempts, attributes=event.attributes
        )
        self._wake.set()

    async def _finish(
        self, event: Event, function: Function | None, condition: str, last: dict[str, Any] | None
    ) -> None:
        """Take an event out of the queue, and put what follows from it in, in one transaction."""
        following = follow_ups(self._core, event, function, condition, last) if function is not None else []
        await self._journal.done(event.id, following)
        if following:
            self._more = True
            self._wake.set()

    async def _pause(self) -> float | None:
        """How long there is nothing to do, unless somebody wakes us."""
        if self._more:
            return 0.0
        if self._waiting:
            return (
                1.0  # woken by every slot that gets free; but events also grow too old, and functions change
            )
        due = await asyncio.to_thread(self._queue.next_due)
        return min(max(0.0, due - time.time()), 3600.0) if due is not None else 3600.0


def _max_age(function: Function, event: Event) -> float:
    config = function.event_invoke.get(event.qualifier or LATEST, {})
    return float(config.get("MaximumEventAgeInSeconds") or limits.EVENT_AGE_S)


def _response(version: str, invocation: Invocation) -> dict[str, Any]:
    return {
        "version": version,
        "error": invocation.function_error,
        "payload": invocation.payload.decode(errors="replace"),
    }
