"""The first moments of a function, gone through once without one.

In the zygote this lets the interpreter specialise the code that every invocation runs. In a main process that
waits for its function it has the pages which that code writes to, reference counts above all, copied before
anybody waits.
"""

from __future__ import annotations

import importlib.util
import os
import random
import time

from awslambdaric import bootstrap as client
from awslambdaric import lambda_runtime_marshaller as marshaller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_VARIABLES = {
    "AWS_LAMBDA_FUNCTION_NAME": "rehearsal",
    "AWS_LAMBDA_FUNCTION_VERSION": "1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_GROUP_NAME": "rehearsal",
    "AWS_LAMBDA_LOG_STREAM_NAME": "rehearsal",
}


def handler(event: Any, context: Any) -> Any:
    """A function."""
    return {"statusCode": 200, "body": event}


class _Nobody:
    """A client of the Runtime API whose answers go nowhere."""

    def __init__(self) -> None:
        self.marshaller = marshaller.LambdaMarshaller()

    def post_invocation_result(self, *_: Any, **__: Any) -> None:
        """Nobody asked."""

    post_invocation_error = post_invocation_result


def rehearse() -> None:
    """Leaves nothing behind but copied pages and specialised code."""
    before = dict(os.environ)
    os.environ.update(_VARIABLES)
    random.seed()
    importlib.util.find_spec("no_module_of_this_name")
    event = ("rehearsal", b'{"nums": [1, 2, 3]}', "application/json", None, None, "arn", _deadline())
    try:
        function = client._get_handler(f"{__name__}.handler")
        with client.create_log_sink() as sink:
            client.handle_event_request(_Nobody(), function, *event, None, sink, None)
    except TypeError:
        return  # an older client, whose parts fit together differently
    finally:
        os.environ.clear()
        os.environ.update(before)


def _deadline() -> int:
    return int(time.time() * 1000) + 3000
