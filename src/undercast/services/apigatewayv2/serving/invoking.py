"""Calling Lambda functions, for integrations and authorizers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from undercast.services.apigatewayv2.lambda_uri import account_of
from undercast.services.apigatewayv2.serving import answers
from undercast.services.base import AwsError

if TYPE_CHECKING:
    from undercast.cloud import Cloud
    from undercast.services.lambda_.invoker import InvokeResult

NO_PERMISSION = (
    "The IAM role configured on the integration or API Gateway doesn't have permissions to call the "
    "integration. Check the permissions and try again."
)
_ROLE_S = 60.0


class Functions:
    """The functions behind APIs."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._roles: dict[str, float] = {}  # roles that were found good, and until when that is believed

    async def invoke(
        self,
        account: str,
        region: str,
        function: str,
        payload: bytes,
        *,
        source_arn: str,
        trace_id: str,
        credentials: str | None,
        timeout_s: float,
    ) -> InvokeResult:
        """Invoke a function for an API.

        With `credentials` (a role's ARN) the call is the role's own and needs no permission in the function's
        policy. Raises Refused: 500 when it may not be called or is not there, 503 when it takes too long or
        is throttled, 413 when the event is too large for it.
        """
        trusted = credentials is not None
        if credentials is not None:
            await self._check_role(account, function, credentials)
        invocation = asyncio.ensure_future(
            self._cloud.lambda_invoker.invoke(
                account, region, function, payload, source_arn=source_arn, trace_id=trace_id, trusted=trusted
            )
        )
        # The function goes on when nobody waits for it any more: neither a timeout nor a caller that leaves
        # ends an invocation.
        await asyncio.wait((invocation,), timeout=timeout_s)
        if not invocation.done():
            invocation.add_done_callback(_look)
            raise answers.unavailable("Endpoint request timed out")
        try:
            return invocation.result()
        except AwsError as error:
            raise _refused(error) from error

    async def _check_role(self, account: str, function: str, role: str) -> None:
        """Raise Refused unless the role may speak for the API: the same account's, trusting API Gateway."""
        if not account == account_of(function) == account_of(role):
            # A role speaks for its own account; another account's function would have to name the role.
            raise answers.internal_error(NO_PERMISSION)
        now = time.monotonic()
        if self._roles.get(role, 0.0) > now:
            return
        try:
            await asyncio.to_thread(
                self._cloud.iam.check_service_role, account, role, "apigateway.amazonaws.com"
            )
        except AwsError as error:
            raise answers.internal_error(NO_PERMISSION) from error
        self._roles[role] = now + _ROLE_S


def _look(invocation: asyncio.Future[InvokeResult]) -> None:
    """Take the outcome of an invocation nobody waits for, so that asyncio does not complain of it."""
    if not invocation.cancelled():
        invocation.exception()


def _refused(error: AwsError) -> answers.Refused:
    if error.status == 429:
        return answers.unavailable(error.message)
    if error.status == 413:
        return answers.too_large()
    if error.status == 403:
        return answers.internal_error(NO_PERMISSION)
    return answers.internal_error(error.message)
