"""Invoke, InvokeWithResponseStream and the old InvokeAsync: the hot path. No disk, no threads."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

from undercast.services.base import Call, Params, Result
from undercast.services.lambda_ import errors, limits, names, policy, running
from undercast.services.lambda_.asynchronous import Events
from undercast.services.lambda_.core import Core
from undercast.services.lambda_.model import Function
from undercast.services.lambda_.names import LATEST, Ref


class Invocations:
    """The operations that run functions."""

    def __init__(self, core: Core, events: Events) -> None:
        self._core = core
        self._events = events

    async def invoke(self, call: Call, params: Params) -> Result:
        kind = params.get("InvocationType") or "RequestResponse"
        payload: bytes = params.get("Payload") or b""
        if params.get("TenantId"):
            raise errors.unsupported("TenantId", "Leave it out.")
        if params.get("DurableExecutionName"):
            raise errors.unsupported("DurableExecutionName", "Leave it out.")
        context = running.check_client_context(params.get("ClientContext"))
        _check_size(payload, limits.ASYNC_PAYLOAD if kind == "Event" else limits.SYNC_PAYLOAD)
        ref, function = self._find(call, params)
        if kind == "Event":
            return await self._event(call, ref, function, payload, context)
        version = function.serving(ref.qualifier)
        running.check_payload(payload)
        if kind == "DryRun":
            return {"StatusCode": 204}
        invocation = await running.run(
            self._core,
            function,
            version,
            payload,
            request_id=call.request_id,
            invoked_arn=ref.qualified_arn,
            client_context=context,
            trace_id=call.headers.get("x-amzn-trace-id"),
            tail=params.get("LogType") == "Tail",
        )
        result: Result = {
            "StatusCode": 200,
            "ExecutedVersion": version.version,
            "Payload": invocation.payload,
        }
        if invocation.function_error:
            result["FunctionError"] = invocation.function_error
        if params.get("LogType") == "Tail":
            result["LogResult"] = base64.b64encode(invocation.log_tail).decode()
        return result

    async def invoke_async(self, call: Call, params: Params) -> Result:
        payload: bytes = params.get("InvokeArgs") or b""
        _check_size(payload, limits.ASYNC_PAYLOAD)
        ref, function = self._find(call, params)
        await self._event(call, ref, function, payload, None)
        return {"Status": 202}

    async def invoke_with_response_stream(self, call: Call, params: Params) -> Result:
        payload: bytes = params.get("Payload") or b""
        context = running.check_client_context(params.get("ClientContext"))
        _check_size(payload, limits.SYNC_PAYLOAD)
        ref, function = self._find(call, params)
        version = function.serving(ref.qualifier)
        running.check_payload(payload)
        if params.get("InvocationType") == "DryRun":
            return {"StatusCode": 204}
        tail = params.get("LogType") == "Tail"
        held = await running.stream(
            self._core,
            function,
            version,
            payload,
            request_id=call.request_id,
            invoked_arn=ref.qualified_arn,
            client_context=context,
            trace_id=call.headers.get("x-amzn-trace-id"),
            tail=tail,
        )
        return {
            "StatusCode": 200,
            "ExecutedVersion": version.version,
            "ResponseStreamContentType": held.streaming.content_type or "application/octet-stream",
            "EventStream": EventStream(held, tail),
        }

    async def _event(
        self, call: Call, ref: Ref, function: Function, payload: bytes, context: str | None
    ) -> Result:
        running.check_payload(payload)
        version = function.serving(ref.qualifier)
        running.check_state(version)
        await self._events.accept(
            ref,
            payload,
            request_id=call.request_id,
            client_context=context,
            trace_id=call.headers.get("x-amzn-trace-id"),
        )
        return {"StatusCode": 202}

    def _find(self, call: Call, params: Params) -> tuple[Ref, Function]:
        ref = names.parse(call, params["FunctionName"], params.get("Qualifier"), foreign=True)
        function = self._core.directory.functions.get((ref.account, ref.region, ref.name))
        if ref.account != call.account:
            _check_foreign(call, ref, function)
        if function is None:
            raise errors.function_missing(f"{ref.arn}:{ref.qualifier or LATEST}")
        if not function.exists(ref.qualifier):
            raise errors.function_missing(ref.qualified_arn)
        return ref, function


class EventStream:
    """The events of a streamed answer: payload chunks, then how it ended."""

    def __init__(self, held: running.HeldStream, tail: bool) -> None:
        self._held = held
        self._tail = tail
        self._complete = False

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        return self

    async def __anext__(self) -> dict[str, Any]:
        if self._complete:
            raise StopAsyncIteration
        try:
            return {"PayloadChunk": {"Payload": await anext(self._held)}}
        except StopAsyncIteration:
            self._complete = True
            return {"InvokeComplete": self._end()}

    async def aclose(self) -> None:
        """Stop reading."""
        self._complete = True
        await self._held.aclose()

    def _end(self) -> dict[str, Any]:
        invocation = self._held.streaming.invocation
        end: dict[str, Any] = {}
        if invocation.function_error:
            end["ErrorCode"] = invocation.function_error
            end["ErrorDetails"] = invocation.payload.decode(errors="replace")
        if self._tail:
            end["LogResult"] = base64.b64encode(invocation.log_tail).decode()
        return end


def _check_size(payload: bytes, limit: int) -> None:
    if len(payload) > limit:
        raise errors.request_too_large(limit)


def _check_foreign(call: Call, ref: Ref, function: Function | None) -> None:
    """A caller of another account needs the function's own policy."""
    asker = policy.Asker(principal_arn=call.principal_arn, account=call.account)
    found = function.policies.get(ref.qualifier or LATEST) if function is not None else None
    if not policy.allows(found, policy.INVOKE, asker):
        raise errors.not_authorized(call.principal_arn, policy.INVOKE, ref.qualified_arn)
