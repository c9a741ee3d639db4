"""Functions: made, shown, changed and deleted, answer for answer as AWS does."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests

from lambda_support import ECHO, Lambda, live_folder, package, refused
from support import Account, Server, unique


@pytest.fixture
def fn(account: Account) -> Lambda:
    return Lambda(account)


def test_life_of_a_function(fn: Lambda) -> None:
    zipped = package(ECHO)
    name = unique("life")
    made = fn.client.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="index.handler",
        Role=fn.role,
        Code={"ZipFile": zipped},
    )
    assert made.pop("ResponseMetadata")["HTTPStatusCode"] == 201
    revision = made.pop("RevisionId")
    assert made.pop("LastModified").endswith("+0000")
    assert made.pop("RuntimeVersionConfig")["RuntimeVersionArn"].startswith(
        "arn:aws:lambda:us-east-1::runtime:"
    )
    assert made == {
        "FunctionName": name,
        "FunctionArn": fn.arn(name),
        "Runtime": "python3.12",
        "Role": fn.role,
        "Handler": "index.handler",
        "CodeSize": len(zipped),
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "CodeSha256": base64.b64encode(hashlib.sha256(zipped).digest()).decode(),
        "Version": "$LATEST",
        "TracingConfig": {"Mode": "PassThrough"},
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
    }
    fn.client.get_waiter("function_active_v2").wait(FunctionName=name)

    shown = fn.client.get_function(FunctionName=name)
    config = shown["Configuration"]
    assert (config["State"], config["LastUpdateStatus"]) == ("Active", "Successful")
    assert "StateReason" not in config
    assert set(shown) == {"Configuration", "Code", "ResponseMetadata"}
    assert shown["Code"]["RepositoryType"] == "S3"
    assert requests.get(shown["Code"]["Location"], timeout=10).content == zipped
    forged = requests.get(shown["Code"]["Location"][:-1] + "0", timeout=10)
    assert forged.status_code in (200, 403)
    assert requests.get(shown["Code"]["Location"].split("?")[0], timeout=10).status_code == 403

    updated = fn.update(name, ECHO + "# changed\n")
    assert updated["State"] == "Active"
    assert updated["LastUpdateStatus"] == "InProgress"
    assert updated["LastUpdateStatusReason"] == "The function is being created."
    assert updated["LastUpdateStatusReasonCode"] == "Creating"
    assert updated["RevisionId"] != revision
    assert updated["CodeSha256"] != made["CodeSha256"]
    fn.client.get_waiter("function_updated_v2").wait(FunctionName=name)

    configured = fn.client.update_function_configuration(
        FunctionName=name,
        Description="new",
        MemorySize=256,
        Timeout=5,
        Environment={"Variables": {"KEY": "value"}},
        EphemeralStorage={"Size": 1024},
        TracingConfig={"Mode": "Active"},
        LoggingConfig={"LogFormat": "JSON"},
    )
    assert configured["LastUpdateStatus"] == "InProgress"
    assert configured["RevisionId"] not in (revision, updated["RevisionId"])
    now = fn.client.get_function_configuration(FunctionName=name)
    assert now["LastUpdateStatus"] == "Successful"
    assert (now["Description"], now["MemorySize"], now["Timeout"]) == ("new", 256, 5)
    assert now["Environment"] == {"Variables": {"KEY": "value"}}
    assert now["EphemeralStorage"] == {"Size": 1024}
    assert now["TracingConfig"] == {"Mode": "Active"}
    assert now["LoggingConfig"] == {
        "LogFormat": "JSON",
        "LogGroup": f"/aws/lambda/{name}",
        "ApplicationLogLevel": "INFO",
        "SystemLogLevel": "INFO",
    }
    assert now["CodeSha256"] == updated["CodeSha256"]
    cleared = fn.client.update_function_configuration(FunctionName=name, Environment={"Variables": {}})
    assert "Environment" not in cleared

    stale = refused(fn.client.update_function_code, FunctionName=name, ZipFile=zipped, RevisionId=revision)
    assert (stale.code, stale.status) == ("PreconditionFailedException", 412)
    assert stale.message == (
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
    )
    dry = fn.update(name, "# dry", DryRun=True)
    assert dry["CodeSha256"] == updated["CodeSha256"]

    deleted = fn.client.delete_function(FunctionName=name)
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    gone = refused(fn.client.get_function, FunctionName=name)
    assert (gone.code, gone.status) == ("ResourceNotFoundException", 404)
    assert gone.message == f"Function not found: {fn.arn(name)}"
    assert gone.body["Type"] == "User"


def test_the_same_with_the_aws_cli(fn: Lambda, tmp_path: Path) -> None:
    (tmp_path / "code.zip").write_bytes(package(ECHO))
    aws = fn.account.aws_json
    args = ("--function-name", "cli", "--runtime", "python3.9", "--handler", "index.handler")
    made = aws(
        "lambda", "create-function", *args, "--role", fn.role, "--zip-file", f"fileb://{tmp_path}/code.zip"
    )
    assert made["State"] == "Pending"
    fn.account.aws("lambda", "wait", "function-active", "--function-name", "cli")
    out = tmp_path / "out.json"
    answer = aws(
        *("lambda", "invoke", "--function-name", "cli", "--payload", '{"a": 1}'),
        *("--cli-binary-format", "raw-in-base64-out", str(out)),
    )
    assert answer == {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
    assert json.loads(out.read_text()) == {"a": 1}


def create(fn: Lambda, **changes: Any) -> dict[str, Any]:
    """CreateFunction's parameters, some of them changed."""
    return {
        "FunctionName": unique("never"),
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "Role": fn.role,
        "Code": {"ZipFile": package(ECHO)},
    } | changes


