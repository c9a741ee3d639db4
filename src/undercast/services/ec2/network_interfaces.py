"""Network interfaces of instances: made at launch, changed with the instance's state, gone with it."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING

from undercast.machines.spec import NicSpec
from undercast.network.metadata_model import InterfaceMetadata
from undercast.network.model import vif_name
from undercast.services.base import AwsError, Call, Params
from undercast.services.ec2.estate import Change, Record
from undercast.services.ec2.interfaces import (
    KIND,
    attach,
    check_routable,
    delete_interface,
    detach,
    make_interface,
    release_dynamic,
    resolve_groups,
)
from undercast.services.ec2.launch_network import LaunchNetwork, plan_launch
from undercast.services.ec2.lookup import need

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2


class NetworkInterfaces:
    """What instances need of the network. Methods that take a `change` raise AWS's errors."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._host_id = ec2.cloud.settings.host_id

    # -- an instance's life

    def ensure_account(self, account: str, region: str) -> None:
        """Make the default VPC; not inside a change."""
        self._ec2.default_network.ensure(account, region)

    def prepare_launch(self, change: Change, call: Call, params: Params) -> LaunchNetwork:
        """Check all a RunInstances request says about the network. Writes nothing."""
        return plan_launch(change, call, params, self._ec2.networking.clash)

    def launch(self, change: Change, network: LaunchNetwork, instance_id: str, index: int) -> None:
        """The interfaces of one instance of the launch (number `index` of it)."""
        now = dt.datetime.now(dt.UTC)
        for plan in network.plans:
            if plan.interface_id is not None:
                interface = need(change, KIND, plan.interface_id)
            else:
                if index and plan.addresses:
                    raise AwsError("InvalidIPAddress.InUse", f"Address {plan.addresses[0]} is in use.")
                interface = make_interface(
                    change,
                    plan.subnet,
                    list(plan.groups),
                    addresses=plan.addresses,
                    further=plan.further,
                    description=plan.description,
                    tags=list(network.tags),
                    _WantsPublic=plan.public,
                )
                if plan.public:
                    interface = self._ec2.public_addresses.give(change, interface)
            attach(change, interface, instance_id, plan.device_index, plan.delete_on_termination, now)

    def started(self, change: Change, instance_id: str) -> None:
        """The instance starts again: interfaces that want a public address get a new one."""
        for interface in self.of_instance(change, instance_id):
            check_routable(change, interface)
            if interface.get("_WantsPublic") and "Association" not in interface:
                self._ec2.public_addresses.give(change, interface)

    def stopped(self, change: Change, instance_id: str) -> None:
        """The instance has stopped: public addresses for the time being go, Elastic IPs stay."""
        for interface in self.of_instance(change, instance_id):
            release_dynamic(change, interface)

    def terminated(self, change: Change, instance_id: str) -> None:
        """The instance is gone: its interfaces are deleted, or left behind unattached."""
        for interface in self.of_instance(change, instance_id):
            if interface["Attachment"]["DeleteOnTermination"]:
                delete_interface(change, interface)
            else:
                detach(change, interface)

    # -- attributes of an instance that are its primary interface's

    def set_source_dest_check(self, change: Change, instance_id: str, value: bool) -> None:
        """ModifyInstanceAttribute SourceDestCheck."""
        primary = self._primary(change, instance_id)
        change.update(KIND, primary["NetworkInterfaceId"], SourceDestCheck=value)

    def set_groups(self, change: Change, instance_id: str, group_ids: list[str]) -> None:
        """ModifyInstanceAttribute Groups."""
        primary = self._primary(change, instance_id)
        groups = resolve_groups(change, primary["VpcId"], group_ids)
        change.update(KIND, primary["NetworkInterfaceId"], Groups=groups)

    def _primary(self, view: Change, instance_id: str) -> Record:
        interfaces = self.of_instance(view, instance_id)
        if not interfaces:
            raise AwsError("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist")
        return interfaces[0]

    # -- looking

    def of_instance(self, view: Change, instance_id: str) -> list[Record]:
        """The instance's interfaces by device index."""
        found = [i for i in view.all(KIND) if (i.get("Attachment") or {}).get("InstanceId") == instance_id]
        return sorted(found, key=lambda i: int(i["Attachment"]["DeviceIndex"]))

    def of_instances(self, account: str, region: str) -> dict[str, list[Record]]:
        """The interfaces of every instance by device index, in one pass."""
        found: dict[str, list[Record]] = {}
        for interface in self._ec2.estate.all(account, region, KIND):
            attachment = interface.get("Attachment")
            if attachment and "InstanceId" in attachment:
                found.setdefault(attachment["InstanceId"], []).append(interface)
        for interfaces in found.values():
            if len(interfaces) > 1:
                interfaces.sort(key=lambda i: int(i["Attachment"]["DeviceIndex"]))
        return found

    @staticmethod
    def instance_view(interface: Record) -> Record:
        """The interface as DescribeInstances shows it."""
        attachment = {
            k: v for k, v in interface["Attachment"].items() if k not in ("InstanceId", "InstanceOwnerId")
        }
        members = (
            "Association", "Description", "Groups", "InterfaceType", "Ipv6Addresses", "MacAddress",
            "NetworkInterfaceId", "OwnerId", "PrivateDnsName", "PrivateIpAddress", "PrivateIpAddresses",
            "SourceDestCheck", "Status", "SubnetId", "VpcId",
        )  # fmt: skip
        shown = {k: interface[k] for k in members if k in interface}
        return {**shown, "Attachment": attachment, "_Tags": interface["Tags"]}

    def nics(self, interfaces: Iterable[Record]) -> tuple[NicSpec, ...]:
        """The interfaces as the machines engine takes them."""
        return tuple(
            NicSpec(
                f"eth{interface['Attachment']['DeviceIndex']}",
                vif_name(self._host_id, interface["NetworkInterfaceId"]),
                interface["MacAddress"],
                interface["PrivateIpAddress"],
            )
            for interface in interfaces
        )

    def instance_at(self, address: str) -> tuple[str, str, str] | None:
        """Account, region and id of the instance that has the private address on this machine now."""
        return self._ec2.networking.holders.get(address)

    def metadata(self, account: str, region: str, instance_id: str) -> tuple[InterfaceMetadata, ...]:
        """The instance's interfaces as its metadata tells them."""
        view = Change(self._ec2.estate, account, region)
        return tuple(_metadata(view, interface) for interface in self.of_instance(view, instance_id))

    def resolver_settings(self, account: str, region: str, vpc_id: str) -> tuple[list[str], str]:
        """The resolvers and the domain that instances of a VPC are to be told (its DHCP options)."""
        view = Change(self._ec2.estate, account, region)
        vpc = view.get("vpc", vpc_id) or {}
        options = view.get("dhcp-options", vpc.get("DhcpOptionsId") or "") or {}
        told = {
            one["Key"]: [value["Value"] for value in one["Values"]]
            for one in options.get("DhcpConfigurations") or []
        }
        resolvers = [
            server for server in told.get("domain-name-servers") or [] if server != "AmazonProvidedDNS"
        ]
        domain = " ".join(told.get("domain-name") or [])
        return resolvers or ["169.254.169.253"], domain


def _metadata(view: Change, interface: Record) -> InterfaceMetadata:
    subnet, vpc = need(view, "subnet", interface["SubnetId"]), need(view, "vpc", interface["VpcId"])
    public = {
        a["Association"]["PublicIp"]: a["PrivateIpAddress"]
        for a in interface["PrivateIpAddresses"]
        if "Association" in a
    }
    return InterfaceMetadata(
        id=interface["NetworkInterfaceId"],
        mac=interface["MacAddress"],
        device_number=int(interface["Attachment"]["DeviceIndex"]),
        owner=interface["OwnerId"],
        local_hostname=interface["PrivateDnsName"],
        local_ipv4s=tuple(a["PrivateIpAddress"] for a in interface["PrivateIpAddresses"]),
        public_hostname=(interface.get("Association") or {}).get("PublicDnsName", ""),
        public=public,
        groups={g["GroupId"]: g["GroupName"] for g in interface["Groups"]},
        subnet_id=subnet["SubnetId"],
        subnet_cidr=subnet["CidrBlock"],
        vpc_id=vpc["VpcId"],
        vpc_cidrs=tuple(str(ipaddress.IPv4Network(a["CidrBlock"])) for a in vpc["CidrBlockAssociationSet"]),
    )
