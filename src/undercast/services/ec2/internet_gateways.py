"""Internet gateways: without one, and a route to it, a subnet has no way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids
from undercast.services.ec2.estate import visible
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.lookup import dependent, describe, need
from undercast.services.ec2.tags import from_specifications

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters(
    {
        "attachment.state": "Attachments.State",
        "attachment.vpc-id": "Attachments.VpcId",
        "internet-gateway-id": "InternetGatewayId",
        "owner-id": "OwnerId",
    }
)


class InternetGateways:
    """The operations on internet gateways."""

    def __init__(self, ec2: Ec2) -> None:
        self._network = ec2.default_network

    def create_internet_gateway(self, call: Call, params: Params) -> Result:
        gateway_id = ids.new_id("igw")
        record = {
            "InternetGatewayId": gateway_id,
            "OwnerId": call.account,
            "Attachments": [],
            "Tags": from_specifications(params, "internet-gateway"),
        }
        with self._network.changing(call, params) as change:
            change.put("internet-gateway", gateway_id, record)
        return {"InternetGateway": visible(record)}

    def describe_internet_gateways(self, call: Call, params: Params) -> Result:
        return describe(
            self._network.view(call),
            params,
            "internet-gateway",
            ids_in="InternetGatewayIds",
            answer_in="InternetGateways",
            id="InternetGatewayId",
            filters=_FILTERS,
        )

    def attach_internet_gateway(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            gateway = need(change, "internet-gateway", params["InternetGatewayId"])
            vpc_id = need(change, "vpc", params["VpcId"])["VpcId"]
            gateway_id = gateway["InternetGatewayId"]
            for attachment in gateway["Attachments"]:
                raise AwsError(
                    "Resource.AlreadyAssociated",
                    f"resource {gateway_id} is already attached to network {attachment['VpcId']}",
                )
            if any(a["VpcId"] == vpc_id for g in change.all("internet-gateway") for a in g["Attachments"]):
                raise AwsError(
                    "InvalidParameterValue", f"Network {vpc_id} already has an internet gateway attached"
                )
            attached = [{"State": "available", "VpcId": vpc_id}]
            change.update("internet-gateway", gateway_id, Attachments=attached)
        return {}

    def detach_internet_gateway(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            gateway = need(change, "internet-gateway", params["InternetGatewayId"])
            vpc_id = need(change, "vpc", params["VpcId"])["VpcId"]
            gateway_id = gateway["InternetGatewayId"]
            if not any(a["VpcId"] == vpc_id for a in gateway["Attachments"]):
                raise AwsError(
                    "Gateway.NotAttached", f"resource {gateway_id} is not attached to network {vpc_id}"
                )
            if any(i["VpcId"] == vpc_id and i.get("Association") for i in change.all("network-interface")):
                raise AwsError(
                    "DependencyViolation",
                    f"Network {vpc_id} has some mapped public address(es). Please unmap those public "
                    "address(es) before detaching the gateway.",
                )
            change.update("internet-gateway", gateway_id, Attachments=[])
        return {}

    def delete_internet_gateway(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            gateway = need(change, "internet-gateway", params["InternetGatewayId"])
            if gateway["Attachments"]:
                raise dependent("internetGateway", gateway["InternetGatewayId"])
            change.delete("internet-gateway", gateway["InternetGatewayId"])
        return {}
