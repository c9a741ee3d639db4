"""The gateway over HTTP: protocols, signatures and its own addresses."""

from __future__ import annotations

import pytest
import requests
from botocore.exceptions import ClientError

from support import Account, Server


def test_identity_is_the_accounts(server: Server, account: Account) -> None:
    assert account.account != server.account
    for caller in (server, account):
        told = caller.client("sts").get_caller_identity()
        assert told["Account"] == caller.account
        assert told["Arn"] == f"arn:aws:iam::{caller.account}:root"
        assert told["ResponseMetadata"]["RequestId"]


def test_health_needs_no_key(server: Server) -> None:
    told = requests.get(f"{server.url}/_undercast/health", timeout=5).json()
    assert told["status"] == "running"
    assert told["services"]["sts"] == "available"


def test_wrong_secret_is_refused(server: Server) -> None:
    forged = Account(server.url, server.account, server.access_key_id, "wrong")
    with pytest.raises(ClientError) as caught:
        forged.client("sts").get_caller_identity()
    assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
