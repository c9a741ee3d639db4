"""What tests of Lambda share: packages, roles, functions, errors as the server answers them."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support import Account, unique

ECHO = "def handler(event, context):\n    return event\n"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def package(source: str, name: str = "index.py", mode: int = 0o644, **more: str) -> bytes:
    """A zip archive with one source file (and others: names with `_` for the dot)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for file, text in {
            name: source,
            **{key.replace("_", "."): text for key, text in more.items()},
        }.items():
            info = zipfile.ZipInfo(file)
            info.external_attr = mode << 16
            made.writestr(info, text)
    return buffer.getvalue()


def live_folder(tmp_path: Path, source: str, name: str = "index.py") -> Path:
    """A folder of code that a function's user may read, to be run as it is (`S3Bucket=hot-reload`).

    What a test puts there is seen by invocations that are under way: how a test tells them to go on.
    """
    folder = tmp_path / unique("live")
    folder.mkdir()
    (folder / name).write_text(source)
    (folder / name).chmod(0o755)
    folder.chmod(0o755)
    for parent in folder.parents:
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    return folder


@dataclass
class Refusal:
    """An error as a client sees it."""

    code: str
    message: str
    status: int
    body: dict[str, Any]


def refused(action: Callable[..., Any], **params: Any) -> Refusal:
    """Call an operation that must fail, and give its error."""
    with pytest.raises(ClientError) as caught:
        action(**params)
    response = caught.value.response
    error = response["Error"]
    return Refusal(error["Code"], error["Message"], response["ResponseMetadata"]["HTTPStatusCode"], response)


class Lambda:
    """Lambda in one account, with a role that functions may take on."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.client = account.client("lambda")
        self.role = account.client("iam").create_role(
            RoleName="function", AssumeRolePolicyDocument=json.dumps(_TRUST)
        )["Role"]["Arn"]

    def arn(self, name: str) -> str:
        """A function's ARN."""
        return f"arn:aws:lambda:{self.account.region}:{self.account.account}:function:{name}"

    def create(self, source: str = ECHO, name: str | None = None, **params: Any) -> str:
        """A Python function with the handler `index.handler`. Gives its name."""
        name = name or unique("f")
        defaults = {
            "FunctionName": name,
            "Runtime": "python3.12",
            "Handler": "index.handler",
            "Role": self.role,
            "Code": {"ZipFile": package(source)},
            "Timeout": 10,
        }
        self.client.create_function(**(defaults | params))
        return name

    def update(self, name: str, source: str, **params: Any) -> dict[str, Any]:
        """New code for a function."""
        updated = self.client.update_function_code(FunctionName=name, ZipFile=package(source), **params)
        return dict(updated)

    def invoke(self, name: str, event: Any = None, **params: Any) -> Invoked:
        """Invoke a function and read its answer."""
        if event is not None:
            params["Payload"] = json.dumps(event).encode()
        answer = self.client.invoke(FunctionName=name, **params)
        payload = answer["Payload"].read()
        return Invoked(
            answer["StatusCode"],
            payload,
            answer.get("FunctionError"),
            answer.get("ExecutedVersion"),
            answer["ResponseMetadata"]["RequestId"],
            base64.b64decode(answer.get("LogResult", "")).decode(),
        )

    def send(self, name: str, event: Any, **params: Any) -> str:
        """Invoke a function asynchronously. Gives the request id."""
        answer = self.invoke(name, event, InvocationType="Event", **params)
        assert (answer.status, answer.payload, answer.version) == (202, b"", None)
        return answer.request_id

    def logs(self, name: str) -> list[str]:
        """Every line a function has logged so far."""
        logs = self.account.client("logs")
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"].rstrip("\n") for event in events]


@dataclass
class Invoked:
    """The answer to an invocation."""

    status: int
    payload: bytes
    error: str | None
    version: str | None
    request_id: str
    log: str

    @property
    def result(self) -> Any:
        """What the function returned."""
        return json.loads(self.payload)