_BUCKET = {"S3Bucket": "no-such-bucket", "S3Key": "code.zip"}
_VPC = {"SubnetIds": ["subnet-0123456789abcdef0"], "SecurityGroupIds": ["sg-0123456789abcdef0"]}
_LONG = {f"KEY_{n}": "x" * 100 for n in range(50)}

# What CreateFunction refuses: changed parameters, code, status, message
_REFUSED: list[tuple[dict[str, Any], str, int, str]] = [
    (
        {"Runtime": "nodejs14.x"},
        "InvalidParameterValueException",
        400,
        "The runtime parameter of nodejs14.x is no longer supported for creating or updating AWS Lambda "
        "functions. We recommend you use a supported runtime while creating or updating functions.",
    ),
    (
        {"Code": _BUCKET},
        "InvalidParameterValueException",
        400,
        "Error occurred while GetObject. S3 Error Code: NoSuchBucket. "
        "S3 Error Message: The specified bucket does not exist",
    ),
    (
        {"Code": {"ZipFile": b"no zip"}},
        "InvalidParameterValueException",
        400,
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
    ),
    (
        {"Environment": {"Variables": _LONG}},
        "InvalidParameterValueException",
        400,
        "Lambda was unable to configure your environment variables because the environment variables you "
        "have provided exceeded the 4KB limit. String measured: " + json.dumps(_LONG, separators=(",", ":")),
    ),
    (
        {"Environment": {"Variables": {"AWS_REGION": "x", "OK": "y"}}},
        "InvalidParameterValueException",
        400,
        "Lambda was unable to configure your environment variables because the environment variables you "
        "have provided contains reserved keys that are currently not supported for modification. "
        "Reserved keys used in this request: AWS_REGION",
    ),
    (
        {"Role": "arn:aws:iam::{account}:role/absent"},
        "InvalidParameterValueException",
        400,
        "The role defined for the function cannot be assumed by Lambda.",
    ),
    (
        {"Layers": [f"arn:aws:lambda:us-east-1:{{account}}:layer:l{n}:1" for n in range(6)]},
        "InvalidParameterValueException",
        400,
        "Cannot reference more than 5 layers.",
    ),
    (
        {"Layers": ["arn:aws:lambda:us-east-1:{account}:layer:absent:1"]},
        "InvalidParameterValueException",
        400,
        "Layer version arn:aws:lambda:us-east-1:{account}:layer:absent:1 does not exist.",
    ),
    (
        {"Layers": ["arn:aws:lambda:eu-west-1:{account}:layer:absent:1"]},
        "InvalidParameterValueException",
        400,
        "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.",
    ),
    (
        {"Timeout": 901},
        "ValidationException",
        400,
        "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: "
        "Member must have value less than or equal to 900",
    ),
    (
        {"MemorySize": 10241},
        "ValidationException",
        400,
        "1 validation error detected: Value '10241' at 'memorySize' failed to satisfy constraint: "
        "Member must have value less than or equal to 10240",
    ),
    (
        {"FunctionName": "n" * 65},
        "InvalidParameterValueException",
        400,
        f"1 validation error detected: Value '{'n' * 65}' at 'functionName' failed to satisfy constraint: "
        "Member must have length less than or equal to 64",
    ),
    (
        {"SnapStart": {"ApplyOn": "PublishedVersions"}, "Runtime": "python3.9"},
        "InvalidParameterValueException",
        400,
        "python3.9 is not supported for SnapStart enabled functions.",
    ),
    (
        {"Tags": {f"k{n}": "v" for n in range(51)}},
        "InvalidParameterValueException",
        400,
        "Number of tags exceeds function tag limit.",
    ),
    (
        {"Handler": None},
        "InvalidParameterValueException",
        400,
        "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
    ),
]


