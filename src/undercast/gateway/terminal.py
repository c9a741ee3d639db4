"""The console's terminal: a WebSocket at `/_undercast/terminal`, signed like every request.

Binary frames are what is typed and shown; a text frame from the browser is {"resize": [columns, rows]}.
A WebSocket that could not be opened tells a page nothing, so whatever is wrong with a request of the
console's own is told as the reason of a close.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import orjson

from undercast.gateway import cors, sigv4
from undercast.gateway.auth import Authenticator, Refused, refusal
from undercast.gateway.request import Request
from undercast.services.base import AwsError
from undercast.services.ec2_instance_connect.terminal import Size, Terminal

if TYPE_CHECKING:
    from undercast.cloud import Cloud

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PATH = "/_undercast/terminal"
SERVICE = "ec2-instance-connect"
MAX_FRAME = 64 * 1024  # bytes; pasted text comes in pieces
IDLE_S = 3600.0  # without a byte either way
_REASON_BYTES = 123  # a control frame has no room for more (RFC 6455, 5.5)
_ENDED, _REFUSED, _FAILED, _LATER = 1000, 1008, 1011, 1013


class TerminalDoor:
    """Answers WebSockets."""

    def __init__(self, cloud: Cloud, auth: Authenticator) -> None:
        self._cloud = cloud
        self._auth = auth

    async def answer(self, request: Request, receive: Receive, send: Send) -> None:
        """Serve one WebSocket from its opening to its end."""
        await receive()  # websocket.connect
        if (status := self._turned_away(request)) is not None:
            await send({"type": "websocket.http.response.start", "status": status, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b""})
            return
        await send({"type": "websocket.accept"})
        try:
            terminal = await self._open(request)
        except AwsError as error:
            await _close(send, _LATER if error.status in (429, 503) else _REFUSED, error.message)
            return
        except Exception:
            log.exception("a terminal could not be opened")
            await _close(send, _FAILED, "The terminal could not be opened; the server's log says why.")
            return
        code, reason = _ENDED, ""
        try:
            reason = await _carry(terminal, receive, send)
        except Exception:
            log.exception("a terminal failed")
            code, reason = _FAILED, "The terminal failed; the server's log says why."
        finally:
            ended = await self._cloud.terminals.end(terminal)
        await _close(send, code, reason or ended)

    def _turned_away(self, request: Request) -> int | None:
        """The status for those who may not even knock: other paths, pages of other origins."""
        if request.path != PATH:
            return 404
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            return 403
        return None if cors.origin_allowed(request, self._cloud.settings.auth == "on") else 403

    async def _open(self, request: Request) -> Terminal:
        try:
            signature = sigv4.read(request)
            caller = self._auth.caller(request, signature)
        except sigv4.Incomplete as error:
            raise refusal("incomplete", SERVICE, "json", str(error)) from error
        except Refused as refused:
            raise refusal(refused.case, SERVICE, "json", refused.detail) from refused
        if signature is not None and signature.service != SERVICE:
            raise AwsError("InvalidSignatureException", f"The signature must be for {SERVICE}.")
        region = signature.region if signature is not None else self._cloud.settings.region
        asked = {name: texts[-1] for name, texts in parse_qs(request.query).items()}
        size = _size([asked.get("cols", "80"), asked.get("rows", "24")])
        if "instance" not in asked or size is None:
            raise AwsError("InvalidArgsException", "The query must be instance=, user=, cols= and rows=.")
        user = asked.get("user", "ec2-user")
        terminal = await self._cloud.terminals.open(caller.account, region, asked["instance"], user, size)
        log.info("%s opened a terminal on %s as %s", caller.principal_arn, asked["instance"], user)
        return terminal


async def _carry(terminal: Terminal, receive: Receive, send: Send) -> str:
    """Carry bytes both ways until one side ends; returns the reason to tell, empty when ssh knows it."""
    loop = asyncio.get_running_loop()
    ended = "The session ended."

    async def shown() -> str:
        while data := await terminal.read():
            await send({"type": "websocket.send", "bytes": data})
            idle.reschedule(loop.time() + IDLE_S)
            # A program that always has more must leave others their turn.
            await asyncio.sleep(0)
        return ""

    async def typed() -> str:
        while (message := await receive())["type"] == "websocket.receive":
            idle.reschedule(loop.time() + IDLE_S)
            if (data := message.get("bytes")) is not None:
                try:
                    await terminal.write(data)
                except TimeoutError:
                    return "The instance does not take what is typed."
            elif (size := _resized(message.get("text") or "")) is not None:
                terminal.resize(size)
        return ended

    tasks: list[asyncio.Future[str]] = []
    try:
        async with asyncio.timeout(IDLE_S) as idle:
            tasks += [asyncio.ensure_future(shown()), asyncio.ensure_future(typed())]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
    except TimeoutError:
        return "Nothing was typed or shown for an hour."
    except OSError:
        return ended  # uvicorn says so when the browser is gone
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _size(sides: list[Any]) -> Size | None:
    try:
        columns, rows = (int(side) for side in sides)
    except (ValueError, TypeError, OverflowError):
        return None
    return Size(columns, rows)


def _resized(text: str) -> Size | None:
    """The size in a text frame; None for anything else, which is left aside."""
    try:
        sides = orjson.loads(text)["resize"]
    except (orjson.JSONDecodeError, TypeError, KeyError, IndexError):
        return None
    return _size(sides) if isinstance(sides, list) else None


async def _close(send: Send, code: int, reason: str) -> None:
    told = reason.encode()[:_REASON_BYTES].decode(errors="ignore")
    with contextlib.suppress(OSError):  # the browser is gone
        await send({"type": "websocket.close", "code": code, "reason": told})
