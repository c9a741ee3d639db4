"""Tags of functions."""

from __future__ import annotations

import re

from undercast.services.base import Call, Params, Result
from undercast.services.lambda_ import errors, limits
from undercast.services.lambda_.core import Core, new_revision, row_of, version_row
from undercast.services.lambda_.names import Ref

_FUNCTION = re.compile(r"arn:aws[a-zA-Z-]*:lambda:([^:]+):(\d{12}):function:([a-zA-Z0-9-_]+)(?::(.+))?")


class Tags:
    """ListTags, TagResource, UntagResource."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def list_tags(self, call: Call, params: Params) -> Result:
        ref = self._ref(call, params["Resource"])
        return {"Tags": dict(self._core.directory.get(ref).tags)}

    def tag_resource(self, call: Call, params: Params) -> Result:
        if not params["Tags"]:
            raise errors.invalid("An error occurred and the request cannot be processed.")
        self._change(self._ref(call, params["Resource"]), params["Tags"], ())
        return {}

    def untag_resource(self, call: Call, params: Params) -> Result:
        if not params["TagKeys"]:
            raise errors.validation("null", "tagKeys", "Member must not be null")
        self._change(self._ref(call, params["Resource"]), {}, tuple(params["TagKeys"]))
        return {}

    def _change(self, ref: Ref, added: dict[str, str], removed: tuple[str, ...]) -> None:
        with self._core.store.write() as session:
            row = row_of(session, ref)
            tags = {key: value for key, value in row.tags.items() if key not in removed} | added
            check_count(tags)
            row.tags = tags
            version_row(session, ref).revision_id = new_revision()
        self._core.changed(ref.key)

    def _ref(self, call: Call, arn: str) -> Ref:
        match = _FUNCTION.fullmatch(arn)
        if match is None:
            if ":layer:" in arn or ":event-source-mapping:" in arn or ":code-signing-config:" in arn:
                raise errors.missing(f"Resource not found: {arn}")
            raise errors.validation(
                arn,
                "resource",
                "Member must satisfy regular expression pattern: "
                "arn:(aws[a-zA-Z-]*):lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:"
                "(function:[a-zA-Z0-9-_]+(:(\\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|"
                "code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:"
                "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})",
            )
        region, account, name, qualifier = match.groups()
        if qualifier is not None:
            raise errors.invalid(
                "Tags on function aliases and versions are not supported. Please specify a function ARN."
            )
        ref = Ref(account, region, name, None)
        if account != call.account:
            raise errors.not_authorized(call.principal_arn, f"lambda:{call.operation}", arn)
        if region != call.region:
            raise errors.function_missing(arn)
        self._core.directory.get(ref)
        return ref


def check_count(tags: dict[str, str]) -> None:
    """Refuse more tags than a function may have."""
    if len(tags) > limits.TAGS:
        raise errors.invalid("Number of tags exceeds function tag limit.")
    reserved = [key for key in tags if key.lower().startswith("aws:")]
    if reserved:
        raise errors.invalid("Tag keys starting with 'aws:' are reserved for system use.")
