"""VPCs, subnets, routes, gateways, network ACLs, interfaces and Elastic IPs, as the API tells them."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from botocore.exceptions import ClientError

NOBODY = "0123456789abcdef0"


@pytest.fixture(scope="module")
def ec2(server: Any) -> Any:
    return server.account_factory().client("ec2")


def error(call: Any, /, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    told = caught.value.response["Error"]
    return told["Code"], told["Message"]


def where(name: str, *values: str) -> list[dict[str, Any]]:
    return [{"Name": name, "Values": list(values)}]


@pytest.fixture
def vpc(ec2: Any) -> str:
    return str(ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"])


def test_the_default_vpc(server: Any) -> None:
    ec2 = server.account_factory().client("ec2", "eu-west-3")
    (vpc,) = ec2.describe_vpcs()["Vpcs"]
    assert (vpc["CidrBlock"], vpc["IsDefault"], vpc["State"]) == ("172.31.0.0/16", True, "available")
    subnets = ec2.describe_subnets()["Subnets"]
    assert [s["AvailabilityZone"] for s in subnets] == ["eu-west-3a", "eu-west-3b", "eu-west-3c"]
    assert [s["CidrBlock"] for s in subnets] == ["172.31.0.0/20", "172.31.16.0/20", "172.31.32.0/20"]
    assert all(s["DefaultForAz"] and s["MapPublicIpOnLaunch"] for s in subnets)
    assert {s["AvailableIpAddressCount"] for s in subnets} == {4091}
    (table,) = ec2.describe_route_tables(Filters=where("association.main", "true"))["RouteTables"]
    assert [r["DestinationCidrBlock"] for r in table["Routes"]] == ["172.31.0.0/16", "0.0.0.0/0"]
    (acl,) = ec2.describe_network_acls(Filters=where("default", "true"))["NetworkAcls"]
    assert {a["SubnetId"] for a in acl["Associations"]} == {s["SubnetId"] for s in subnets}
    (options,) = ec2.describe_dhcp_options()["DhcpOptions"]
    assert options["DhcpConfigurations"][0]["Values"] == [{"Value": "eu-west-3.compute.internal"}]
    hostnames = ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute="enableDnsHostnames")
    assert hostnames["EnableDnsHostnames"] == {"Value": True}
    assert error(ec2.create_default_vpc)[0] == "DefaultVpcAlreadyExists"

    # Its owner may take it apart and have it back.
    (gateway,) = ec2.describe_internet_gateways()["InternetGateways"]
    ids = {"InternetGatewayId": gateway["InternetGatewayId"]}
    assert error(ec2.delete_vpc, VpcId=vpc["VpcId"]) == (
        "DependencyViolation",
        f"The vpc '{vpc['VpcId']}' has dependencies and cannot be deleted.",
    )
    ec2.detach_internet_gateway(VpcId=vpc["VpcId"], **ids)
    ec2.delete_internet_gateway(**ids)
    for subnet in subnets:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    ec2.delete_vpc(VpcId=vpc["VpcId"])
    assert ec2.describe_vpcs()["Vpcs"] == []
    assert error(ec2.create_security_group, GroupName="x", Description="x")[0] == "VPCIdNotSpecified"
    assert ec2.create_default_vpc()["Vpc"]["IsDefault"]
    assert len(ec2.describe_subnets()["Subnets"]) == 3


def test_vpcs_and_subnets(ec2: Any) -> None:
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "mine"}]}]
    made = ec2.create_vpc(CidrBlock="10.0.3.4/16", TagSpecifications=tags)["Vpc"]
    vpc = made["VpcId"]
    assert (made["State"], made["CidrBlock"]) == ("pending", "10.0.0.0/16")
    assert [v["VpcId"] for v in ec2.describe_vpcs(Filters=where("tag:Name", "mine"))["Vpcs"]] == [vpc]
    assert error(ec2.create_vpc, CidrBlock="10.0.0.0/8") == (
        "InvalidVpc.Range",
        "The CIDR '10.0.0.0/8' is invalid.",
    )
    assert error(ec2.create_vpc, CidrBlock="10.0.0/16")[0] == "InvalidParameterValue"
    assert error(ec2.describe_vpcs, VpcIds=[f"vpc-{NOBODY}"]) == (
        "InvalidVpcID.NotFound",
        f"The vpc ID 'vpc-{NOBODY}' does not exist",
    )

    one = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1b")["Subnet"]
    assert (one["AvailabilityZoneId"], one["AvailableIpAddressCount"]) == ("use1-az2", 251)
    assert one["MapPublicIpOnLaunch"] is False
    assert error(ec2.create_subnet, VpcId=vpc, CidrBlock="10.0.1.128/25") == (
        "InvalidSubnet.Conflict",
        "The CIDR '10.0.1.128/25' conflicts with another subnet",
    )
    assert error(ec2.create_subnet, VpcId=vpc, CidrBlock="10.1.1.0/24")[0] == "InvalidSubnet.Range"
    code, message = error(ec2.create_subnet, VpcId=vpc, CidrBlock="10.0.2.0/24", AvailabilityZone="mars-1a")
    assert code == "InvalidParameterValue" and "us-east-1a, us-east-1b" in message
    ec2.modify_subnet_attribute(SubnetId=one["SubnetId"], MapPublicIpOnLaunch={"Value": True})
    (shown,) = ec2.describe_subnets(Filters=where("map-public-ip-on-launch", "true") + where("vpc-id", vpc))[
        "Subnets"
    ]
    assert shown["SubnetId"] == one["SubnetId"]

    more = ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.1.0.0/16")["CidrBlockAssociation"]
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.1.0/24")
    assert error(ec2.disassociate_vpc_cidr_block, AssociationId=more["AssociationId"])[0] == (
        "DependencyViolation"
    )
    assert error(ec2.create_vpc, CidrBlock="10.9.0.0/16", AmazonProvidedIpv6CidrBlock=True)[0] == (
        "UnsupportedOperation"
    )
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    told = ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")
    assert told["EnableDnsHostnames"]["Value"] is True


def test_routes_and_gateways(ec2: Any, vpc: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.1.0/24")["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    way_out = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    assert error(ec2.create_route, GatewayId=gateway, **way_out) == (
        "InvalidParameterValue",
        f"route table {table} and network gateway {gateway} belong to different networks",
    )
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    assert error(ec2.attach_internet_gateway, InternetGatewayId=gateway, VpcId=vpc) == (
        "Resource.AlreadyAssociated",
        f"resource {gateway} is already attached to network {vpc}",
    )
    ec2.create_route(GatewayId=gateway, **way_out)
    assert error(ec2.create_route, GatewayId=gateway, **way_out) == (
        "RouteAlreadyExists",
        "The route identified by 0.0.0.0/0 already exists.",
    )
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
    assert error(ec2.delete_route_table, RouteTableId=table)[0] == "DependencyViolation"

    address = ec2.allocate_address(Domain="vpc")
    nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address["AllocationId"])["NatGateway"]
    assert nat["State"] == "pending"
    ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[nat["NatGatewayId"]])
    assert nat["NatGatewayAddresses"][0]["PublicIp"] == address["PublicIp"]
    assert error(ec2.release_address, AllocationId=address["AllocationId"]) == (
        "InvalidIPAddress.InUse",
        f"Address {address['PublicIp']} is in use.",
    )
    private = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=private, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat["NatGatewayId"])
    ec2.delete_nat_gateway(NatGatewayId=nat["NatGatewayId"])
    (shown,) = ec2.describe_nat_gateways(Filter=where("vpc-id", vpc))["NatGateways"]
    assert shown["State"] == "deleted"
    (shown,) = ec2.describe_route_tables(RouteTableIds=[private])["RouteTables"]
    assert [r["State"] for r in shown["Routes"]] == ["active", "blackhole"]
    ec2.release_address(AllocationId=address["AllocationId"])

    code, message = error(
        ec2.create_route, RouteTableId=private, DestinationCidrBlock="9.0.0.0/8", TransitGatewayId="tgw-1"
    )
    assert code == "UnsupportedOperation" and "transit gateways" in message
    assert error(ec2.delete_route, RouteTableId=table, DestinationCidrBlock="10.20.0.0/16") == (
        "InvalidParameterValue",
        f"cannot remove local route 10.20.0.0/16 in route table {table}",
    )
    assert error(ec2.delete_route, RouteTableId=table, DestinationCidrBlock="9.0.0.0/8") == (
        "InvalidRoute.NotFound",
        f"no route with destination-cidr-block 9.0.0.0/8 in route table {table}",
    )
    ec2.delete_route(**way_out)
    ec2.disassociate_route_table(AssociationId=association)
    ec2.delete_route_table(RouteTableId=table)
    (main,) = ec2.describe_route_tables(Filters=where("association.main", "true") + where("vpc-id", vpc))[
        "RouteTables"
    ]
    main_association = main["Associations"][0]["RouteTableAssociationId"]
    new = ec2.replace_route_table_association(AssociationId=main_association, RouteTableId=private)
    (shown,) = ec2.describe_route_tables(RouteTableIds=[private])["RouteTables"]
    assert shown["Associations"][0]["Main"] is True
    assert shown["Associations"][0]["RouteTableAssociationId"] == new["NewAssociationId"]


def test_network_acls(ec2: Any, vpc: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.1.0/24")["Subnet"]["SubnetId"]
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    entry = {
        "NetworkAclId": acl, "RuleNumber": 100, "Protocol": "6", "RuleAction": "allow", "Egress": False,
        "CidrBlock": "10.1.2.3/8", "PortRange": {"From": 22, "To": 23},
    }  # fmt: skip
    ec2.create_network_acl_entry(**entry)
    assert error(ec2.create_network_acl_entry, **entry) == (
        "NetworkAclEntryAlreadyExists",
        "The network acl entry identified by 100 already exists.",
    )
    ec2.replace_network_acl_entry(**{**entry, "RuleAction": "deny"})
    (shown,) = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"]
    assert [(e["Egress"], e["RuleNumber"], e["RuleAction"]) for e in shown["Entries"]] == [
        (True, 32767, "deny"),
        (False, 100, "deny"),
        (False, 32767, "deny"),
    ]
    assert shown["Entries"][1]["CidrBlock"] == "10.0.0.0/8"
    (default,) = ec2.describe_network_acls(Filters=where("default", "true") + where("vpc-id", vpc))[
        "NetworkAcls"
    ]
    old = default["Associations"][0]["NetworkAclAssociationId"]
    ec2.replace_network_acl_association(AssociationId=old, NetworkAclId=acl)
    (shown,) = ec2.describe_network_acls(Filters=where("association.subnet-id", subnet))["NetworkAcls"]
    assert shown["NetworkAclId"] == acl
    assert error(ec2.delete_network_acl, NetworkAclId=acl)[0] == "DependencyViolation"
    assert error(ec2.delete_network_acl_entry, NetworkAclId=acl, RuleNumber=7, Egress=True) == (
        "InvalidNetworkAclEntry.NotFound",
        "The network acl entry identified by 7 does not exist.",
    )


def test_interfaces(ec2: Any, vpc: str) -> None:
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.1.0/28")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    tags = [{"ResourceType": "network-interface", "Tags": [{"Key": "Name", "Value": "nic"}]}]
    made = ec2.create_network_interface(
        SubnetId=subnet,
        PrivateIpAddress="10.20.1.10",
        Groups=[group],
        Description="d",
        TagSpecifications=tags,
    )["NetworkInterface"]
    eni = made["NetworkInterfaceId"]
    assert made["PrivateDnsName"] == "ip-10-20-1-10.ec2.internal" and made["Status"] == "pending"
    (shown,) = ec2.describe_network_interfaces(Filters=where("tag:Name", "nic") + where("group-id", group))[
        "NetworkInterfaces"
    ]
    assert shown["TagSet"] == tags[0]["Tags"] and shown["Status"] == "available"
    taken = {"SubnetId": subnet, "PrivateIpAddress": "10.20.1.10"}
    assert error(ec2.create_network_interface, **taken) == (
        "InvalidIPAddress.InUse",
        "Address 10.20.1.10 is in use.",
    )
    for address in ("10.20.1.1", "10.20.1.15", "10.20.9.9"):
        told = error(ec2.create_network_interface, SubnetId=subnet, PrivateIpAddress=address)
        assert told[0] == "InvalidParameterValue"
    more = ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=10)
    assert len(more["AssignedPrivateIpAddresses"]) == 10
    (shown,) = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]
    assert shown["AvailableIpAddressCount"] == 0
    assert error(ec2.create_network_interface, SubnetId=subnet) == (
        "InsufficientFreeAddressesInSubnet",
        "The specified subnet does not have enough free addresses to satisfy the request.",
    )
    drop = [a["PrivateIpAddress"] for a in more["AssignedPrivateIpAddresses"]]
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=drop)
    assert error(ec2.delete_security_group, GroupId=group)[0] == "DependencyViolation"
    assert error(ec2.delete_subnet, SubnetId=subnet)[0] == "DependencyViolation"
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, SourceDestCheck={"Value": False})
    told = ec2.describe_network_interface_attribute(NetworkInterfaceId=eni, Attribute="sourceDestCheck")
    assert told["SourceDestCheck"]["Value"] is False

    address = ec2.allocate_address()
    binding = {"AllocationId": address["AllocationId"], "NetworkInterfaceId": eni}
    assert error(ec2.associate_address, **binding) == (
        "Gateway.NotAttached",
        f"Network {vpc} is not attached to any internet gateway",
    )
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    association = ec2.associate_address(**binding)["AssociationId"]
    (shown,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"]
    dashed = address["PublicIp"].replace(".", "-")
    assert shown["Association"]["PublicDnsName"] == f"ec2-{dashed}.compute-1.undercast.internal"
    (listed,) = ec2.describe_addresses(PublicIps=[address["PublicIp"]])["Addresses"]
    assert (listed["AssociationId"], listed["PrivateIpAddress"]) == (association, "10.20.1.10")
    assert ipaddress.ip_address(address["PublicIp"]) in ipaddress.ip_network("198.18.0.0/16")
    detach = {"InternetGatewayId": gateway, "VpcId": vpc}
    assert "mapped public address" in error(ec2.detach_internet_gateway, **detach)[1]
    ec2.disassociate_address(AssociationId=association)
    ec2.release_address(AllocationId=address["AllocationId"])
    assert (
        error(ec2.release_address, AllocationId=address["AllocationId"])[0] == "InvalidAllocationID.NotFound"
    )
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    assert error(ec2.describe_network_interfaces, NetworkInterfaceIds=[eni])[0] == (
        "InvalidNetworkInterfaceID.NotFound"
    )


def test_what_is_not_here_is_refused_by_name(ec2: Any, vpc: str) -> None:
    for call, params in (
        (ec2.create_vpc_peering_connection, {"VpcId": vpc, "PeerVpcId": vpc}),
        (ec2.create_transit_gateway, {}),
        (ec2.create_vpc_endpoint, {"VpcId": vpc, "ServiceName": "com.amazonaws.us-east-1.s3"}),
    ):
        code, message = error(call, **params)
        assert code in ("NotImplemented", "UnsupportedOperation", "InvalidAction")
        assert "Create" in message
