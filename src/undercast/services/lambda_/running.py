"""One invocation, from a resolved version to its result: a slot, the engine, AWS's words for failures."""

from __future__ import annotations

import base64
import binascii
import random
import time
from collections.abc import AsyncIterator

import orjson

from undercast.functions.function import FunctionsUnavailable, Invocation, StreamingInvocation
from undercast.services.base import AwsError
from undercast.services.lambda_ import errors, limits
from undercast.services.lambda_.core import Core
from undercast.services.lambda_.engines import RoleUnusable
from undercast.services.lambda_.model import Function, Version
from undercast.services.lambda_.slots import Slot

_EMPTY = b"{}"


async def run(
    core: Core,
    function: Function,
    version: Version,
    payload: bytes,
    *,
    request_id: str,
    invoked_arn: str,
    client_context: str | None = None,
    trace_id: str | None = None,
    tail: bool = False,
    slot: Slot | None = None,
) -> Invocation:
    """Run a version and wait for its result. Raises 429 and the other errors of the Invoke operation.

    A `slot` taken by the caller is used and given back in any case.
    """
    if slot is None:
        slot = _slot(core, function, version)
    try:
        invocation = await core.engine.invoke(
            version.spec,
            payload or _EMPTY,
            request_id=request_id,
            invoked_arn=invoked_arn,
            client_context=client_context,
            trace_id=trace_id or new_trace(),
            tail=tail,
        )
        core.meter.ran(function.key, invocation, core.slots.running(function.key))
        return invocation
    except FunctionsUnavailable as error:
        raise unavailable(error) from error
    finally:
        core.slots.release(slot)


async def stream(
    core: Core,
    function: Function,
    version: Version,
    payload: bytes,
    *,
    request_id: str,
    invoked_arn: str,
    client_context: str | None = None,
    trace_id: str | None = None,
    tail: bool = False,
) -> HeldStream:
    """Run a version and read its answer piece by piece. The stream must be read to its end or closed."""
    slot = _slot(core, function, version)
    try:
        streaming = await core.engine.invoke_stream(
            version.spec,
            payload or _EMPTY,
            request_id=request_id,
            invoked_arn=invoked_arn,
            client_context=client_context,
            trace_id=trace_id or new_trace(),
            tail=tail,
        )
    except FunctionsUnavailable as error:
        core.slots.release(slot)
        raise unavailable(error) from error
    except BaseException:
        core.slots.release(slot)
        raise
    return HeldStream(core, slot, streaming)


class HeldStream:
    """A streaming invocation that holds its slot until the answer was read, or nobody wants it any more."""

    def __init__(self, core: Core, slot: Slot, streaming: StreamingInvocation) -> None:
        self.streaming = streaming
        self._core = core
        self._slot: Slot | None = slot
        self._chunks = aiter(streaming)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._chunks)
        except BaseException:  # the end, a failure, or our own cancellation
            self._release()
            raise

    async def aclose(self) -> None:
        """Stop reading."""
        try:
            await self.streaming.close()
        finally:
            self._release()

    def _release(self) -> None:
        slot, self._slot = self._slot, None
        if slot is not None:
            core = self._core
            core.meter.ran(slot.key, self.streaming.invocation, core.slots.running(slot.key))
            self._core.slots.release(slot)

    def __del__(self) -> None:
        # A client that leaves before the first byte: nobody iterated, nobody closed.
        if self._slot is not None:
            self._core.on_loop(self._core.slots.release, self._slot)
            self._slot = None


def _slot(core: Core, function: Function, version: Version) -> Slot:
    check_state(version)
    try:
        return core.slots.take(function, version.version)
    except AwsError:
        core.meter.throttled(function.key)
        raise


def check_state(version: Version) -> None:
    """Refuse a version that cannot run (yet)."""
    if version.state == "Active":
        return
    if version.state == "Pending":
        raise AwsError(
            "SnapStartNotReadyException",
            "Lambda is initializing your function. "
            "You can invoke the function when the function state becomes Active.",
            409,
            Type="User",
        )
    raise errors.conflict(
        "The operation cannot be performed at this time. "
        f"The function is currently in the following state: {version.state}"
    )


def check_payload(payload: bytes) -> None:
    """Refuse an event that is not JSON, as AWS's parser does."""
    if not payload:
        return
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise _not_json(payload, error) from error


def _not_json(payload: bytes, error: orjson.JSONDecodeError) -> AwsError:
    try:
        text = payload.decode()
    except UnicodeDecodeError as bad:
        detail = f"Invalid UTF-8 start byte 0x{payload[bad.start]:02x}"
    else:
        if error.pos >= len(text.rstrip()):
            detail = f"Unexpected end-of-input: {error.msg}"
        else:
            char = text[error.pos]
            shown = f"'{char}' (code {ord(char)})" if char.isprintable() else f"(CTRL-CHAR, code {ord(char)})"
            detail = (
                f"Unexpected character ({shown}): expected a valid value "
                "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
            )
        detail += f"\n at [Source: (byte[]); line: {error.lineno}, column: {error.colno}]"
    return _bad_content(
        f"Could not parse request body into json: Could not parse payload into json: {detail}"
    )


def check_client_context(encoded: str | None) -> str | None:
    """The client context as JSON text. Raises AWS's error when it is none, or too long."""
    if not encoded:
        return None
    try:
        decoded = base64.b64decode(encoded, validate=True)
        orjson.loads(decoded)
    except (binascii.Error, ValueError) as error:
        raise _bad_content("Client context must be a valid Base64-encoded JSON object.") from error
    if len(decoded) > limits.CLIENT_CONTEXT:
        raise _bad_content(f"Client context must be smaller than {limits.CLIENT_CONTEXT} bytes.")
    return decoded.decode()


def _bad_content(message: str) -> AwsError:
    return AwsError("InvalidRequestContentException", message, 400, Type="User")


def unavailable(error: FunctionsUnavailable) -> AwsError:
    """502 for a runtime this machine does not have (any more), 403 for a role that is gone."""
    if isinstance(error, RoleUnusable):
        return AwsError("AccessDeniedException", str(error), 403)
    return AwsError("InvalidRuntimeException", str(error), 502, Type="Service")


def new_trace() -> str:
    """A trace header for an invocation that came without one. It is not sampled."""
    root, parent = random.getrandbits(96), random.getrandbits(64)
    return f"Root=1-{int(time.time()):08x}-{root:024x};Parent={parent:016x};Sampled=0"
