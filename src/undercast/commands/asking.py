"""Signed requests to the running server: `undercast reset`, `console` and `account`."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from undercast import running
from undercast.commands.speaking import fail, out, running_server

ANSWER_S = 120.0  # emptying an account ends instances


def _ask(server: running.Running, method: str, path: str, body: bytes = b"") -> Any:
    request = AWSRequest(method, f"{server.url}{path}", data=body)
    keys = Credentials(server.access_key_id, server.secret_access_key)
    SigV4Auth(keys, "undercast", server.region).add_auth(request)
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=ANSWER_S)
    try:
        connection.request(method, path, body, dict(request.headers))
        answer = connection.getresponse()
        told = json.loads(answer.read() or b"{}")
    except (OSError, ValueError) as error:
        fail(f"the server at {server.url} does not answer: {error}", "See: undercast logs")
    finally:
        connection.close()
    if answer.status >= 300:
        fail(told.get("message", f"the server answered {answer.status}"))
    return told


def reset(data: Path | None) -> None:
    """Empty the first account."""
    server = running_server(data)
    told = _ask(server, "POST", "/_undercast/reset")
    out.print(f"Account {told['account']} is empty.")


def add_account(data: Path | None, name: str, number: str | None) -> None:
    """Create an account and print its root key."""
    server = running_server(data)
    asked = {"name": name} | ({"account": number} if number else {})
    told = _ask(server, "POST", "/_undercast/accounts", json.dumps(asked).encode())
    out.print(f"# Account {told['account']} ({name}). Its root key, shown this once:", style="dim")
    print(f"export AWS_ENDPOINT_URL={server.url}")
    print(f"export AWS_ACCESS_KEY_ID={told['access_key_id']}")
    print(f"export AWS_SECRET_ACCESS_KEY={told['secret_access_key']}")
    print(f"export AWS_DEFAULT_REGION={server.region}")


def list_accounts(data: Path | None) -> None:
    """Show the accounts of this cloud."""
    for one in _ask(running_server(data), "GET", "/_undercast/accounts")["accounts"]:
        out.print(f"{one['account']}  {one['name']}")


def console(data: Path | None) -> None:
    """Print a fresh link into the console."""
    print(_ask(running_server(data), "POST", "/_undercast/signin-link")["Link"])