def test_refusals(fn: Lambda) -> None:
    def here(value: Any) -> Any:
        return json.loads(json.dumps(value).replace("{account}", fn.account.account))

    for changes, code, status, message in _REFUSED:
        if "ZipFile" not in changes.get("Code", {}):
            changes = here(changes)
        params = {key: value for key, value in create(fn, **changes).items() if value is not None}
        answer = refused(fn.client.create_function, **params)
        assert (answer.code, answer.status) == (code, status), changes
        assert answer.message == message.replace("{account}", fn.account.account)
        assert (answer.body.get("Type") == "User") is (code != "ValidationException"), changes
    assert fn.client.list_functions()["Functions"] == []

    other = refused(fn.client.create_function, **create(fn, FunctionName="bad name"))
    assert other.code == "ValidationException"
    assert (
        "functionName' failed to satisfy constraint: Member must satisfy regular expression" in other.message
    )


def test_what_undercast_lacks_is_refused_by_name(fn: Lambda) -> None:
    image = {"ImageUri": "111111111111.dkr.ecr.us-east-1.amazonaws.com/repo:tag"}
    efs = f"arn:aws:elasticfilesystem:us-east-1:{fn.account.account}:access-point/fsap-0123456789abcdef0"
    for named, changes in {
        "PackageType Image": {"PackageType": "Image", "Code": image},
        "Architecture arm64": {"Architectures": ["arm64"]},
        "FileSystemConfigs": {"FileSystemConfigs": [{"Arn": efs, "LocalMountPath": "/mnt/x"}]},
        "Runtime java21": {"Runtime": "java21"},
        "SQS queues": {"DeadLetterConfig": {"TargetArn": f"arn:aws:sqs:us-east-1:{fn.account.account}:q"}},
    }.items():
        answer = refused(fn.client.create_function, **create(fn, **changes))
        assert (answer.code, answer.status) == ("InvalidParameterValueException", 400)
        assert named in answer.message and "not supported by Undercast. " in answer.message, answer.message
        assert len(answer.message.split("not supported by Undercast. ")[1]) > 10  # and what to do instead


def test_sizes(fn: Lambda) -> None:
    too_large = refused(fn.client.create_function, **create(fn, Code={"ZipFile": bytes(52428800)}))
    assert (too_large.code, too_large.status) == ("RequestEntityTooLargeException", 413)
    assert too_large.message == "Zipped size must be smaller than 52428800 bytes"

    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bomb, bomb.open("zeros", "w") as zeros:
        for _ in range(250):
            zeros.write(bytes(1024 * 1024))
    unzipped = refused(fn.client.create_function, **create(fn, Code={"ZipFile": buffer.getvalue()}))
    assert (unzipped.code, unzipped.status) == ("InvalidParameterValueException", 400)
    assert unzipped.message == "Unzipped size must be smaller than 262144000 bytes"


def test_names_and_qualifiers(fn: Lambda) -> None:
    name = fn.create()
    for form in (fn.arn(name), f"{fn.account.account}:function:{name}", f"{fn.arn(name)}:$LATEST"):
        assert fn.client.get_function(FunctionName=form)["Configuration"]["FunctionName"] == name
    qualified = fn.client.get_function_configuration(FunctionName=name, Qualifier="$LATEST")
    assert qualified["FunctionArn"] == f"{fn.arn(name)}:$LATEST"

    again = refused(fn.client.create_function, **create(fn, FunctionName=name))
    assert (again.code, again.status) == ("ResourceConflictException", 409)
    assert again.message == f"Function already exist: {name}"

    fn.client.update_function_configuration(FunctionName=f"{name}:$LATEST", Timeout=9)
    for update, change in (
        (fn.client.update_function_configuration, {"Timeout": 8}),
        (fn.client.update_function_code, {"ZipFile": package(ECHO)}),
    ):
        frozen = refused(update, FunctionName=f"{name}:1", **change)
        assert (frozen.code, frozen.status) == ("InvalidParameterValueException", 400)
        assert frozen.message.startswith("Current operation does not support versions other than $LATEST.")

    latest = refused(fn.client.delete_function, FunctionName=name, Qualifier="$LATEST")
    assert (latest.code, latest.status) == ("InvalidParameterValueException", 400)
    assert latest.message == "$LATEST version cannot be deleted without deleting the function."

    for operation in ("get_function", "get_function_configuration", "invoke"):
        action = getattr(fn.client, operation)
        mismatch = refused(action, FunctionName=f"{fn.arn(name)}:1", Qualifier="2")
        assert (mismatch.code, mismatch.status) == ("InvalidParameterValueException", 400)
        assert mismatch.message == (
            "The derived qualifier from the function name does not match the specified qualifier."
        )
        version = refused(action, FunctionName=name, Qualifier="1221")
        assert (version.code, version.status) == ("ResourceNotFoundException", 404)
        assert version.message == f"Function not found: {fn.arn(name)}:1221"
        elsewhere = refused(action, FunctionName=fn.arn(name).replace("us-east-1", "eu-west-1"))
        assert elsewhere.status == 404
        assert elsewhere.message == (
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
        )
        foreign = refused(action, FunctionName=fn.arn(name).replace(fn.account.account, "999999999999"))
        assert (foreign.code, foreign.status) == ("AccessDeniedException", 403)


