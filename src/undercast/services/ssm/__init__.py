"""AWS Systems Manager: the public parameters that name images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from undercast.services.base import Service
from undercast.services.ssm.parameters import Parameters

if TYPE_CHECKING:
    from undercast.cloud import Cloud


def build(cloud: Cloud) -> Service:
    """The service; EC2 resolves `resolve:ssm:` names through `cloud.ec2` without it."""
    return Service("ssm", [Parameters(cloud.ec2)])
