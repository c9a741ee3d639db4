"""The AWS API: one request from its signature to the answer in its protocol."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING

from undercast.gateway import detect, protocols, sigv4
from undercast.gateway.auth import Authenticator, Refused, refusal
from undercast.gateway.dispatch import Dispatcher
from undercast.gateway.model import Operation
from undercast.gateway.protocols import errors
from undercast.gateway.request import Request, Response
from undercast.gateway.validation import validator
from undercast.services.base import AwsError, Call

if TYPE_CHECKING:
    from undercast.cloud import Cloud

log = logging.getLogger(__name__)


class Api:
    """Answers the requests of AWS's clients."""

    def __init__(self, cloud: Cloud, auth: Authenticator) -> None:
        self._auth = auth
        self._services = cloud.services
        self._region = cloud.settings.region
        self._dispatcher = Dispatcher(cloud.services)

    def close(self) -> None:
        """Release the worker threads."""
        self._dispatcher.close()

    async def answer(self, request: Request) -> Response:
        """The answer to a request, whatever happens on the way."""
        try:
            signature, incomplete = sigv4.read(request), ""
        except sigv4.Incomplete as broken:
            signature, incomplete = None, str(broken)
        target = detect.target(request, signature.service if signature else None, self._services)
        if incomplete:
            return _error(refusal("incomplete", target.service, target.protocol, incomplete), target, request)
        try:
            caller = self._auth.caller(request, signature)
        except Refused as refused:
            refusing = refusal(refused.case, target.service, target.protocol, refused.detail)
            return _error(refusing, target, request)
        if not target.known:
            log.warning("no such service: %s (%s %s)", target.service, request.method, request.path)
            return _error(
                AwsError("NotImplemented", f"Undercast does not serve {target.service}.", 501),
                target,
                request,
            )
        protocol = protocols.protocol(target.service, target.protocol)
        operation: Operation | None = None
        try:
            asked = protocol.find(request)
            operation = asked.operation
            params = protocol.read(asked, request)
            validator(target.service).check(operation, params)
            call = Call(
                service=target.service,
                operation=operation.name,
                account=caller.account,
                region=detect.region(signature.region if signature else None, request.host, self._region),
                principal_arn=caller.principal_arn,
                principal_id=caller.principal_id,
                access_key_id=caller.access_key_id,
                request_id=request.request_id,
                source_ip=request.source_ip,
                url=request.base_url,
                headers=request.headers,
            )
            result = await self._dispatcher.call(operation, call, params)
            if log.isEnabledFor(logging.DEBUG):
                log.debug("%s %s by %s: done", target.service, operation.name, caller.principal_arn)
            return protocol.answer(operation, result, request.request_id)
        except AwsError as error:
            if error.status == 501 or operation is None:
                log.warning("%s: %s", target.service, error.message)
            else:
                log.debug("%s %s: %s", target.service, operation.name, error)
            return protocol.error(error, request.request_id)
        except RecursionError:
            deep = AwsError("SerializationException", "The request nests too deep.")
            return protocol.error(deep, request.request_id)
        except Exception as error:
            log.exception(
                "%s %s failed (request %s)", target.service, operation and operation.name, request.request_id
            )
            return protocol.error(AwsError("InternalFailure", _failure(error), 500), request.request_id)


def _failure(error: Exception) -> str:
    """AWS's words for a failure of its own; whoever can make room is told that this is what is needed."""
    full = getattr(error, "errno", None) == errno.ENOSPC or "disk is full" in str(error)
    why = "the disk of the data folder is full" if full else "of an unknown error, exception or failure"
    return f"The request processing has failed because {why}."


def _error(error: AwsError, target: detect.Target, request: Request) -> Response:
    """An error before, or without, the service's own protocol."""
    if target.known:
        return protocols.protocol(target.service, target.protocol).error(error, request.request_id)
    request_id = request.request_id
    if target.service == "s3":
        return errors.s3_error(error, error.status, request_id)
    if target.protocol in ("query", "rest-xml"):
        return errors.query_error(error, error.status, request_id, None)
    typed = target.protocol == "json"
    content_type = "application/x-amz-json-1.1" if typed else "application/json"
    return errors.json_error(error, None, error.status, request_id, content_type, typed)
