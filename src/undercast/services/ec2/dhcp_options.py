"""DHCP options: the domain name and resolvers that instances of a VPC are told."""

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
        "dhcp-options-id": "DhcpOptionsId",
        "key": "DhcpConfigurations.Key",
        "owner-id": "OwnerId",
        "value": "DhcpConfigurations.Values.Value",
    }
)

_KEYS = (
    "domain-name",
    "domain-name-servers",
    "ntp-servers",
    "netbios-name-servers",
    "netbios-node-type",
    "ipv6-address-preferred-lease-time",
)


class DhcpOptionsSets:
    """The operations on sets of DHCP options."""

    def __init__(self, ec2: Ec2) -> None:
        self._network = ec2.default_network

    def create_dhcp_options(self, call: Call, params: Params) -> Result:
        given = params.get("DhcpConfigurations") or []
        for one in given:
            if one.get("Key") not in _KEYS:
                raise AwsError(
                    "InvalidParameterValue",
                    f"Value ({one.get('Key')}) for parameter name is invalid. Unknown DHCP option",
                )
        options_id = ids.new_id("dopt")
        record = {
            "DhcpOptionsId": options_id,
            "DhcpConfigurations": [
                {"Key": one["Key"], "Values": [{"Value": value} for value in one.get("Values") or []]}
                for one in given
            ],
            "OwnerId": call.account,
            "Tags": from_specifications(params, "dhcp-options"),
        }
        with self._network.changing(call, params) as change:
            change.put("dhcp-options", options_id, record)
        return {"DhcpOptions": visible(record)}

    def describe_dhcp_options(self, call: Call, params: Params) -> Result:
        return describe(
            self._network.view(call),
            params,
            "dhcp-options",
            ids_in="DhcpOptionsIds",
            answer_in="DhcpOptions",
            id="DhcpOptionsId",
            filters=_FILTERS,
        )

    def associate_dhcp_options(self, call: Call, params: Params) -> Result:
        """`default` as the id stands for no options at all."""
        options_id = params["DhcpOptionsId"]
        with self._network.changing(call, params) as change:
            vpc = need(change, "vpc", params["VpcId"])
            if options_id != "default":
                need(change, "dhcp-options", options_id)
            change.update("vpc", vpc["VpcId"], DhcpOptionsId=options_id)
        return {}

    def delete_dhcp_options(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            options_id = need(change, "dhcp-options", params["DhcpOptionsId"])["DhcpOptionsId"]
            if any(vpc["DhcpOptionsId"] == options_id for vpc in change.all("vpc")):
                raise dependent("dhcpOptions", options_id)
            change.delete("dhcp-options", options_id)
        return {}
