"""The log of one environment: what the function prints and what the platform says, in one log stream."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

from undercast.functions import failures
from undercast.functions.failures import Failure
from undercast.functions.function import FunctionSpec, Invocation, LogLine, LogWriter
from undercast.functions.output import Output
from undercast.functions.report import JsonLog, PlatformLog, Runtime, TextLog


class Journal:
    """Writes one log stream of a function's log group."""

    def __init__(self, spec: FunctionSpec, runtime: Runtime, write: LogWriter) -> None:
        self._spec = spec
        self._write = write
        self._group = spec.log_group or f"/aws/lambda/{spec.name}"
        self._started = ""  # id of the request whose START was written
        self.stream = f"{dt.datetime.now(dt.UTC):%Y/%m/%d}/[{spec.version}]{uuid.uuid4().hex}"
        self.output = Output(self._write_lines)
        self.platform: PlatformLog = (JsonLog if spec.log_format.upper() == "JSON" else TextLog)(
            spec, runtime
        )

    @property
    def variables(self) -> dict[str, str]:
        """How a restored environment learns of its own log stream."""
        return {"AWS_LAMBDA_LOG_STREAM_NAME": self.stream}

    def add(self, lines: Sequence[str]) -> None:
        """Add log events of the platform's."""
        for line in lines:
            self.output.add(line)

    def start(self, request_id: str) -> None:
        """An invocation begins; said once for each."""
        if self._started != request_id:
            self._started = request_id
            line = self.platform.start(request_id)
            if line is not None:
                self.output.add(line)

    def fault(self, request_id: str, failure: Failure) -> None:
        """The platform ended the invocation."""
        self.output.finish_line()
        if failure.status == "timeout":
            self.add(self.platform.fault(request_id, failure.message, None))
        elif failure.error_type != failures.TOO_LARGE:
            self.add(self.platform.fault(request_id, failure.message, failure.error_type))

    def end(self, invocation: Invocation, tail: bool) -> None:
        """An invocation is over: END and REPORT, and the tail for who asked for it."""
        output = self.output
        output.finish_line()
        for text in self.platform.end(invocation):
            output.add(text)
        if tail:
            invocation.log_tail = output.take_tail()
        output.flush()
        self._started = ""

    def _write_lines(self, lines: Sequence[LogLine]) -> None:
        spec = self._spec
        self._write(spec.account, spec.region, self._group, self.stream, lines)
