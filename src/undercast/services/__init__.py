"""What AWS means: a package per service, a module per resource.

`SERVICES` lists what is built, in order of need: a service may use those before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from undercast.services import (
    apigatewayv2,
    cloudwatch,
    ec2,
    ec2_instance_connect,
    iam,
    lambda_,
    logs,
    schemas,
    ssm,
    sts,
)
from undercast.services.base import Service

if TYPE_CHECKING:
    from undercast.cloud import Cloud

SERVICES: tuple[Callable[[Cloud], Service], ...] = (
    iam.build,
    sts.build,
    logs.build,
    lambda_.build,
    apigatewayv2.build,
    cloudwatch.build,
    schemas.build,
    ec2.build,
    ssm.build,
    ec2_instance_connect.build,
)
