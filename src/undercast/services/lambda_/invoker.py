"""How other services run functions: by name or ARN, if the function's policy lets them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from undercast.services.base import AwsError
from undercast.services.lambda_ import errors, limits, names, policy, running
from undercast.services.lambda_.asynchronous import Events
from undercast.services.lambda_.core import Core
from undercast.services.lambda_.model import Function
from undercast.services.lambda_.names import LATEST, Ref


@dataclass(frozen=True, slots=True)
class InvokeResult:
    """What came of an invocation."""

    status: int  # 200, or 202 for an asynchronous one
    payload: bytes
    function_error: str | None
    executed_version: str
    request_id: str
    log_tail: bytes = b""


class LambdaInvoker:
    """Runs functions in the name of a service."""

    def __init__(self, core: Core, events: Events) -> None:
        self._core = core
        self._events = events

    async def invoke(
        self,
        account: str,
        region: str,
        function: str,
        payload: bytes,
        *,
        qualifier: str | None = None,
        source_principal: str = "apigateway.amazonaws.com",
        source_arn: str | None = None,
        source_account: str | None = None,
        async_: bool = False,
        request_id: str | None = None,
        trace_id: str | None = None,
        trusted: bool = False,
    ) -> InvokeResult:
        """Run a function given by name, partial or full ARN.

        `account` and `region` are the caller's; an ARN may name another account, whose policy then decides.
        `trusted` callers act with a role instead, and the policy is not asked. Raises AccessDeniedException
        (403), ResourceNotFoundException (404), TooManyRequestsException (429) and Invoke's other errors.
        """
        if len(payload) > (limits.ASYNC_PAYLOAD if async_ else limits.SYNC_PAYLOAD):
            raise errors.request_too_large(limits.ASYNC_PAYLOAD if async_ else limits.SYNC_PAYLOAD)
        ref = names.parse_arn(account, region, function, qualifier)
        found = self._core.directory.functions.get(ref.key)
        if found is None or not found.exists(ref.qualifier):
            raise errors.function_missing(ref.qualified_arn)
        if not trusted and not self._allowed(
            found, ref, source_principal, source_arn, source_account or account
        ):
            raise AwsError(
                "AccessDeniedException",
                f"{source_principal} is not authorized to perform: {policy.INVOKE} on resource: "
                f"{ref.qualified_arn}",
                403,
            )
        version = found.serving(ref.qualifier)
        request_id = request_id or str(uuid.uuid4())
        if async_:
            running.check_state(version)
            await self._events.accept(ref, payload, request_id=request_id, trace_id=trace_id)
            return InvokeResult(202, b"", None, version.version, request_id)
        invocation = await running.run(
            self._core,
            found,
            version,
            payload,
            request_id=request_id,
            invoked_arn=ref.qualified_arn,
            trace_id=trace_id,
        )
        return InvokeResult(
            200,
            invocation.payload,
            invocation.function_error,
            version.version,
            invocation.request_id,
            invocation.log_tail,
        )

    def exists(self, account: str, region: str, function: str, qualifier: str | None = None) -> bool:
        """Whether a function, and the version or alias named with it, is there."""
        ref = names.parse_arn(account, region, function, qualifier)
        found = self._core.directory.functions.get(ref.key)
        return found is not None and found.exists(ref.qualifier)

    @staticmethod
    def _allowed(
        function: Function, ref: Ref, principal: str, source_arn: str | None, source_account: str
    ) -> bool:
        context = {"aws:sourceaccount": source_account}
        if source_arn is not None:
            context["aws:sourcearn"] = source_arn
        asker = policy.Asker(service=principal, context=context)
        return policy.allows(function.policies.get(ref.qualifier or LATEST), policy.INVOKE, asker)
