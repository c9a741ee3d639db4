"""How asynchronous invocations are treated: retries, maximum age, destinations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from undercast.services.base import Call, Params, Result
from undercast.services.lambda_ import destinations, errors, names
from undercast.services.lambda_.core import Core, now
from undercast.services.lambda_.model import Function
from undercast.services.lambda_.names import LATEST, Ref
from undercast.services.lambda_.pages import paged

_KIND = "event-invoke"
_MEMBERS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")


class EventInvoke:
    """Put, Update, Get, List and DeleteFunctionEventInvokeConfig(s)."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def put_function_event_invoke_config(self, call: Call, params: Params) -> Result:
        ref, qualifier = self._writable(call, params)
        with self._core.changing:
            return self._write(ref, qualifier, params, {})

    def update_function_event_invoke_config(self, call: Call, params: Params) -> Result:
        ref, qualifier = self._writable(call, params)
        with self._core.changing:
            function = self._core.directory.functions.get(ref.key)
            return self._write(ref, qualifier, params, self._config(ref, function, qualifier))

    def get_function_event_invoke_config(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"], params.get("Qualifier"))
        function = self._core.directory.functions.get(ref.key)
        qualifier = ref.qualifier or LATEST
        return _shown(ref, qualifier, self._config(ref, function, qualifier))

    def list_function_event_invoke_configs(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"])
        function = self._core.directory.functions.get(ref.key)
        if function is None:
            raise errors.missing("The function doesn't exist.")
        return paged(
            "FunctionEventInvokeConfigs",
            sorted(function.event_invoke),
            lambda qualifier: qualifier,
            lambda qualifier: _shown(ref, qualifier, function.event_invoke[qualifier]),
            params,
        )

    def delete_function_event_invoke_config(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"], params.get("Qualifier"))
        qualifier = ref.qualifier or LATEST
        with self._core.changing:
            self._config(ref, self._core.directory.functions.get(ref.key), qualifier)
            with self._core.store.write() as session:
                self._core.detach(session, ref.key, qualifier, _KIND)
            self._core.changed(ref.key)
        return {}

    def _config(self, ref: Ref, function: Function | None, qualifier: str) -> Mapping[str, Any]:
        if function is None or qualifier not in function.event_invoke:
            raise errors.missing(f"The function {ref.arn}:{qualifier} doesn't have an EventInvokeConfig")
        return function.event_invoke[qualifier]

    def _writable(self, call: Call, params: Params) -> tuple[Ref, str]:
        if all(params.get(member) is None for member in _MEMBERS):
            raise errors.invalid("You must specify at least one of error handling or destination setting.")
        ref = names.parse(call, params["FunctionName"], params.get("Qualifier"))
        function = self._core.directory.functions.get(ref.key)
        if function is None or not function.exists(ref.qualifier):
            raise errors.missing("The function doesn't exist.")
        if params.get("DestinationConfig"):
            destinations.check(self._core, call, ref, params["DestinationConfig"])
        return ref, ref.qualifier or LATEST

    def _write(self, ref: Ref, qualifier: str, params: Params, old: Mapping[str, Any]) -> Result:
        document = {**old, "modified": now()}
        document.update({member: params[member] for member in _MEMBERS if params.get(member) is not None})
        with self._core.store.write() as session:
            self._core.attach(session, ref.key, qualifier, _KIND, document)
        self._core.changed(ref.key)
        return _shown(ref, qualifier, document)


def _shown(ref: Ref, qualifier: str, document: Mapping[str, Any]) -> Result:
    result: Result = {
        "LastModified": dt.datetime.fromtimestamp(document["modified"], dt.UTC),
        "FunctionArn": f"{ref.arn}:{qualifier}",
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}, **document.get("DestinationConfig", {})},
    }
    for member in ("MaximumRetryAttempts", "MaximumEventAgeInSeconds"):
        if document.get(member) is not None:
            result[member] = document[member]
    return result
