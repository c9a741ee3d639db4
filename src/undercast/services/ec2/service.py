"""The EC2 service: its resources, wired together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from undercast.machines.machines import Machines
from undercast.machines.spec import MachineImage
from undercast.network.network import Network
from undercast.services.base import Service
from undercast.services.ec2.addresses import Addresses
from undercast.services.ec2.attachments import Attachments
from undercast.services.ec2.capacity import Capacity
from undercast.services.ec2.default_network import DefaultNetwork
from undercast.services.ec2.dhcp_options import DhcpOptionsSets
from undercast.services.ec2.estate import Estate
from undercast.services.ec2.image_attributes import ImageAttributes
from undercast.services.ec2.images import Images
from undercast.services.ec2.instance_attributes import InstanceAttributes
from undercast.services.ec2.instance_status import InstanceStatus
from undercast.services.ec2.instance_types import InstanceTypes
from undercast.services.ec2.instances import Instances
from undercast.services.ec2.interface_operations import InterfaceOperations
from undercast.services.ec2.internet_gateways import InternetGateways
from undercast.services.ec2.key_pairs import KeyPairs
from undercast.services.ec2.launch import Launch
from undercast.services.ec2.launch_templates import LaunchTemplates
from undercast.services.ec2.metadata import Metadata
from undercast.services.ec2.nat_gateways import NatGateways
from undercast.services.ec2.network_acls import NetworkAcls
from undercast.services.ec2.network_interfaces import NetworkInterfaces
from undercast.services.ec2.networking import Networking
from undercast.services.ec2.placement_groups import PlacementGroups
from undercast.services.ec2.power import Power
from undercast.services.ec2.prefix_lists import PrefixLists
from undercast.services.ec2.profiles import Profiles
from undercast.services.ec2.public_addresses import PublicAddresses
from undercast.services.ec2.public_parameters import PublicParameters
from undercast.services.ec2.reconciler import Reconciler
from undercast.services.ec2.regions import Regions
from undercast.services.ec2.route_tables import RouteTables
from undercast.services.ec2.routes import Routes
from undercast.services.ec2.security_group_rules import SecurityGroupRules
from undercast.services.ec2.security_groups import SecurityGroups
from undercast.services.ec2.snapshots import Snapshots
from undercast.services.ec2.spot import Spot
from undercast.services.ec2.spot_requests import SpotRequests
from undercast.services.ec2.subnets import Subnets
from undercast.services.ec2.tags import Tags
from undercast.services.ec2.volume_modifications import VolumeModifications
from undercast.services.ec2.volumes import Volumes
from undercast.services.ec2.vpcs import Vpcs

if TYPE_CHECKING:
    from undercast.cloud import Cloud


class Ec2(Service):
    """Holds the estate and every resource module; the modules find each other through it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.estate = Estate(cloud.store)
        cloud.machines = Machines(cloud.settings)
        cloud.network = Network(cloud.settings, cloud.hosts)
        self.machine_images: Sequence[MachineImage] = ()  # as the reconciler saw them last
        self.tags = Tags(self.estate)
        self.default_network = DefaultNetwork(self)
        self.public_addresses = PublicAddresses(cloud.settings.public_pool, cloud.settings.dns_suffix)
        self.vpcs = Vpcs(self)
        self.subnets = Subnets(self)
        self.dhcp_options = DhcpOptionsSets(self)
        self.security_groups = SecurityGroups(self)
        self.security_group_rules = SecurityGroupRules(self)
        self.prefix_lists = PrefixLists(self)
        self.route_tables = RouteTables(self)
        self.routes = Routes(self)
        self.internet_gateways = InternetGateways(self)
        self.network_acls = NetworkAcls(self)
        self.network_interfaces = NetworkInterfaces(self)
        self.interface_operations = InterfaceOperations(self)
        self.addresses = Addresses(self)
        self.nat_gateways = NatGateways(self)
        self.networking = Networking(self)
        self.regions = Regions(self.estate)
        self.instance_types = InstanceTypes()
        self.key_pairs = KeyPairs(self)
        self.snapshots = Snapshots(self)
        self.volumes = Volumes(self)
        self.attachments = Attachments(self)
        self.volume_modifications = VolumeModifications(self)
        self.images = Images(self)
        self.image_attributes = ImageAttributes(self)
        self.public_parameters = PublicParameters(self)
        self.launch_templates = LaunchTemplates(self)
        self.placement_groups = PlacementGroups(self)
        self.profiles = Profiles(self)
        self.capacity = Capacity(self)
        self.spot = Spot(self)
        self.spot_requests = SpotRequests(self)
        self.launch = Launch(self)
        self.power = Power(self)
        self.instances = Instances(self)
        self.instance_attributes = InstanceAttributes(self)
        self.instance_status = InstanceStatus(self)
        self.metadata = Metadata(self)
        self.reconciler = Reconciler(self)
        super().__init__(
            "ec2",
            [
                self.tags,
                self.vpcs,
                self.subnets,
                self.dhcp_options,
                self.security_groups,
                self.security_group_rules,
                self.prefix_lists,
                self.route_tables,
                self.routes,
                self.internet_gateways,
                self.network_acls,
                self.interface_operations,
                self.addresses,
                self.nat_gateways,
                self.regions,
                self.instance_types,
                self.key_pairs,
                self.snapshots,
                self.volumes,
                self.attachments,
                self.volume_modifications,
                self.images,
                self.image_attributes,
                self.launch_templates,
                self.placement_groups,
                self.profiles,
                self.spot_requests,
                self.launch,
                self.power,
                self.instances,
                self.instance_attributes,
                self.instance_status,
            ],
        )

    async def start(self) -> None:
        await self.networking.start()
        await self.reconciler.start()
        # Machines of servers whose data is gone were removed just now, and need no filter any more.
        await self.cloud.network.sweep()

    async def stop(self) -> None:
        await self.reconciler.stop()
        await self.networking.stop()

    def reset(self, session: Session, account: str) -> None:
        self.estate.erase(session, account)

    async def after_reset(self, account: str) -> None:
        self.estate.forget(account)
