"""The functions engine, wired to the cloud: logs go out, role credentials and AWS calls come in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from undercast.functions.engine import Engine
from undercast.functions.function import Credentials, FunctionsUnavailable
from undercast.functions.sandboxes import Sandboxes
from undercast.services.base import AwsError

if TYPE_CHECKING:
    from undercast.cloud import Cloud

_CREDENTIALS_S = 12 * 3600  # longer than an environment lives


class RoleUnusable(FunctionsUnavailable):
    """The function's role is gone."""


def make(cloud: Cloud) -> tuple[Engine, Sandboxes]:
    """The engine and the factory of its environments. Nothing is started yet."""
    settings = cloud.settings
    sandboxes = Sandboxes(
        settings.data / "functions" / "environments",
        settings.host_id,
        runtime_fallback=settings.functions_runtime_fallback,
    )

    def credentials(role_arn: str, account: str, function: str) -> Credentials:
        try:
            found = cloud.iam.role_session(role_arn, function, _CREDENTIALS_S)
        except AwsError as error:
            raise RoleUnusable("The role defined for the function cannot be assumed by Lambda.") from error
        return Credentials(found.access_key_id, found.secret, found.session_token or "", found.expires or 0.0)

    engine = Engine(
        sandboxes,
        write_logs=cloud.logs.append,
        credentials=credentials,
        gateway=lambda: cloud.connection_factory(),
        idle_s=settings.functions_idle_s,
    )
    return engine, sandboxes
