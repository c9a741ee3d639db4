"""Access logs: one line per request, in the stage's own format."""

from __future__ import annotations

import hashlib
import re
from typing import Protocol

from undercast.services.apigatewayv2.serving import variables
from undercast.services.apigatewayv2.serving.exchange import Exchange

_VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_]+(?:\.[A-Za-z0-9_:-]+)*)")
_MAX_FORMAT = 3072


class LogWriter(Protocol):
    """What writes lines to CloudWatch Logs."""

    def append(
        self, account: str, region: str, group: str, stream: str, events: list[tuple[int, str]]
    ) -> None: ...


class AccessLog:
    """The access log of a stage: its format taken apart once, and where the lines go."""

    def __init__(self, destination: str, log_format: str, stream_seed: str) -> None:
        # arn:aws:logs:REGION:ACCOUNT:log-group:NAME
        parts = destination.split(":", 6)
        self._region, self._account, self._group = parts[3], parts[4], parts[6]
        self._stream = hashlib.sha256(stream_seed.encode()).hexdigest()[:32]
        self._pieces = _VARIABLE.split(log_format.rstrip("\n"))

    def line(self, exchange: Exchange, status: int, length: int) -> str:
        """The line of a request. A variable without a value is a dash."""
        pieces = list(self._pieces)
        for at in range(1, len(pieces), 2):
            name = pieces[at]
            if name == "status":
                pieces[at] = str(status)
            elif name == "responseLength":
                pieces[at] = str(length)
            else:
                value = variables.lookup(exchange, name)
                pieces[at] = "-" if value is None else value
        return "".join(pieces)

    def write(self, logs: LogWriter, exchange: Exchange, status: int, length: int) -> None:
        """Send the line of a request to its log group."""
        line = self.line(exchange, status, length)
        logs.append(self._account, self._region, self._group, self._stream, [(exchange.epoch_ms, line)])


def check(log_format: str) -> None:
    """Raise ValueError, in AWS's words, unless it can be the format of an access log."""
    if not log_format:
        raise ValueError("Access log format must not be empty")
    if len(log_format) > _MAX_FORMAT:
        raise ValueError(f"Access log format must not exceed {_MAX_FORMAT} characters")
    if "\n" in log_format.rstrip("\n"):
        raise ValueError(
            "Access log format must be single line, new line character is allowed only at end of the format"
        )
    if not {"requestId", "extendedRequestId"} & set(_VARIABLE.findall(log_format)):
        raise ValueError(
            "Access log format must contain at least $context.requestId or $context.extendedRequestId"
        )
