"""Function URLs: their configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from undercast.services.base import Call, Params, Result
from undercast.services.lambda_ import errors, names, url_names
from undercast.services.lambda_.core import Core, now, url_timestamp
from undercast.services.lambda_.model import Function
from undercast.services.lambda_.names import LATEST, Ref, is_version
from undercast.services.lambda_.pages import paged

_KIND = "url"


class Urls:
    """Create, Get, List, Update and DeleteFunctionUrlConfig(s)."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create_function_url_config(self, call: Call, params: Params) -> Result:
        core, ref = self._core, _parse(call, params)
        function = core.directory.functions.get(ref.key)
        if function is None or (ref.qualifier and ref.qualifier not in function.aliases):
            raise errors.missing("Function does not exist")
        qualifier = ref.qualifier or LATEST
        document = {
            "id": url_names.new_id(),
            "auth": params["AuthType"],
            "mode": params.get("InvokeMode") or "BUFFERED",
            "cors": params.get("Cors") or None,
            "created": now(),
            "modified": now(),
        }
        with core.changing:
            if qualifier in core.directory.get(Ref(*ref.key, None)).urls:
                raise errors.conflict(
                    f"Failed to create function url config for [functionArn = {ref.qualified_arn}]. "
                    "Error message:  FunctionUrlConfig exists for this Lambda function"
                )
            with core.store.write() as session:
                core.attach(session, ref.key, qualifier, _KIND, document)
            function = core.changed(ref.key) or function
        url_names.announce(core, document["id"], ref.region)
        result = self._shown(function, qualifier)
        del result["LastModifiedTime"]
        return result

    def get_function_url_config(self, call: Call, params: Params) -> Result:
        function, qualifier = self._find(_parse(call, params))
        return self._shown(function, qualifier)

    def list_function_url_configs(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"])
        function = self._core.directory.functions.get(ref.key)
        if function is None:
            raise errors.missing("Function does not exist")
        return paged(
            "FunctionUrlConfigs",
            sorted(function.urls),
            lambda qualifier: qualifier,
            lambda qualifier: self._shown(function, qualifier),
            params,
        )

    def update_function_url_config(self, call: Call, params: Params) -> Result:
        ref = _parse(call, params)
        with self._core.changing:
            function, qualifier = self._find(ref)
            document = {**function.urls[qualifier], "modified": now()}
            for member, key in (("AuthType", "auth"), ("InvokeMode", "mode"), ("Cors", "cors")):
                if member in params:
                    document[key] = params[member] or None
            with self._core.store.write() as session:
                self._core.attach(session, ref.key, qualifier, _KIND, document)
            return self._shown(self._core.changed(ref.key) or function, qualifier)

    def delete_function_url_config(self, call: Call, params: Params) -> Result:
        ref = _parse(call, params)
        with self._core.changing:
            function, qualifier = self._find(ref)
            with self._core.store.write() as session:
                self._core.detach(session, ref.key, qualifier, _KIND)
            self._core.changed(ref.key)
        url_names.withdraw(self._core, [function.urls[qualifier]], ref.region)
        return {}

    def _find(self, ref: Ref) -> tuple[Function, str]:
        function, qualifier = self._core.directory.functions.get(ref.key), ref.qualifier or LATEST
        if function is None or qualifier not in function.urls:
            raise errors.missing(errors.NO_RESOURCE)
        return function, qualifier

    def _shown(self, function: Function, qualifier: str) -> Result:
        config: Mapping[str, Any] = function.urls[qualifier]
        result: Result = {
            "FunctionUrl": url_names.url(self._core, config["id"], function.region),
            "FunctionArn": function.arn if qualifier == LATEST else f"{function.arn}:{qualifier}",
            "AuthType": config["auth"],
            "CreationTime": url_timestamp(config["created"]),
            "LastModifiedTime": url_timestamp(config["modified"]),
            "InvokeMode": config["mode"],
        }
        if config["cors"]:
            result["Cors"] = config["cors"]
        return result


def _parse(call: Call, params: Params) -> Ref:
    ref = names.parse(call, params["FunctionName"], params.get("Qualifier"))
    if ref.qualifier == LATEST or (ref.qualifier and is_version(ref.qualifier)):
        raise errors.validation(
            ref.qualifier,
            "qualifier",
            r"Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)",
        )
    return ref
