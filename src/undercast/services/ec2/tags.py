"""Tags: on every kind of resource, when it is created and afterwards."""

from __future__ import annotations

from typing import Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Change, Estate, Record
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.pages import answer, page

Tag = dict[str, str]
MAX_TAGS = 50  # per resource, without those of aws:

# Kinds whose records carry tags, by AWS's resource type.
TAGGABLE = frozenset(
    {
        "dhcp-options", "elastic-ip", "image", "instance", "internet-gateway", "key-pair", "launch-template",
        "natgateway", "network-acl", "network-interface", "placement-group", "prefix-list", "route-table",
        "security-group", "security-group-rule", "snapshot", "spot-instances-request", "subnet", "volume",
        "vpc", "vpc-endpoint", "vpc-peering-connection",
    }
)  # fmt: skip

_FILTERS = Filters(
    {"key": "Key", "resource-id": "ResourceId", "resource-type": "ResourceType", "value": "Value"},
    tagged=False,
)


def from_specifications(params: Params, kind: str, *further: str) -> list[Tag]:
    """The tags `TagSpecifications` asks for on a resource of `kind`.

    `further` are other kinds the operation may tag as well. Raises AWS's errors for any other kind and for
    tags that are not allowed.
    """
    wanted: list[Tag] = []
    seen: set[str] = set()
    for specification in params.get("TagSpecifications") or []:
        its_kind = specification.get("ResourceType")
        if not its_kind:
            raise AwsError("MissingParameter", "Tag specification resource type must have a value")
        if its_kind not in (kind, *further):
            raise AwsError(
                "InvalidParameterValue",
                f"'{its_kind}' is not a valid taggable resource type for this operation.",
            )
        if its_kind in seen:
            raise AwsError(
                "InvalidParameterValue",
                f"'{its_kind}' was specified more than once in the tag specifications.",
            )
        seen.add(its_kind)
        checked = merge([], specification.get("Tags") or [])
        if its_kind == kind:
            wanted = checked
    return wanted


def merge(old: list[Tag], new: list[dict[str, Any]]) -> list[Tag]:
    """`old` with `new` put over it. Raises AWS's errors for keys and values that are not allowed."""
    merged = {tag["Key"]: tag["Value"] for tag in old}
    keys = [tag.get("Key", "") for tag in new]
    for key in keys:
        if keys.count(key) > 1:
            raise AwsError("InvalidParameterValue", f"Duplicate tag key '{key}' specified.")
    for tag in new:
        key, value = tag.get("Key", ""), tag.get("Value") or ""
        _check(key, value)
        merged[key] = value
    if sum(not key.startswith("aws:") for key in merged) > MAX_TAGS:
        raise AwsError("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
    return [{"Key": key, "Value": value} for key, value in merged.items()]


def _check(key: str, value: str) -> None:
    if not key:
        raise AwsError("InvalidParameterValue", "Tag key cannot be null or empty")
    if key.lower().startswith("aws:"):
        raise AwsError("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
    if len(key) > 127:
        raise AwsError("InvalidParameterValue", "Tag key exceeds the maximum length of 127 characters")
    if len(value) > 255:
        raise AwsError("InvalidParameterValue", "Tag value exceeds the maximum length of 255 characters")


class Tags:
    """CreateTags, DeleteTags and DescribeTags."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate

    def create_tags(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            if not params.get("Tags"):
                raise AwsError("MissingParameter", "The request must contain the parameter Tag")
            for kind, id, record in self._named(change, params["Resources"]):
                change.put(kind, id, {**record, "Tags": merge(record.get("Tags") or [], params["Tags"])})
        return {}

    def delete_tags(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            doomed = params.get("Tags")
            for kind, id, record in self._named(change, params["Resources"]):
                old = record.get("Tags") or []
                kept = [tag for tag in old if not _doomed(tag, doomed)]
                if kept != old:
                    change.put(kind, id, {**record, "Tags": kept})
        return {}

    def describe_tags(self, call: Call, params: Params) -> Result:
        dry_run(params)
        rows = [
            {"Key": tag["Key"], "ResourceId": id, "ResourceType": kind, "Value": tag["Value"]}
            for kind in sorted(set(self._estate.kinds(call.account, call.region)) & TAGGABLE)
            for id, record in self._shelf(call, kind)
            for tag in record.get("Tags") or []
        ]
        chosen, token = page(
            _FILTERS.select(rows, params.get("Filters")),
            params,
            lambda row: f"{row['ResourceId']}/{row['Key']}",
        )
        return answer("Tags", chosen, token)

    def _shelf(self, call: Call, kind: str) -> list[tuple[str, Record]]:
        return [
            (key.id, record)
            for key, record in self._estate.everywhere(kind)
            if (key.account, key.region) == (call.account, call.region)
        ]

    @staticmethod
    def _named(change: Change, names: list[str]) -> list[tuple[str, str, Record]]:
        found = []
        for id in names:
            kind = ids.kind_of(id)
            if kind is None or kind not in TAGGABLE:
                raise AwsError("InvalidID", f"The ID '{id}' is not valid")
            record = change.get(kind, id)
            if record is None:
                raise ids.not_found(kind, id)
            found.append((kind, id, record))
        return found


def _doomed(tag: Tag, doomed: list[dict[str, Any]] | None) -> bool:
    """Without tags given, all go but AWS's own; with a value given, it has to agree."""
    if tag["Key"].startswith("aws:"):
        return False
    if not doomed:
        return True
    return any(
        d.get("Key") == tag["Key"] and (d.get("Value") is None or d["Value"] == tag["Value"]) for d in doomed
    )