def test_lists_have_pages(fn: Lambda) -> None:
    names = sorted(fn.create(name=unique("page")) for _ in range(5))
    first = fn.client.list_functions(MaxItems=2)
    assert [f["FunctionName"] for f in first["Functions"]] == names[:2]
    assert "State" not in first["Functions"][0] and "RuntimeVersionConfig" not in first["Functions"][0]
    fn.client.delete_function(FunctionName=names[1])
    rest = fn.client.list_functions(MaxItems=10, Marker=first["NextMarker"])
    assert [f["FunctionName"] for f in rest["Functions"]] == names[2:]
    assert "NextMarker" not in rest
    pages = fn.client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 1})
    assert [f["FunctionName"] for page in pages for f in page["Functions"]] == [names[0], *names[2:]]
    assert fn.account.client("lambda", "eu-west-1").list_functions()["Functions"] == []


def test_one_update_at_a_time(fn: Lambda) -> None:
    name = fn.create()
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as slow:
        for n in range(3000):
            slow.writestr(f"f{n}.py", "x")
        slow.writestr("index.py", ECHO)
    answers: list[Any] = []

    def update(description: str) -> None:
        try:
            fn.client.update_function_code(
                FunctionName=name, ZipFile=buffer.getvalue() + description.encode()
            )
            answers.append("ok")
        except fn.client.exceptions.ResourceConflictException as error:
            answers.append(error.response["Error"]["Message"])

    threads = [threading.Thread(target=update, args=(f"{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    conflict = (
        "The operation cannot be performed at this time. "
        f"An update is in progress for resource: {fn.arn(name)}"
    )
    assert sorted(set(answers)) == [conflict, "ok"] and len(answers) == 4
    assert fn.invoke(name, {"a": 1}).result == {"a": 1}


def test_vpc(fn: Lambda) -> None:
    ec2 = fn.account.client("ec2")
    missing = refused(fn.client.create_function, **create(fn, VpcConfig=_VPC))
    assert (missing.code, missing.status) == ("InvalidParameterValueException", 400)
    assert missing.message == (
        "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. "
        f"EC2 Error Message: The subnet ID '{_VPC['SubnetIds'][0]}' does not exist"
    )
    subnet = ec2.describe_subnets()["Subnets"][0]
    wrong = {"SubnetIds": [subnet["SubnetId"]], "SecurityGroupIds": _VPC["SecurityGroupIds"]}
    missing = refused(fn.client.create_function, **create(fn, VpcConfig=wrong))
    assert missing.message == (
        "Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. "
        f"EC2 Error Message: The security group '{_VPC['SecurityGroupIds'][0]}' does not exist"
    )
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    config = {"SubnetIds": [subnet["SubnetId"]], "SecurityGroupIds": [group]}
    name = fn.create(VpcConfig=config)
    shown = fn.client.get_function_configuration(FunctionName=name)["VpcConfig"]
    assert shown == {**config, "VpcId": subnet["VpcId"], "Ipv6AllowedForDualStack": False}
    assert fn.invoke(name, 1).result == 1
    empty: dict[str, list[str]] = {"SubnetIds": [], "SecurityGroupIds": []}
    detached = fn.client.update_function_configuration(FunctionName=name, VpcConfig=empty)
    assert "VpcConfig" not in detached


def test_live_code(fn: Lambda, tmp_path: Path) -> None:
    folder = live_folder(tmp_path, "def handler(event, context):\n    return 1\n")
    name = fn.create(Code={"S3Bucket": "hot-reload", "S3Key": str(folder)})
    assert fn.client.get_function(FunctionName=name)["Code"]["Location"] == f"file://{folder}"
    assert fn.invoke(name).result == 1
    (folder / "index.py").write_text("def handler(event, context):\n    return 'changed'\n")
    assert fn.invoke(name).result == "changed"
    writes = (
        "import pathlib\ndef handler(event, context):\n    pathlib.Path('/var/task/new').write_text('x')\n"
    )
    (folder / "index.py").write_text(writes + "# longer\n")
    assert fn.invoke(name).result["errorType"] == "OSError"
    for key in ("relative/path", "/no/such/folder", "/"):
        code = {"S3Bucket": "hot-reload", "S3Key": key}
        assert "S3Key" in refused(fn.client.create_function, **create(fn, Code=code)).message
    folder.chmod(0o700)
    code = {"S3Bucket": "hot-reload", "S3Key": str(folder)}
    assert "chmod o+rx" in refused(fn.client.create_function, **create(fn, Code=code)).message


def test_reset_empties_the_account_alone(fn: Lambda, server: Server) -> None:
    other = Lambda(server.account_factory())
    kept, name = other.create(), fn.create()
    fn.client.publish_layer_version(LayerName="l", Content={"ZipFile": package("x = 1")})
    fn.client.create_function_url_config(FunctionName=name, AuthType="NONE")
    assert fn.invoke(name, 1).result == 1
    assert fn.account.signed("POST", "/_undercast/reset", "undercast").status_code == 200
    assert fn.client.list_functions()["Functions"] == fn.client.list_layers()["Layers"] == []
    assert refused(fn.client.invoke, FunctionName=name).status == 404
    assert other.invoke(kept, 2).result == 2


def test_functions_survive_kill_9(start_server: Callable[..., Server], tmp_path: Path) -> None:
    first = start_server(tmp_path / "data")
    account = first.account_factory()
    fn = Lambda(account)
    name = fn.create(Publish=True, Tags={"k": "v"}, Environment={"Variables": {"KEY": "1"}})
    fn.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    fn.client.add_permission(
        FunctionName=name, StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    url = fn.client.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    before = fn.client.get_function(FunctionName=name, Qualifier="live")
    assert fn.invoke(name, 1, Qualifier="live").result == 1
    first.stop(kill=True)
    (tmp_path / "data/functions/code/.half-done").mkdir()

    again = start_server(tmp_path / "data")
    account.url = again.url
    account._clients.clear()
    fn.client = account.client("lambda")
    assert fn.invoke(name, 2, Qualifier="live").result == 2
    after = fn.client.get_function(FunctionName=name, Qualifier="live")
    assert after["Configuration"] == before["Configuration"] and after["Tags"] == {"k": "v"}
    assert "s3.amazonaws.com" in fn.client.get_policy(FunctionName=name)["Policy"]
    shown = fn.client.get_function_url_config(FunctionName=name)["FunctionUrl"]
    assert shown.split(".")[0] == url.split(".")[0]
    assert not (tmp_path / "data/functions/code/.half-done").exists()


def test_errors_on_the_wire(fn: Lambda) -> None:
    name = fn.create()
    path = f"/2015-03-31/functions/{name}"

    def body(method: str, path: str, status: int, code: str, content: bytes = b"") -> dict[str, str]:
        answer = fn.account.signed(method, path, "lambda", content)
        assert (answer.status_code, answer.headers["x-amzn-ErrorType"].split(":")[0]) == (status, code)
        return dict(answer.json())

    missing = body("GET", "/2015-03-31/functions/absent", 404, "ResourceNotFoundException")
    assert missing == {"Type": "User", "Message": f"Function not found: {fn.arn('absent')}"}
    latest = body("DELETE", f"{path}?Qualifier=%24LATEST", 400, "InvalidParameterValueException")
    assert latest == {
        "Type": "User",
        "message": "$LATEST version cannot be deleted without deleting the function.",
    }
    pattern = body("PUT", f"{path}/configuration", 400, "ValidationException", b'{"Timeout": 0}')
    assert pattern == {
        "message": "1 validation error detected: Value '0' at 'timeout' failed to satisfy constraint: "
        "Member must have value greater than or equal to 1"
    }
    fn.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    throttled = body("POST", f"{path}/invocations", 429, "TooManyRequestsException")
    assert throttled == {
        "Type": "User",
        "message": "Rate Exceeded.",
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
    }
