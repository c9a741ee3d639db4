"""NAT gateways: the way out for subnets whose instances have no public addresses."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.interfaces import KIND, delete_interface, make_interface
from undercast.services.ec2.lookup import describe, missing, need
from undercast.services.ec2.tags import from_specifications

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters(
    {
        "nat-gateway-id": "NatGatewayId",
        "state": "State",
        "subnet-id": "SubnetId",
        "vpc-id": "VpcId",
    }
)
_SECONDARY = ("SecondaryAllocationIds", "SecondaryPrivateIpAddresses", "SecondaryPrivateIpAddressCount")
_SHOWN_AFTER = dt.timedelta(hours=1)  # for so long AWS still shows deleted ones


class NatGateways:
    """The operations on NAT gateways."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._network = ec2.default_network

    def create_nat_gateway(self, call: Call, params: Params) -> Result:
        if params.get("ConnectivityType") == "private":
            raise AwsError("UnsupportedOperation", "Private NAT gateways are not here.")
        for name in _SECONDARY:
            if params.get(name):
                raise AwsError("UnsupportedOperation", f"The parameter {name} is not supported here.")
        wanted = from_specifications(params, "natgateway")
        with self._network.changing(call, params) as change:
            subnet = need(change, "subnet", params.get("SubnetId"))
            if not params.get("AllocationId"):
                raise missing("AllocationId")
            address = need(change, "elastic-ip", params["AllocationId"])
            if address.get("AssociationId"):
                raise AwsError(
                    "Resource.AlreadyAssociated",
                    f"Elastic IP address [{address['AllocationId']}] is already associated",
                )
            _purge(change, call.now)
            gateway = self._make(change, call.now, subnet, address, params.get("PrivateIpAddress"), wanted)
        shown = {**visible(gateway), "State": "pending"}
        token = params.get("ClientToken")
        return {"NatGateway": shown, "ClientToken": token} if token else {"NatGateway": shown}

    def describe_nat_gateways(self, call: Call, params: Params) -> Result:
        view = self._network.view(call)
        answered = describe(
            view,
            {**params, "Filters": params.get("Filter") or params.get("Filters")},
            "natgateway",
            ids_in="NatGatewayIds",
            answer_in="NatGateways",
            id="NatGatewayId",
            filters=_FILTERS,
        )
        answered["NatGateways"] = [g for g in answered["NatGateways"] if not _forgotten(g, call.now)]
        return answered

    def delete_nat_gateway(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            gateway = need(change, "natgateway", params["NatGatewayId"])
            gateway_id = gateway["NatGatewayId"]
            if gateway["State"] != "deleted":
                interface = change.get(KIND, gateway["NatGatewayAddresses"][0]["NetworkInterfaceId"])
                if interface is not None:
                    delete_interface(change, interface)
                change.update("natgateway", gateway_id, State="deleted", DeleteTime=call.now)
        return {"NatGatewayId": gateway_id}

    def _make(
        self,
        change: Change,
        now: dt.datetime,
        subnet: Record,
        address: Record,
        private: str | None,
        tags: list[dict[str, str]],
    ) -> Record:
        gateway_id = ids.new_id("nat")
        interface = make_interface(
            change,
            subnet,
            [],
            addresses=(private,) if private else (),
            description=f"Interface for NAT Gateway {gateway_id}",
            kind="nat_gateway",
            requester_managed=True,
        )
        interface = change.update(
            KIND, interface["NetworkInterfaceId"], Status="in-use", SourceDestCheck=False
        )
        bound = self._ec2.addresses.bind(change, address, interface, interface["PrivateIpAddress"])
        return change.put(
            "natgateway",
            gateway_id,
            {
                "NatGatewayId": gateway_id,
                "VpcId": subnet["VpcId"],
                "SubnetId": subnet["SubnetId"],
                "State": "available",
                "CreateTime": now,
                "ConnectivityType": "public",
                "NatGatewayAddresses": [
                    {
                        "AllocationId": bound["AllocationId"],
                        "AssociationId": bound["AssociationId"],
                        "IsPrimary": True,
                        "NetworkInterfaceId": interface["NetworkInterfaceId"],
                        "PrivateIp": interface["PrivateIpAddress"],
                        "PublicIp": bound["PublicIp"],
                        "Status": "succeeded",
                    }
                ],
                "Tags": tags,
            },
        )


def _forgotten(gateway: Record, now: dt.datetime) -> bool:
    return gateway["State"] == "deleted" and bool(now - gateway["DeleteTime"] > _SHOWN_AFTER)


def _purge(change: Change, now: dt.datetime) -> None:
    for gateway in change.all("natgateway"):
        if _forgotten(gateway, now):
            change.delete("natgateway", gateway["NatGatewayId"])
