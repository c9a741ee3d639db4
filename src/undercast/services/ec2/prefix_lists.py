"""Managed prefix lists: blocks under one name, for rules and routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import cidrs, ids
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.lookup import describe, invalid, need
from undercast.services.ec2.pages import answer, page
from undercast.services.ec2.tags import from_specifications

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters(
    {"owner-id": "OwnerId", "prefix-list-id": "PrefixListId", "prefix-list-name": "PrefixListName"}
)
_OLD_FILTERS = Filters({"prefix-list-id": "PrefixListId", "prefix-list-name": "PrefixListName"}, tagged=False)
MOST_ENTRIES = 1000


class PrefixLists:
    """The operations on prefix lists. `_Versions` of a record are its entries, version by version."""

    def __init__(self, ec2: Ec2) -> None:
        self._network = ec2.default_network

    def create_managed_prefix_list(self, call: Call, params: Params) -> Result:
        if params["AddressFamily"] != "IPv4":
            raise AwsError("UnsupportedOperation", "Prefix lists of IPv6 need IPv6, which is not here.")
        name, most = params["PrefixListName"], params["MaxEntries"]
        _check_name(name)
        if not 1 <= most <= MOST_ENTRIES:
            raise invalid("MaxEntries", most, f"It must be between 1 and {MOST_ENTRIES}.")
        entries = _with([], params.get("Entries") or [])
        _check_size(entries, most)
        list_id = ids.new_id("pl")
        record = {
            "PrefixListId": list_id,
            "PrefixListArn": call.arn("ec2", f"prefix-list/{list_id}"),
            "PrefixListName": name,
            "AddressFamily": "IPv4",
            "MaxEntries": most,
            "OwnerId": call.account,
            "State": "create-complete",
            "Version": 1,
            "Tags": from_specifications(params, "prefix-list"),
            "_Versions": {"1": entries},
        }
        with self._network.changing(call, params) as change:
            change.put("prefix-list", list_id, record)
        return {"PrefixList": {**visible(record), "State": "create-in-progress"}}

    def describe_managed_prefix_lists(self, call: Call, params: Params) -> Result:
        return describe(
            self._network.view(call),
            params,
            "prefix-list",
            ids_in="PrefixListIds",
            answer_in="PrefixLists",
            id="PrefixListId",
            filters=_FILTERS,
        )

    def describe_prefix_lists(self, call: Call, params: Params) -> Result:
        return describe(
            self._network.view(call),
            params,
            "prefix-list",
            ids_in="PrefixListIds",
            answer_in="PrefixLists",
            id="PrefixListId",
            filters=_OLD_FILTERS,
            show=lambda record: {
                "Cidrs": [entry["Cidr"] for entry in entries_of(record)],
                "PrefixListId": record["PrefixListId"],
                "PrefixListName": record["PrefixListName"],
            },
        )

    def get_managed_prefix_list_entries(self, call: Call, params: Params) -> Result:
        dry_run(params)
        record = need(self._network.view(call), "prefix-list", params["PrefixListId"])
        entries = _version(record, params.get("TargetVersion") or record["Version"])
        selected, token = page(entries, params, lambda entry: str(entry["Cidr"]), lowest=1, highest=100)
        return answer("Entries", selected, token)

    def modify_managed_prefix_list(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            record = need(change, "prefix-list", params["PrefixListId"])
            _check_version(record, params.get("CurrentVersion"))
            new: dict[str, Any] = dict(record)
            if params.get("PrefixListName"):
                _check_name(params["PrefixListName"])
                new["PrefixListName"] = params["PrefixListName"]
            if params.get("MaxEntries"):
                new["MaxEntries"] = params["MaxEntries"]
            if params.get("AddEntries") or params.get("RemoveEntries"):
                kept = _without(entries_of(record), params.get("RemoveEntries") or [])
                _put_version(new, _with(kept, params.get("AddEntries") or []))
            _check_size(entries_of(new), new["MaxEntries"])
            new["State"] = "modify-complete"
            change.put("prefix-list", record["PrefixListId"], new)
        return {"PrefixList": {**visible(new), "State": "modify-in-progress"}}

    def restore_managed_prefix_list_version(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            record = need(change, "prefix-list", params["PrefixListId"])
            _check_version(record, params["CurrentVersion"])
            new = dict(record)
            _put_version(new, _version(record, params["PreviousVersion"]))
            new["State"] = "restore-complete"
            change.put("prefix-list", record["PrefixListId"], new)
        return {"PrefixList": {**visible(new), "State": "restore-in-progress"}}

    def delete_managed_prefix_list(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            record = need(change, "prefix-list", params["PrefixListId"])
            list_id = record["PrefixListId"]
            used = any(rule.get("PrefixListId") == list_id for rule in change.all("security-group-rule"))
            used |= any(
                route.get("DestinationPrefixListId") == list_id
                for table in change.all("route-table")
                for route in table["Routes"]
            )
            if used:
                raise AwsError(
                    "DependencyViolation",
                    f"The prefix list '{list_id}' is referenced and cannot be deleted.",
                )
            change.delete("prefix-list", list_id)
        return {"PrefixList": {**visible(record), "State": "delete-in-progress"}}


def entries_of(record: Record) -> list[Record]:
    """The entries of the version in force."""
    return _version(record, record["Version"])


def blocks(view: Change, list_id: str) -> list[str]:
    """The blocks of a prefix list, none when it is gone."""
    record = view.get("prefix-list", list_id)
    return [entry["Cidr"] for entry in entries_of(record)] if record is not None else []


def _version(record: Record, number: int) -> list[Record]:
    found: list[Record] | None = record["_Versions"].get(str(number))
    if found is None:
        raise invalid("TargetVersion", number, "The version does not exist.")
    return found


def _put_version(record: Record, entries: list[Record]) -> None:
    record["Version"] += 1
    record["_Versions"] = {**record["_Versions"], str(record["Version"]): entries}


def _with(entries: list[Record], new: list[Record]) -> list[Record]:
    merged = {entry["Cidr"]: entry for entry in entries}
    for entry in new:
        block = str(cidrs.parse(entry["Cidr"], "Cidr"))
        described = {"Description": entry["Description"]} if entry.get("Description") else {}
        merged[block] = {"Cidr": block, **described}
    return list(merged.values())


def _without(entries: list[Record], gone: list[Record]) -> list[Record]:
    doomed = {str(cidrs.parse(entry["Cidr"], "Cidr")) for entry in gone}
    unknown = doomed - {entry["Cidr"] for entry in entries}
    if unknown:
        raise invalid("RemoveEntries", sorted(unknown)[0], "The entry is not in the prefix list.")
    return [entry for entry in entries if entry["Cidr"] not in doomed]


def _check_version(record: Record, current: int | None) -> None:
    if current is not None and current != record["Version"]:
        raise AwsError("PrefixListVersionMismatch", "The prefix list has the incorrect version number.")


def _check_size(entries: list[Record], most: int) -> None:
    if len(entries) > most:
        raise AwsError(
            "PrefixListMaxEntriesExceeded",
            f"You've reached the maximum number of entries for the prefix list ({most}).",
        )


def _check_name(name: str) -> None:
    if name.startswith("com.amazonaws"):
        raise invalid("PrefixListName", name, "Names may not begin with com.amazonaws.")
    if not name or len(name) > 255:
        raise invalid("PrefixListName", name, "Names have up to 255 characters.")
