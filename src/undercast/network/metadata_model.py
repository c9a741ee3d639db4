"""What the metadata service knows about an instance: written by EC2, read by `metadata_tree`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RoleCredentials:
    """Temporary keys of the instance profile's role."""

    access_key_id: str
    secret_access_key: str
    token: str
    issued: dt.datetime
    expires: dt.datetime


@dataclass(frozen=True, slots=True)
class Profile:
    """The instance profile. `credentials` is called, in a thread, when the instance asks for them."""

    arn: str
    id: str
    role: str
    credentials: Callable[[], RoleCredentials]
    attached: dt.datetime


@dataclass(frozen=True, slots=True)
class MetadataOptions:
    """The instance's MetadataOptions: `tokens_required` is HttpTokens=required (IMDSv2 alone)."""

    enabled: bool = True
    tokens_required: bool = True
    hop_limit: int = 2
    tags: bool = False


@dataclass(frozen=True, slots=True)
class InterfaceMetadata:
    """A network interface. `public` maps public addresses to the private ones they stand for."""

    id: str
    mac: str
    device_number: int
    owner: str
    local_hostname: str
    local_ipv4s: tuple[str, ...]
    public_hostname: str
    public: Mapping[str, str]
    groups: Mapping[str, str]  # id to name
    subnet_id: str
    subnet_cidr: str
    vpc_id: str
    vpc_cidrs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpotNotice:
    """What will be done with a spot instance, and when."""

    action: str  # terminate, stop, hibernate
    time: dt.datetime


@dataclass(frozen=True, slots=True)
class MachineMetadata:
    """One instance, as it may see itself.

    `public_keys` maps key names to OpenSSH lines, `block_devices` AWS's names (ami, root, ebs1, ...) to
    devices. `user_data` None means there is none (404). `interfaces[0]` is the primary one.
    """

    instance_id: str
    account: str
    region: str
    availability_zone: str
    availability_zone_id: str
    image_id: str
    instance_type: str
    architecture: str  # x86_64, arm64
    reservation_id: str
    launch_index: int
    launched: dt.datetime
    interfaces: tuple[InterfaceMetadata, ...]
    options: MetadataOptions = MetadataOptions()
    public_keys: Mapping[str, str] = field(default_factory=dict)
    block_devices: Mapping[str, str] = field(default_factory=dict)
    user_data: bytes | None = None
    profile: Profile | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    life_cycle: str = "on-demand"
    spot: SpotNotice | None = None
    placement_group: str | None = None
