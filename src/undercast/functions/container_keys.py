"""Keys that outlive a snapshot: served to the SDKs by URL instead of fixed in the environment, as AWS does.

Source: "Container credential provider" in the AWS SDKs and Tools Reference Guide; SnapStart in the Lambda
developer guide. The variables for it take the place of AWS_ACCESS_KEY_ID and its companions.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import secrets
from collections.abc import Callable

from undercast.functions.function import Credentials, FunctionsUnavailable
from undercast.functions.http_connection import Connection, error
from undercast.functions.report import timestamp
from undercast.functions.variables import RUNTIME_API

PATH = "/2021-04-23/credentials"


class ContainerKeys:
    """Answers with the current keys of a function's role, to who knows the token."""

    def __init__(self, current: Callable[[], Credentials | None]) -> None:
        self._current = current
        self._token = secrets.token_urlsafe(32)

    @property
    def variables(self) -> dict[str, str]:
        """How the SDKs in the environment learn of it."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{RUNTIME_API}{PATH}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self._token,
        }

    def handle(self, connection: Connection) -> None:
        """Answer a request for keys."""
        given = connection.headers.get("authorization", "")
        keys = None
        if hmac.compare_digest(given.encode(), self._token.encode()):
            with contextlib.suppress(FunctionsUnavailable):  # the role is gone
                keys = self._current()
        if keys is None:
            connection.respond(403, error("Not authorized", "AccessDenied"))
            return
        answer = {
            "AccessKeyId": keys.access_key_id,
            "SecretAccessKey": keys.secret_access_key,
            "Token": keys.session_token,
            "Expiration": timestamp(keys.expires),
        }
        connection.respond(200, json.dumps(answer).encode())
