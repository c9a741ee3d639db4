"""From an operation's name to the service's method, run where it may block."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from undercast.gateway.model import Operation
from undercast.services.base import AwsError, Call, Params, Result, Service

WORKERS = 24  # threads for operations that use the store; fewer than the store's connections


class Dispatcher:
    """Calls operations: plain methods in worker threads, asynchronous ones on the loop."""

    def __init__(self, services: Mapping[str, Service]) -> None:
        self._services = services
        self._methods: dict[tuple[str, str], tuple[Callable[..., Any], bool]] = {}
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="operation")

    def _method(self, operation: Operation) -> tuple[Callable[..., Any], bool]:
        key = (operation.service.name, operation.method)
        known = self._methods.get(key)
        if known is not None:
            return known
        for resource in self._services[key[0]].resources:
            method = getattr(resource, operation.method, None)
            if callable(method):
                found = self._methods[key] = (method, inspect.iscoroutinefunction(method))
                return found
        raise AwsError(
            "NotImplemented",
            f"Undercast does not implement the operation {operation.name} of {operation.service.name}.",
            501,
        )

    async def call(self, operation: Operation, call: Call, params: Params) -> Result:
        """Run an operation. Raises `AwsError`, or whatever the operation fails with."""
        method, on_loop = self._method(operation)
        if on_loop:
            result = await method(call, params)
        else:
            result = await asyncio.get_running_loop().run_in_executor(self._pool, method, call, params)
        return {} if result is None else result

    def close(self) -> None:
        """Let go of the threads; what runs in them ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
