"""The operations on network interfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids
from undercast.services.ec2.default_network import default_group
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Change, Record
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.interfaces import (
    KIND,
    add_addresses,
    attach,
    check_routable,
    claim,
    delete_interface,
    detach,
    free_address,
    make_interface,
    resolve_groups,
    show_interface,
)
from undercast.services.ec2.launch_network import refuse_ipv6
from undercast.services.ec2.lookup import describe, need
from undercast.services.ec2.tags import from_specifications

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters(
    {
        "association.allocation-id": "Association.AllocationId",
        "association.association-id": "Association.AssociationId",
        "addresses.association.owner-id": "PrivateIpAddresses.Association.IpOwnerId",
        "addresses.association.public-ip": "PrivateIpAddresses.Association.PublicIp",
        "addresses.primary": "PrivateIpAddresses.Primary",
        "addresses.private-ip-address": "PrivateIpAddresses.PrivateIpAddress",
        "association.ip-owner-id": "Association.IpOwnerId",
        "association.public-dns-name": "Association.PublicDnsName",
        "association.public-ip": "Association.PublicIp",
        "attachment.attach-time": "Attachment.AttachTime",
        "attachment.attachment-id": "Attachment.AttachmentId",
        "attachment.delete-on-termination": "Attachment.DeleteOnTermination",
        "attachment.device-index": "Attachment.DeviceIndex",
        "attachment.instance-id": "Attachment.InstanceId",
        "attachment.instance-owner-id": "Attachment.InstanceOwnerId",
        "attachment.status": "Attachment.Status",
        "availability-zone": "AvailabilityZone",
        "availability-zone-id": "AvailabilityZoneId",
        "description": "Description",
        "group-id": "Groups.GroupId",
        "group-name": "Groups.GroupName",
        "interface-type": "InterfaceType",
        "ipv6-addresses.ipv6-address": "Ipv6Addresses.Ipv6Address",
        "mac-address": "MacAddress",
        "network-interface-id": "NetworkInterfaceId",
        "operator.managed": "Operator.Managed",
        "operator.principal": "Operator.Principal",
        "owner-id": "OwnerId",
        "private-dns-name": "PrivateDnsName",
        "private-ip-address": "PrivateIpAddress",
        "requester-id": "RequesterId",
        "requester-managed": "RequesterManaged",
        "source-dest-check": "SourceDestCheck",
        "status": "Status",
        "subnet-id": "SubnetId",
        "vpc-id": "VpcId",
    }
)


class InterfaceOperations:
    """CreateNetworkInterface and its relatives."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._network = ec2.default_network

    def create_network_interface(self, call: Call, params: Params) -> Result:
        refuse_ipv6(params)
        if params.get("InterfaceType") not in (None, "interface"):
            raise AwsError(
                "UnsupportedOperation", f"Interfaces of type {params['InterfaceType']} are not here."
            )
        wanted = from_specifications(params, KIND)
        with self._network.changing(call, params) as change:
            subnet = need(change, "subnet", params["SubnetId"])
            group_ids = params.get("Groups") or [default_group(change, subnet["VpcId"])["GroupId"]]
            listed = sorted(params.get("PrivateIpAddresses") or [], key=lambda a: not a.get("Primary"))
            addresses = [a["PrivateIpAddress"] for a in listed]
            if params.get("PrivateIpAddress"):
                addresses.insert(0, params["PrivateIpAddress"])
            interface = make_interface(
                change,
                subnet,
                resolve_groups(change, subnet["VpcId"], group_ids),
                addresses=addresses,
                further=int(params.get("SecondaryPrivateIpAddressCount") or 0),
                description=params.get("Description") or "",
                tags=wanted,
            )
        shown = {**show_interface(interface), "Status": "pending"}
        token = params.get("ClientToken")
        return {"NetworkInterface": shown, "ClientToken": token} if token else {"NetworkInterface": shown}

    def describe_network_interfaces(self, call: Call, params: Params) -> Result:
        return describe(
            self._network.view(call),
            params,
            KIND,
            ids_in="NetworkInterfaceIds",
            answer_in="NetworkInterfaces",
            id="NetworkInterfaceId",
            filters=_FILTERS,
            rename=show_interface,
        )

    def delete_network_interface(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            interface = need(change, KIND, params["NetworkInterfaceId"])
            if interface["Status"] != "available":
                raise AwsError(
                    "InvalidParameterValue",
                    f"Network interface '{interface['NetworkInterfaceId']}' is currently in use.",
                )
            delete_interface(change, interface)
        return {}

    def attach_network_interface(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            interface = need(change, KIND, params["NetworkInterfaceId"])
            instance = need(change, "instance", params["InstanceId"])
            instance_id, index = instance["InstanceId"], int(params["DeviceIndex"])
            if interface["Status"] != "available":
                raise AwsError(
                    "InvalidNetworkInterface.InUse",
                    f"Interface: [{interface['NetworkInterfaceId']}] in use.",
                )
            if instance["State"]["Name"] not in ("running", "stopped"):
                raise AwsError("IncorrectState", f"Instance '{instance_id}' is not 'running' or 'stopped'.")
            present = self._ec2.network_interfaces.of_instance(change, instance_id)
            if any(i["Attachment"]["DeviceIndex"] == index for i in present):
                raise AwsError(
                    "InvalidParameterValue",
                    f"Instance '{instance_id}' already has an interface attached at device index '{index}'.",
                )
            if any(i["AvailabilityZone"] != interface["AvailabilityZone"] for i in present):
                raise AwsError(
                    "InvalidParameterCombination",
                    "You may not attach a network interface to an instance if they are not in the same "
                    "availability zone",
                )
            check_routable(change, interface)
            marked = {**interface, "_Hot": True}
            attached = attach(change, marked, instance_id, index, False, call.now)
        return {"AttachmentId": attached["Attachment"]["AttachmentId"], "NetworkCardIndex": 0}

    def detach_network_interface(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            interface = _attached(change, params["AttachmentId"])
            if interface["Attachment"]["DeviceIndex"] == 0:
                raise AwsError(
                    "OperationNotPermitted",
                    "The network interface at device index 0 cannot be detached.",
                )
            detach(change, interface)
        return {}

    def modify_network_interface_attribute(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            interface = need(change, KIND, params["NetworkInterfaceId"])
            new: dict[str, Any] = {}
            if params.get("Description") is not None:
                new["Description"] = params["Description"].get("Value") or ""
            if params.get("SourceDestCheck") is not None:
                new["SourceDestCheck"] = bool(params["SourceDestCheck"].get("Value"))
            if params.get("Groups"):
                new["Groups"] = resolve_groups(change, interface["VpcId"], params["Groups"])
            if params.get("Attachment"):
                new["Attachment"] = _with_attachment(interface, params["Attachment"])
            if not new:
                raise AwsError("MissingParameter", "The request must contain an attribute to modify")
            change.update(KIND, interface["NetworkInterfaceId"], **new)
        return {}

    def describe_network_interface_attribute(self, call: Call, params: Params) -> Result:
        dry_run(params)
        interface = need(self._network.view(call), KIND, params["NetworkInterfaceId"])
        answered: Result = {"NetworkInterfaceId": interface["NetworkInterfaceId"]}
        match params.get("Attribute"):
            case "description":
                answered["Description"] = {"Value": interface["Description"]}
            case "groupSet":
                answered["Groups"] = interface["Groups"]
            case "sourceDestCheck":
                answered["SourceDestCheck"] = {"Value": interface["SourceDestCheck"]}
            case "attachment":
                if "Attachment" in interface:
                    answered["Attachment"] = interface["Attachment"]
            case "associatePublicIpAddress":
                answered["AssociatePublicIpAddress"] = bool(interface.get("_WantsPublic"))
            case other:
                raise AwsError("InvalidParameterValue", f"Value ({other}) for attribute is invalid.")
        return answered

    def reset_network_interface_attribute(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            interface = need(change, KIND, params["NetworkInterfaceId"])
            change.update(KIND, interface["NetworkInterfaceId"], SourceDestCheck=True)
        return {}

    def assign_private_ip_addresses(self, call: Call, params: Params) -> Result:
        refuse_ipv6(params)
        with self._network.changing(call, params) as change:
            interface = need(change, KIND, params["NetworkInterfaceId"])
            subnet = need(change, "subnet", interface["SubnetId"])
            wanted: list[str | None] = list(params.get("PrivateIpAddresses") or [])
            wanted += [None] * int(params.get("SecondaryPrivateIpAddressCount") or 0)
            if not wanted:
                raise AwsError(
                    "MissingParameter",
                    "The request must contain the parameter privateIpAddresses or "
                    "secondaryPrivateIpAddressCount",
                )
            claimed: list[str] = []
            for address in wanted:
                claimed.append(str(claim(change, subnet, address, claimed)))
            add_addresses(change, interface, claimed)
        return {
            "NetworkInterfaceId": interface["NetworkInterfaceId"],
            "AssignedPrivateIpAddresses": [{"PrivateIpAddress": address} for address in claimed],
        }

    def unassign_private_ip_addresses(self, call: Call, params: Params) -> Result:
        refuse_ipv6(params)
        doomed = set(params.get("PrivateIpAddresses") or [])
        with self._network.changing(call, params) as change:
            interface = need(change, KIND, params["NetworkInterfaceId"])
            removable = {a["PrivateIpAddress"] for a in interface["PrivateIpAddresses"] if not a["Primary"]}
            if doomed - removable:
                raise AwsError(
                    "InvalidParameterValue",
                    "Some of the specified addresses are not assigned to interface "
                    f"{interface['NetworkInterfaceId']}",
                )
            kept = [a for a in interface["PrivateIpAddresses"] if a["PrivateIpAddress"] not in doomed]
            change.update(KIND, interface["NetworkInterfaceId"], PrivateIpAddresses=kept)
            for address in change.all("elastic-ip"):
                same = address.get("NetworkInterfaceId") == interface["NetworkInterfaceId"]
                if same and address.get("PrivateIpAddress") in doomed:
                    change.put("elastic-ip", address["AllocationId"], free_address(address))
        return {}


def _attached(view: Change, attachment_id: str) -> Record:
    ids.check("network-interface-attachment", attachment_id)
    for interface in view.all(KIND):
        if (interface.get("Attachment") or {}).get("AttachmentId") == attachment_id:
            return interface
    raise ids.not_found("network-interface-attachment", attachment_id)


def _with_attachment(interface: Record, wanted: Record) -> Record:
    attachment: Record | None = interface.get("Attachment")
    if attachment is None or attachment["AttachmentId"] != wanted.get("AttachmentId"):
        raise ids.not_found("network-interface-attachment", str(wanted.get("AttachmentId")))
    return {**attachment, "DeleteOnTermination": bool(wanted.get("DeleteOnTermination"))}
