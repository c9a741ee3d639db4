"""EC2 Instance Connect: a public key that opens an instance for a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from undercast.services.base import Service
from undercast.services.ec2_instance_connect.keys import Keys

if TYPE_CHECKING:
    from undercast.cloud import Cloud


def build(cloud: Cloud) -> Service:
    """The service."""
    return Service("ec2-instance-connect", [Keys(cloud)])
