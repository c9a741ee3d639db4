"""Calling Lambda functions, for integrations and authorizers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from undercast.services.apigatewayv2.serving import answers
from undercast.services.base import AwsError

if TYPE_CHECKING:
    from undercast.cloud import Cloud

NO_PERMISSION = (
    "The IAM role configured on the integration or API Gateway doesn't have permissions to call the "
    "integration. Check the permissions and try again."
)


class Invoked(Protocol):
    """What an invocation gives back."""

    payload: bytes
    function_error: str | None
    request_id: str


class Functions:
    """The functions behind APIs."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def invoke(
        self,
        account: str,
        region: str,
        function: str,
        payload: bytes,
        *,
        source_arn: str,
        credentials: str | None,
        timeout_s: float,
    ) -> Invoked:
        """Invoke a function for an API.

        With `credentials` (a role's ARN) the call is the role's own and needs no permission in the function's
        policy. Raises Refused: 500 when it may not be called or is not there, 503 when it takes too long or
        is throttled, 413 when the event is too large for it.
        """
        principal = None if credentials else "apigateway.amazonaws.com"
        try:
            async with asyncio.timeout(timeout_s):
                invoked: Invoked = await self._cloud.lambda_invoker.invoke(
                    account,
                    region,
                    function,
                    payload,
                    source_principal=principal,
                    source_arn=None if credentials else source_arn,
                )
                return invoked
        except TimeoutError as error:
            raise answers.unavailable("Endpoint request timed out") from error
        except AwsError as error:
            raise _refused(error) from error


def _refused(error: AwsError) -> answers.Refused:
    if error.status == 429:
        return answers.unavailable(error.message)
    if error.status == 413:
        return answers.too_large()
    if error.status == 403:
        return answers.internal_error(NO_PERMISSION)
    return answers.internal_error(error.message)
