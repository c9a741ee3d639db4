"""Instances as callers see them: records joined with their interfaces and volumes."""

from __future__ import annotations

from operator import is_not
from typing import TYPE_CHECKING, Any

from undercast.services.base import Call, Kept, Params, Result
from undercast.services.ec2 import ids
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Change, Record
from undercast.services.ec2.instance_filters import FILTERS
from undercast.services.ec2.pages import answer, not_with_ids, page

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_KEPT_AT_MOST = 10_000


class Instances:
    """Records of kind "instance". Addresses are kept with the interfaces, disks with the volumes."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._estate = ec2.estate
        self._kept: dict[str, tuple[tuple[Any, ...], Kept]] = {}  # views, beside the records they show

    def describe_instances(self, call: Call, params: Params) -> Result:
        dry_run(params)
        not_with_ids(params, "InstanceIds", "instancesSet")
        records = self._estate.all(call.account, call.region, "instance")
        if wanted := params.get("InstanceIds"):
            records = _among(records, wanted)
        shown = FILTERS.select(self.views(call.account, call.region, records), params.get("Filters"))
        chosen, token = page(shown, params, lambda view: view["InstanceId"], default=1000)
        return answer("Reservations", _reservations(chosen), token)

    def views(self, account: str, region: str, records: list[Record]) -> list[Record]:
        """The instances as DescribeInstances shows them, with all of their records beside it.

        Interfaces and volumes are gone through once for all of them. What has not changed since the last
        time is the same object again, with its XML: clients that wait ask often.
        """
        interfaces = self._ec2.network_interfaces.of_instances(account, region)
        attachments = _attachments(self._estate.all(account, region, "volume"))
        if len(self._kept) > _KEPT_AT_MOST:
            self._kept.clear()
        views: list[Record] = []
        for record in records:
            id = record["InstanceId"]
            made_of = (record, *interfaces.get(id, ()), *attachments.get(id, ()))
            kept = self._kept.get(id)
            if kept is None or len(kept[0]) != len(made_of) or any(map(is_not, kept[0], made_of)):
                view = self._view(record, interfaces.get(id, []), attachments.get(id, []))
                kept = self._kept[id] = (made_of, view)
            views.append(kept[1])
        return views

    def _view(self, record: Record, interfaces: list[Record], attachments: list[dict[str, Any]]) -> Kept:
        view = Kept(record)  # with what begins with an underscore: an answer has what AWS's model knows alone
        view["BlockDeviceMappings"] = [_mapping(attachment) for attachment in attachments]
        view["NetworkInterfaces"] = [self._ec2.network_interfaces.instance_view(eni) for eni in interfaces]
        view["SecurityGroups"] = []
        view["PrivateDnsName"] = view["PublicDnsName"] = ""
        if interfaces:
            first = interfaces[0]
            association = first.get("Association") or {}
            view |= {
                "SubnetId": first["SubnetId"],
                "VpcId": first["VpcId"],
                "PrivateIpAddress": first["PrivateIpAddress"],
                "PrivateDnsName": first.get("PrivateDnsName", ""),
                "SourceDestCheck": first["SourceDestCheck"],
                "SecurityGroups": first["Groups"],
            }
            if association.get("PublicIp"):
                view["PublicIpAddress"] = association["PublicIp"]
                view["PublicDnsName"] = association.get("PublicDnsName", "")
        return view

    def named(self, change: Change, instance_ids: list[str]) -> list[Record]:
        """The instances of these ids, in that order, or AWS's error for those that are not there."""
        ids.check("instance", *instance_ids)
        found = {id: change.get("instance", id) for id in dict.fromkeys(instance_ids)}
        if missing := [id for id, record in found.items() if record is None]:
            raise ids.not_found("instance", *missing)
        return [record for record in found.values() if record is not None]

    def image_of(self, record: Record) -> str:
        """The id of the public image at the bottom of the instance's root disk."""
        base: str = record["_Base"]
        return base


def _among(records: list[Record], wanted: list[str]) -> list[Record]:
    ids.check("instance", *wanted)
    known = {record["InstanceId"] for record in records}
    if missing := [id for id in dict.fromkeys(wanted) if id not in known]:
        raise ids.not_found("instance", *missing)
    chosen = set(wanted)
    return [record for record in records if record["InstanceId"] in chosen]


def _attachments(volumes: list[Record]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for record in volumes:
        for attachment in record["Attachments"]:
            found.setdefault(attachment["InstanceId"], []).append(attachment)
    return found


def _mapping(attachment: dict[str, Any]) -> dict[str, Any]:
    return {
        "DeviceName": attachment["Device"],
        "Ebs": {
            "AttachTime": attachment["AttachTime"],
            "DeleteOnTermination": attachment["DeleteOnTermination"],
            "Status": attachment["State"],
            "VolumeId": attachment["VolumeId"],
        },
    }


def reservation(views: list[Record]) -> dict[str, Any]:
    """What one launch made, from views that belong to the same reservation."""
    return {
        "ReservationId": views[0]["_ReservationId"],
        "OwnerId": views[0]["_OwnerId"],
        "Groups": [],
        "Instances": views,
    }


def _reservations(views: list[Record]) -> list[dict[str, Any]]:
    grouped: dict[str, list[Record]] = {}
    for view in views:
        grouped.setdefault(view["_ReservationId"], []).append(view)
    return [reservation(group) for group in grouped.values()]
