"""Errors in each protocol's own form."""

from __future__ import annotations

from typing import Any

import orjson
from botocore.model import Shape, StructureShape

from undercast.gateway.request import Response
from undercast.gateway.xml_shapes import escape
from undercast.services.base import AwsError

# Codes of the signature check and the parser, which spell the member with a capital letter as
# AWS's front end does; everything a service models has the model's own spelling.
_CAPITAL = frozenset({"SerializationException", "AccessDeniedException"})


def document(error: AwsError, shape: Shape | None) -> dict[str, Any]:
    """The members of an error's JSON body."""
    name = "Message" if error.code in _CAPITAL else "message"
    body: dict[str, Any] = {}
    if isinstance(shape, StructureShape):
        names = {member.lower(): member for member in shape.members}
        name = names.get("message", name)
        if "type" in names and names["type"] not in error.members:
            body[names["type"]] = "User" if error.status < 500 else "Service"
    body |= {member: value for member, value in error.members.items() if value is not None}
    body[name] = error.message
    return body


def json_error(
    error: AwsError, shape: Shape | None, status: int, request_id: str, content_type: str, typed: bool
) -> Response:
    """A JSON body; `typed` puts the code in `__type` (JSON), else the header alone has it (REST-JSON)."""
    body = document(error, shape)
    if typed:
        body = {"__type": error.code, **body}
    return Response(
        status,
        [
            ("content-type", content_type),
            ("x-amzn-requestid", request_id),
            ("x-amzn-errortype", error.code),
        ],
        orjson.dumps(body, default=str),
    )


def query_error(error: AwsError, status: int, request_id: str, namespace: str | None) -> Response:
    """`<ErrorResponse>`, of the query and REST-XML protocols."""
    space = f' xmlns="{namespace}"' if namespace else ""
    body = (
        f"<ErrorResponse{space}><Error><Type>{'Sender' if status < 500 else 'Receiver'}</Type>"
        f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>{_members(error)}</Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return _xml(status, request_id, body, "text/xml")


def ec2_error(error: AwsError, status: int, request_id: str) -> Response:
    """`<Response><Errors>`, of EC2."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Response><Errors><Error><Code>{escape(error.code)}</Code>"
        f"<Message>{escape(error.message)}</Message></Error></Errors>"
        f"<RequestID>{request_id}</RequestID></Response>"
    )
    return _xml(status, request_id, body, "text/xml;charset=UTF-8")


def s3_error(error: AwsError, status: int, request_id: str) -> Response:
    """`<Error>` alone, of S3."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>{_members(error)}"
        f"<RequestId>{request_id}</RequestId></Error>"
    )
    response = _xml(status, request_id, body, "application/xml")
    response.headers.append(("x-amz-request-id", request_id))
    return response


def _members(error: AwsError) -> str:
    return "".join(
        f"<{name}>{escape(str(value))}</{name}>" for name, value in error.members.items() if value is not None
    )


def _xml(status: int, request_id: str, body: str, content_type: str) -> Response:
    return Response(status, [("content-type", content_type), ("x-amzn-requestid", request_id)], body.encode())
