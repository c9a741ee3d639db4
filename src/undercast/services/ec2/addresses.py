"""Elastic IP addresses: public addresses an account keeps, and moves between instances as it likes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.interfaces import KIND, free_address, public_name, set_association
from undercast.services.ec2.lookup import chosen, need
from undercast.services.ec2.pages import answer, page
from undercast.services.ec2.tags import from_specifications

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters(
    {
        "allocation-id": "AllocationId",
        "association-id": "AssociationId",
        "domain": "Domain",
        "instance-id": "InstanceId",
        "network-border-group": "NetworkBorderGroup",
        "network-interface-id": "NetworkInterfaceId",
        "network-interface-owner-id": "NetworkInterfaceOwnerId",
        "private-ip-address": "PrivateIpAddress",
        "public-ip": "PublicIp",
    }
)


class Addresses:
    """The operations on Elastic IP addresses."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._network = ec2.default_network
        self._suffix = ec2.cloud.settings.dns_suffix

    def allocate_address(self, call: Call, params: Params) -> Result:
        for name in ("PublicIpv4Pool", "CustomerOwnedIpv4Pool", "IpamPoolId"):
            if params.get(name):
                raise AwsError("UnsupportedOperation", f"The parameter {name} needs a pool that is not here.")
        if params.get("Domain") not in (None, "vpc"):
            raise AwsError("UnsupportedOperation", "The domain 'standard' is that of EC2-Classic.")
        if params.get("Address"):
            raise AwsError("InvalidParameterValue", f"Address '{params['Address']}' cannot be recovered.")
        wanted = from_specifications(params, "elastic-ip")
        with self._network.changing(call, params) as change:
            allocation_id = ids.new_id("eipalloc")
            address = {
                "AllocationId": allocation_id,
                "PublicIp": self._ec2.public_addresses.pick(change),
                "PublicIpv4Pool": "amazon",
                "NetworkBorderGroup": call.region,
                "Domain": "vpc",
                "Tags": wanted,
            }
            change.put("elastic-ip", allocation_id, address)
        return {name: value for name, value in address.items() if name != "Tags"}

    def describe_addresses(self, call: Call, params: Params) -> Result:
        dry_run(params)
        view = self._network.view(call)
        addresses = chosen(view, "elastic-ip", params.get("AllocationIds"))
        if params.get("PublicIps"):
            named = [_by_public(view, public) for public in params["PublicIps"]]
            addresses = named + (addresses if params.get("AllocationIds") else [])
        shown = [visible(address) for address in addresses]
        return {"Addresses": _FILTERS.select(shown, params.get("Filters"))}

    def describe_addresses_attribute(self, call: Call, params: Params) -> Result:
        dry_run(params)
        view = self._network.view(call)
        rows = [
            {
                "AllocationId": address["AllocationId"],
                "PublicIp": address["PublicIp"],
                "PtrRecord": public_name(address["PublicIp"], call.region, self._suffix) + ".",
            }
            for address in chosen(view, "elastic-ip", params.get("AllocationIds"))
        ]
        selected, token = page(rows, params, lambda row: str(row["AllocationId"]), lowest=1)
        return answer("Addresses", selected, token)

    def release_address(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            address = _named(change, params)
            if address.get("AssociationId"):
                raise AwsError("InvalidIPAddress.InUse", f"Address {address['PublicIp']} is in use.")
            change.delete("elastic-ip", address["AllocationId"])
        return {}

    def associate_address(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            address = _named(change, params)
            interface = self._target(change, params)
            private = params.get("PrivateIpAddress") or interface["PrivateIpAddress"]
            present = next(
                (a for a in interface["PrivateIpAddresses"] if a["PrivateIpAddress"] == private), None
            )
            if present is None:
                raise AwsError(
                    "InvalidParameterValue",
                    f"The private IP address {private} is not assigned to {interface['NetworkInterfaceId']}.",
                )
            self._check_gateway(change, interface["VpcId"])
            again = bool(params.get("AllowReassociation", True))
            if address.get("AssociationId"):
                same = (address["NetworkInterfaceId"], address["PrivateIpAddress"])
                if same == (interface["NetworkInterfaceId"], private):
                    return {"AssociationId": address["AssociationId"]}
                if not again:
                    raise AwsError(
                        "Resource.AlreadyAssociated",
                        f"resource {address['AllocationId']} is already associated with associate-id "
                        f"{address['AssociationId']}",
                    )
                self.free(change, address)
            held = (present.get("Association") or {}).get("AllocationId")
            if held is not None and held != address["AllocationId"]:
                if not again:
                    raise AwsError(
                        "Resource.AlreadyAssociated",
                        f"resource {interface['NetworkInterfaceId']} is already associated with an address.",
                    )
                other = need(change, "elastic-ip", held)
                change.put("elastic-ip", held, free_address(other))
            new = self.bind(change, address, need(change, KIND, interface["NetworkInterfaceId"]), private)
        return {"AssociationId": new["AssociationId"]}

    def disassociate_address(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            if params.get("AssociationId"):
                ids.check("elastic-ip-association", params["AssociationId"])
                found = [
                    a for a in change.all("elastic-ip") if a.get("AssociationId") == params["AssociationId"]
                ]
                if not found:
                    raise AwsError(
                        "InvalidAssociationID.NotFound",
                        f"The association ID '{params['AssociationId']}' does not exist",
                    )
                address = found[0]
            else:
                address = _by_public(change, params.get("PublicIp"))
            if address.get("AssociationId"):
                self.free(change, address)
        return {}

    # -- for NAT gateways as well

    def bind(self, change: Change, address: Record, interface: Record, private: str) -> Record:
        """The address, associated with one private address of the interface."""
        association = {
            "AllocationId": address["AllocationId"],
            "AssociationId": ids.new_id("eipassoc"),
            "IpOwnerId": change.account,
            "PublicDnsName": self._ec2.public_addresses.name(change, interface["VpcId"], address["PublicIp"]),
            "PublicIp": address["PublicIp"],
        }
        set_association(change, interface, association, private)
        bound = {
            **free_address(address),
            "AssociationId": association["AssociationId"],
            "NetworkInterfaceId": interface["NetworkInterfaceId"],
            "NetworkInterfaceOwnerId": interface["OwnerId"],
            "PrivateIpAddress": private,
        }
        attachment = interface.get("Attachment") or {}
        if "InstanceId" in attachment:
            bound["InstanceId"] = attachment["InstanceId"]
        return change.put("elastic-ip", address["AllocationId"], bound)

    def free(self, change: Change, address: Record) -> Record:
        """The address without its association; a running instance gets another one for the time being."""
        interface = change.get(KIND, address["NetworkInterfaceId"])
        if interface is not None:
            bare = set_association(change, interface, None, address["PrivateIpAddress"])
            if self._wants_another(change, bare):
                self._ec2.public_addresses.give(change, bare)
        return change.put("elastic-ip", address["AllocationId"], free_address(address))

    @staticmethod
    def _wants_another(view: Change, interface: Record) -> bool:
        if not interface.get("_WantsPublic") or "Association" in interface:
            return False
        instance = view.get("instance", (interface.get("Attachment") or {}).get("InstanceId", ""))
        return instance is not None and instance["State"]["Name"] in ("pending", "running")

    def _target(self, view: Change, params: Params) -> Record:
        if params.get("NetworkInterfaceId"):
            return need(view, KIND, params["NetworkInterfaceId"])
        if not params.get("InstanceId"):
            raise AwsError("MissingParameter", "Either instance ID or network interface id must be specified")
        instance = need(view, "instance", params["InstanceId"])
        interfaces = self._ec2.network_interfaces.of_instance(view, instance["InstanceId"])
        if instance["State"]["Name"] not in ("running", "stopped", "stopping") or not interfaces:
            raise AwsError(
                "InvalidInstanceID",
                f"The {instance['State']['Name']} instance '{instance['InstanceId']}' is not in a valid "
                "state for this operation.",
            )
        return interfaces[0]

    @staticmethod
    def _check_gateway(view: Change, vpc_id: str) -> None:
        attached = [a["VpcId"] for g in view.all("internet-gateway") for a in g["Attachments"]]
        if vpc_id not in attached:
            raise AwsError("Gateway.NotAttached", f"Network {vpc_id} is not attached to any internet gateway")


def _named(view: Change, params: Params) -> Record:
    if params.get("AllocationId"):
        return need(view, "elastic-ip", params["AllocationId"])
    return _by_public(view, params.get("PublicIp"))


def _by_public(view: Change, public: str | None) -> Record:
    if not public:
        raise AwsError("MissingParameter", "Either public IP or allocation id must be specified")
    for address in view.all("elastic-ip"):
        if address["PublicIp"] == public:
            return address
    raise AwsError("InvalidAddress.NotFound", f"Address '{public}' not found.")
