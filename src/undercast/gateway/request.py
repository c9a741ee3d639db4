"""A request and an answer as the gateway sees them, before any protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Request:
    """One HTTP request, read whole."""

    method: str
    path: str  # as sent: percent-encoded, without the query string
    query: str  # as sent
    headers: dict[str, str]  # lower-case names; repeated ones joined with a comma
    header_list: list[tuple[str, str]]  # lower-case names, in order, repeats kept
    body: bytes
    scheme: str
    source_ip: str
    request_id: str

    @property
    def host(self) -> str:
        """The host the caller addressed, with its port."""
        return self.headers.get("host", "")

    @property
    def base_url(self) -> str:
        """The base under which the caller reached us."""
        return f"{self.scheme}://{self.host}"


@dataclass(slots=True)
class Response:
    """One HTTP answer. A body that is an iterator is streamed."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | AsyncIterator[bytes] = b""
