"""What a service is to the gateway: a name and operations, called with a `Call` and parsed parameters."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

Params = dict[str, Any]
Result = dict[str, Any]


class Kept(dict[str, Any]):
    """A structure of a result that will be given again unchanged: the gateway keeps how it is written."""

    __slots__ = ("written",)

    def __init__(self, members: Mapping[str, Any]) -> None:
        super().__init__(members)
        self.written: dict[tuple[str, str], str] = {}  # by shape and element


class AwsError(Exception):
    """An error as AWS answers it.

    `members` are further members of the error's body (`Type`, `Reason`, ...). `fault` is the side to blame:
    "Sender" or "Receiver", as the query protocols print it.
    """

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members

    @property
    def fault(self) -> str:
        return "Sender" if self.status < 500 else "Receiver"


@dataclass(slots=True)
class Call:
    """Who calls which operation, and how."""

    service: str  # botocore's name: "lambda", "ec2", ...
    operation: str  # "CreateFunction"
    account: str  # twelve digits
    region: str
    principal_arn: str  # "arn:aws:iam::ACCOUNT:root", a user's, an assumed role's
    principal_id: str
    access_key_id: str
    request_id: str
    source_ip: str
    url: str  # the base under which the caller reached us: "http://127.0.0.1:4566"
    headers: Mapping[str, str]  # lower-case names
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of the caller's account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


class Service:
    """One AWS service. Its operations are the methods of its resources, named as boto3 names them.

    A plain method runs in a worker thread and may use the store; an `async` one runs on the event loop.
    """

    def __init__(self, name: str, resources: Sequence[object]) -> None:
        self.name = name
        self.resources = resources

    async def start(self) -> None:
        """Begin background work. Called once, after every service was built."""

    async def stop(self) -> None:
        """End background work, within seconds."""

    def reset(self, session: Session, account: str) -> None:
        """Delete everything the account has here. Called inside one write transaction."""

    async def after_reset(self, account: str) -> None:
        """Forget caches and release real things of the account, after `reset` was committed."""


@dataclass(slots=True)
class HttpRequest:
    """A plain HTTP request to a data plane (an HTTP API, a function URL)."""

    method: str
    path: str  # percent-decoded
    raw_path: str  # as sent, without the query string
    query_string: str  # as sent
    headers: list[tuple[str, str]]  # lower-case names, in order
    body: bytes
    source_ip: str
    scheme: str
    host: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated principal."""

    account: str
    principal_arn: str
    principal_id: str
    access_key_id: str


@dataclass(slots=True)
class HttpResponse:
    """The answer of a data plane. A body that is an iterator is streamed."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | AsyncIterator[bytes] = b""
