"""Amazon EC2: instances and their storage, and the networks they live in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from undercast.services.ec2.service import Ec2

if TYPE_CHECKING:
    from undercast.cloud import Cloud


def build(cloud: Cloud) -> Ec2:
    """The service, and `cloud.ec2` for those who need its parts."""
    cloud.ec2 = Ec2(cloud)
    return cloud.ec2
