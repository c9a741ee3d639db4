"""Integrations that are HTTP endpoints."""

from __future__ import annotations

import asyncio
import re
import time
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import aiohttp
from yarl import URL

from undercast.services.apigatewayv2.serving import answers, parameter_mapping
from undercast.services.apigatewayv2.serving.answers import Reply
from undercast.services.apigatewayv2.serving.compiled import Integration
from undercast.services.apigatewayv2.serving.exchange import Exchange
from undercast.services.apigatewayv2.serving.outgoing import Clients

MAX_RESPONSE = 10 * 1024 * 1024

_PARAMETER = re.compile(r"\{([A-Za-z0-9._-]+)\+?\}")
# RFC 9110 7.6.1: these belong to one connection.
_HOP = frozenset(
    {
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# The server says these itself; the endpoint's own values stay visible under AWS's name for them.
_REMAPPED = frozenset({"date", "server"})


async def call(clients: Clients, exchange: Exchange, integration: Integration) -> Reply:
    """Send the request to the endpoint. Raises Refused."""
    headers, query, path = exchange.headers, exchange.query, None
    raw_query = exchange.raw_query
    if integration.request_changes:
        headers, query, path = parameter_mapping.apply_request(exchange, integration.request_changes)
        if query != exchange.query:
            raw_query = urlencode(query)
    url = URL(_url(integration.uri, exchange, path, raw_query), encoded=True)
    method = exchange.method if integration.method == "ANY" else integration.method
    started = time.monotonic()
    try:
        async with (
            asyncio.timeout(integration.timeout_s),
            clients.pick(integration.guarded, url.host).request(
                method,
                url,
                headers=_outgoing(exchange, headers),
                data=exchange.request.body or None,
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
                timeout=aiohttp.ClientTimeout(total=None),
            ) as response,
        ):
            body = await _body(response)
            status = response.status
            received = [
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers
            ]
    except TimeoutError as error:
        raise answers.unavailable("Endpoint request timed out") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise answers.unavailable(f"Network error communicating with endpoint: {error}") from error
    finally:
        exchange.integration_latency_ms = int((time.monotonic() - started) * 1000)
    exchange.integration_status = status
    return Reply(status, _incoming(received), body)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > MAX_RESPONSE:
            raise answers.internal_error("The integration's response is larger than 10 MB")
    return b"".join(pieces)


def _url(template: str, exchange: Exchange, path: str | None, raw_query: str) -> str:
    parameters = exchange.path_parameters

    def fill(match: re.Match[str]) -> str:
        return quote(parameters.get(match[1], ""), safe="/:@!$&'()*+,;=~-._")

    scheme, host, own_path, own_query, _ = urlsplit(template)
    own_path = path if path is not None else _PARAMETER.sub(fill, own_path)
    if own_path and not own_path.startswith("/"):
        own_path = f"/{own_path}"
    query = "&".join(part for part in (_PARAMETER.sub(fill, own_query), raw_query) if part)
    return urlunsplit((scheme, _PARAMETER.sub(fill, host), own_path or "/", query, ""))


def _outgoing(exchange: Exchange, headers: dict[str, str]) -> dict[str, str]:
    sent = {name: value for name, value in headers.items() if name not in _HOP}
    for name in ("x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"):
        sent.pop(name, None)  # HTTP APIs say these in `forwarded`
    if exchange.cookies and "cookie" not in sent:
        sent["cookie"] = "; ".join(exchange.cookies)
    forwarded = (
        f"by={exchange.source_ip};for={exchange.source_ip};"
        f"host={exchange.request.host};proto={exchange.request.scheme}"
    )
    before = headers.get("forwarded")
    sent["forwarded"] = f"{before}, {forwarded}" if before else forwarded
    sent["via"] = "HTTP/1.1 AmazonAPIGateway"
    return sent


def _incoming(received: list[tuple[str, str]]) -> list[tuple[str, str]]:
    named = [(name.lower(), value) for name, value in received]
    return [
        (f"x-amzn-remapped-{name}" if name in _REMAPPED else name, value)
        for name, value in named
        if name not in _HOP
    ]
