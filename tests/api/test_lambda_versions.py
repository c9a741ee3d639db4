"""Versions, aliases and layers, answer for answer as AWS does."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from typing import Any

import pytest
import requests

from lambda_support import ECHO, Lambda, package, refused
from support import Account, unique, wait_until

_VERSION = "import os\ndef handler(event, context):\n    return {}\n".replace(
    "{}", "[os.environ['AWS_LAMBDA_FUNCTION_VERSION'], context.invoked_function_arn.split(':', 6)[6], {}]"
)


@pytest.fixture
def fn(account: Account) -> Lambda:
    return Lambda(account)


def source(mark: object) -> str:
    """Code that returns its version, the ARN it was invoked under, and a mark."""
    return _VERSION.format(repr(mark))


def test_versions(fn: Lambda) -> None:
    name = fn.create(source("one"))
    sha = fn.client.get_function_configuration(FunctionName=name)["CodeSha256"]
    wrong = refused(fn.client.publish_version, FunctionName=name, CodeSha256="wrong=")
    assert (wrong.code, wrong.status) == ("InvalidParameterValueException", 400)
    assert wrong.message == (
        f"CodeSHA256 (wrong=) is different from current CodeSHA256 in $LATEST ({sha}). "
        "Please try again with the CodeSHA256 in $LATEST."
    )
    stale = refused(fn.client.publish_version, FunctionName=name, RevisionId="stale")
    assert (stale.code, stale.status) == ("PreconditionFailedException", 412)

    first = fn.client.publish_version(FunctionName=name, CodeSha256=sha, Description="first")
    assert first["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (first["Version"], first["FunctionArn"]) == ("1", f"{fn.arn(name)}:1")
    assert (first["State"], first["Description"], first["CodeSha256"]) == ("Pending", "first", sha)
    fn.client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1")
    unchanged = fn.client.publish_version(FunctionName=name, Description="nothing new")
    assert (unchanged["Version"], unchanged["Description"]) == ("1", "first")

    published = fn.update(name, source("two"), Publish=True)
    assert (published["Version"], published["FunctionArn"]) == ("2", f"{fn.arn(name)}:2")
    assert fn.invoke(name).result == ["$LATEST", name, "two"]
    one = fn.invoke(name, Qualifier="1")
    assert (one.version, one.result) == ("1", ["1", f"{name}:1", "one"])
    assert fn.invoke(f"{name}:2").result == ["2", f"{name}:2", "two"]

    versions = fn.client.list_versions_by_function(FunctionName=name)["Versions"]
    assert [v["Version"] for v in versions] == ["$LATEST", "1", "2"]
    assert versions[0]["FunctionArn"] == f"{fn.arn(name)}:$LATEST" and "State" not in versions[0]
    listed = fn.client.list_functions(FunctionVersion="ALL")["Functions"]
    assert [v["FunctionArn"] for v in listed] == [v["FunctionArn"] for v in versions]

    fn.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    used = refused(fn.client.delete_function, FunctionName=name, Qualifier="1")
    assert (used.code, used.status) == ("ResourceConflictException", 409)
    fn.client.delete_function(FunctionName=name, Qualifier="2")
    gone = refused(fn.client.get_function, FunctionName=name, Qualifier="2")
    assert gone.message == f"Function not found: {fn.arn(name)}:2"
    fn.update(name, source("three"))
    assert fn.client.publish_version(FunctionName=name)["Version"] == "3"  # numbers are never used again


def test_created_published(fn: Lambda) -> None:
    made = fn.client.create_function(
        FunctionName="pub",
        Runtime="python3.12",
        Handler="index.handler",
        Role=fn.role,
        Publish=True,
        Code={"ZipFile": package(source(1))},
    )
    assert made["Version"] == "1"
    assert fn.invoke("pub", Qualifier="1").result == ["1", "pub:1", 1]


def test_aliases(fn: Lambda) -> None:
    name = fn.create(source(0))
    for number in (1, 2):
        fn.update(name, source(number), Publish=True)
    client = fn.client
    alias = client.create_alias(FunctionName=name, Name="live", FunctionVersion="1", Description="d")
    assert alias.pop("ResponseMetadata")["HTTPStatusCode"] == 201
    revision = alias.pop("RevisionId")
    arn = f"{fn.arn(name)}:live"
    assert alias == {"AliasArn": arn, "Name": "live", "FunctionVersion": "1", "Description": "d"}

    again = refused(client.create_alias, FunctionName=name, Name="live", FunctionVersion="2")
    assert (again.code, again.status) == ("ResourceConflictException", 409)
    assert again.message == f"Alias already exists: {arn}"
    unknown = refused(client.get_alias, FunctionName=name, Name="none")
    assert (unknown.status, unknown.message) == (404, f"Cannot find alias arn: {fn.arn(name)}:none")
    unknown = refused(client.update_alias, FunctionName=name, Name="none", Description="x")
    assert (unknown.status, unknown.message) == (404, f"Alias not found: {fn.arn(name)}:none")
    missing = refused(client.create_alias, FunctionName=name, Name="new", FunctionVersion="9")
    assert (missing.status, missing.message) == (404, f"Function not found: {fn.arn(name)}:9")
    client.delete_alias(FunctionName=name, Name="none")

    shown = client.get_function(FunctionName=name, Qualifier="live")["Configuration"]
    assert (shown["FunctionArn"], shown["Version"]) == (arn, "1")
    served = fn.invoke(name, Qualifier="live")
    assert (served.version, served.result) == ("1", ["1", f"{name}:live", 1])
    moved = client.update_alias(FunctionName=name, Name="live", FunctionVersion="2", RevisionId=revision)
    assert moved["FunctionVersion"] == "2" and moved["Description"] == "d" and moved["RevisionId"] != revision
    assert refused(client.update_alias, FunctionName=name, Name="live", RevisionId=revision).status == 412
    assert fn.invoke(name, Qualifier="live").version == "2"

    weighted = client.update_alias(
        FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}}
    )
    assert weighted["RoutingConfig"] == {"AdditionalVersionWeights": {"1": 0.5}}
    shares = Counter(fn.invoke(name, Qualifier="live").version for _ in range(60))
    assert set(shares) == {"1", "2"} and min(shares.values()) >= 10
    cleared = client.update_alias(
        FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    assert "RoutingConfig" not in cleared

    client.create_alias(FunctionName=name, Name="beta", FunctionVersion="1")
    assert [a["Name"] for a in client.list_aliases(FunctionName=name)["Aliases"]] == ["beta", "live"]
    only = client.list_aliases(FunctionName=name, FunctionVersion="1")["Aliases"]
    assert [a["Name"] for a in only] == ["beta"]
    client.delete_alias(FunctionName=name, Name="live")
    gone = refused(client.invoke, FunctionName=name, Qualifier="live")
    assert gone.message == f"Function not found: {arn}"


@pytest.mark.parametrize(
    ("version", "weights", "code", "message"),
    [
        (
            "1",
            {"2": 0.1, "3": 0.1},
            "InvalidParameterValueException",
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        ),
        (
            "1",
            {"2": 1.5},
            "ValidationException",
            "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, "
            "Member must have value greater than or equal to 0.0, Member must not be null]",
        ),
        (
            "1",
            {"1": 0.5},
            "InvalidParameterValueException",
            "Invalid function version 1. Function version 1 is already included in routing configuration.",
        ),
        (
            "$LATEST",
            {"1": 0.5},
            "InvalidParameterValueException",
            "$LATEST is not supported for an alias pointing to more than 1 version",
        ),
    ],
)
def test_four_ways_to_route_wrongly(
    fn: Lambda, version: str, weights: dict[str, float], code: str, message: str
) -> None:
    name = fn.create(Publish=True)
    routing = {"AdditionalVersionWeights": weights}
    params = {"FunctionName": name, "Name": "a", "FunctionVersion": version, "RoutingConfig": routing}
    answer = refused(fn.client.create_alias, **params)
    assert (answer.code, answer.status) == (code, 400)
    assert answer.message.endswith(message)


def test_layers(fn: Lambda) -> None:
    client, name = fn.client, unique("layer")
    zipped = package("VALUE = 'from the layer'\n", name="python/shared.py")
    first = client.publish_layer_version(
        LayerName=name,
        Content={"ZipFile": zipped},
        Description="d",
        CompatibleRuntimes=["python3.12"],
        CompatibleArchitectures=["x86_64"],
        LicenseInfo="MIT",
    )
    layer_arn = f"arn:aws:lambda:us-east-1:{fn.account.account}:layer:{name}"
    assert first["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (first["LayerArn"], first["LayerVersionArn"], first["Version"]) == (layer_arn, f"{layer_arn}:1", 1)
    assert first["Content"]["CodeSize"] == len(zipped)
    assert first["Content"]["CodeSha256"] == base64.b64encode(hashlib.sha256(zipped).digest()).decode()
    shown = client.get_layer_version(LayerName=name, VersionNumber=1)
    assert requests.get(shown["Content"]["Location"], timeout=10).content == zipped
    by_arn = client.get_layer_version_by_arn(Arn=f"{layer_arn}:1")
    for answer in (first, shown, by_arn):
        answer.pop("ResponseMetadata")
        answer["Content"].pop("Location")
    assert first == shown == by_arn

    zipped = package("VALUE = 'newer'\n", name="python/shared.py")
    client.publish_layer_version(
        LayerName=name, Content={"ZipFile": zipped}, CompatibleRuntimes=["nodejs20.x"]
    )
    versions = client.list_layer_versions(LayerName=name)["LayerVersions"]
    assert [v["Version"] for v in versions] == [2, 1]

    def newest(**filters: str) -> list[int]:
        return [each["LatestMatchingVersion"]["Version"] for each in client.list_layers(**filters)["Layers"]]

    assert newest() == [2]
    assert newest(CompatibleRuntime="python3.12") == [1]
    assert newest(CompatibleRuntime="python3.12", CompatibleArchitecture="x86_64") == [1]
    assert newest(CompatibleRuntime="python3.11") == []

    code = "import shared\ndef handler(event, context):\n    return shared.VALUE\n"
    user = fn.create(code, Layers=[f"{layer_arn}:1"])
    assert fn.client.get_function_configuration(FunctionName=user)["Layers"] == [
        {"Arn": f"{layer_arn}:1", "CodeSize": first["Content"]["CodeSize"]}
    ]
    assert fn.invoke(user).result == "from the layer"
    client.update_function_configuration(FunctionName=user, Layers=[f"{layer_arn}:2"])
    assert fn.invoke(user).result == "newer"
    twice = refused(
        client.update_function_configuration,
        FunctionName=user,
        Layers=[f"{layer_arn}:1", f"{layer_arn}:2"],
    )
    assert twice.message == (
        "Two different versions of the same layer are not allowed to be referenced in the same function. "
        f"{layer_arn}:1 and {layer_arn}:2 are versions of the same layer."
    )

    client.delete_layer_version(LayerName=name, VersionNumber=2)
    gone = refused(client.get_layer_version, LayerName=name, VersionNumber=2)
    assert (gone.code, gone.message) == (
        "ResourceNotFoundException",
        "The resource you requested does not exist.",
    )
    assert fn.invoke(user).result == "newer"  # who has it keeps it
    zero = refused(client.delete_layer_version, LayerName=name, VersionNumber=0)
    assert zero.message == "Layer Version Cannot be less than 1"
    third = client.publish_layer_version(LayerName=name, Content={"ZipFile": zipped})
    assert third["Version"] == 3


def test_layers_are_shared_by_permission(fn: Lambda, server: Any) -> None:
    client = fn.client
    client.publish_layer_version(
        LayerName="shared", Content={"ZipFile": package("X = 1", "python/shared.py")}
    )
    arn = f"arn:aws:lambda:us-east-1:{fn.account.account}:layer:shared:1"
    other = Lambda(server.account_factory())
    params = {"FunctionName": "f", "Runtime": "python3.12", "Handler": "index.handler", "Role": other.role}
    params |= {"Code": {"ZipFile": package(ECHO)}, "Layers": [arn]}
    denied = refused(other.client.create_function, **params)
    assert (denied.code, denied.status) == ("AccessDeniedException", 403)
    assert f"lambda:GetLayerVersion on resource: {arn}" in denied.message

    layer = {"LayerName": "shared", "VersionNumber": 1}
    none = refused(client.get_layer_version_policy, **layer)
    assert (none.status, none.message) == (404, "No policy is associated with the given resource.")
    absent = refused(client.get_layer_version_policy, LayerName="shared", VersionNumber=9)
    assert absent.message == f"Layer version {arn[:-1]}9 does not exist."
    statement = {"StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": other.account.account}
    added = client.add_layer_version_permission(**layer, **statement)
    again = refused(client.add_layer_version_permission, **layer, **statement)
    assert (again.code, again.status) == ("ResourceConflictException", 409)
    assert other.client.get_layer_version_by_arn(Arn=arn)["Version"] == 1
    other.client.create_function(**params)
    stale = refused(
        client.remove_layer_version_permission, **layer, StatementId="s", RevisionId="not the one"
    )
    assert stale.status == 412
    unknown = refused(client.remove_layer_version_permission, **layer, StatementId="t")
    assert unknown.message == "Statement t is not found in resource policy."
    client.remove_layer_version_permission(**layer, StatementId="s", RevisionId=added["RevisionId"])
    assert refused(other.client.get_layer_version_by_arn, Arn=arn).status == 403


def test_concurrency_settings(fn: Lambda) -> None:
    client, name = fn.client, fn.create(Publish=True)
    limits = client.get_account_settings()
    assert limits["AccountLimit"] == {
        "TotalCodeSize": 80530636800,
        "CodeSizeUnzipped": 262144000,
        "CodeSizeZipped": 52428800,
        "ConcurrentExecutions": 1000,
        "UnreservedConcurrentExecutions": 1000,
    }
    size = client.get_function_configuration(FunctionName=name)["CodeSize"]
    assert limits["AccountUsage"] == {"TotalCodeSize": 2 * size, "FunctionCount": 1}
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName=name)
    put = client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=900)
    assert put["ReservedConcurrentExecutions"] == 900
    assert client.get_function(FunctionName=name)["Concurrency"] == {"ReservedConcurrentExecutions": 900}
    assert client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 100
    much = refused(client.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=901)
    assert (much.code, much.message) == (
        "InvalidParameterValueException",
        "Specified ReservedConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [100].",
    )
    version = refused(
        client.put_function_concurrency, FunctionName=f"{name}:1", ReservedConcurrentExecutions=1
    )
    assert version.message.startswith("This operation is permitted on Lambda functions only.")
    client.delete_function_concurrency(FunctionName=name)
    assert client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 1000


def test_provisioned_concurrency(fn: Lambda) -> None:
    code = (
        "import os\ndef handler(event, context):\n    return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']\n"
    )
    client, name = fn.client, fn.create(code, Publish=True)
    config = {"FunctionName": name, "Qualifier": "1"}
    none = refused(client.get_provisioned_concurrency_config, **config)
    assert (none.code, none.status, none.message) == (
        "ProvisionedConcurrencyConfigNotFoundException",
        404,
        "No Provisioned Concurrency Config found for this function",
    )
    latest = refused(
        client.put_provisioned_concurrency_config,
        FunctionName=name,
        Qualifier="$LATEST",
        ProvisionedConcurrentExecutions=1,
    )
    assert latest.message == (
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    )
    much = refused(client.put_provisioned_concurrency_config, **config, ProvisionedConcurrentExecutions=901)
    assert "UnreservedConcurrentExecution below its minimum value of [100]" in much.message
    put = client.put_provisioned_concurrency_config(**config, ProvisionedConcurrentExecutions=2)
    assert put["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert put["Status"] == "IN_PROGRESS"
    assert put["RequestedProvisionedConcurrentExecutions"] == 2

    def ready() -> Any:
        shown = client.get_provisioned_concurrency_config(**config)
        return shown if shown["Status"] == "READY" else None

    shown = wait_until(ready, 15, "provisioned environments")
    assert shown["AllocatedProvisionedConcurrentExecutions"] == 2
    assert shown["AvailableProvisionedConcurrentExecutions"] == 2
    assert fn.invoke(name, Qualifier="1").result == "provisioned-concurrency"
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    alias = {"FunctionName": name, "Qualifier": "live"}
    taken = refused(client.put_provisioned_concurrency_config, **alias, ProvisionedConcurrentExecutions=1)
    assert (taken.code, taken.status) == ("ResourceConflictException", 409)
    listed = client.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"]
    assert [each["FunctionArn"] for each in listed] == [f"{fn.arn(name)}:1"]
    low = refused(client.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=1)
    assert "should not be lower than function's total provisioned concurrency [2]" in low.message
    client.delete_provisioned_concurrency_config(**config)
    assert refused(client.get_provisioned_concurrency_config, **config).status == 404


def test_snap_start(fn: Lambda) -> None:
    code = (
        "import os, time, uuid\n"
        "time.sleep(1.5)\n"  # long enough to be seen at it
        "born = uuid.uuid4().hex\n"
        "def handler(event, context):\n"
        "    return [born, os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'], os.urandom(8).hex()]\n"
    )
    client, name = fn.client, fn.create(code, SnapStart={"ApplyOn": "PublishedVersions"}, MemorySize=512)
    latest = client.get_function_configuration(FunctionName=name)
    assert latest["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
    published = client.publish_version(FunctionName=name)
    assert published["State"] == "Pending"
    early = refused(client.invoke, FunctionName=name, Qualifier="1")
    assert (early.code, early.status) == ("SnapStartNotReadyException", 409)
    client.get_waiter("published_version_active").wait(
        FunctionName=name, Qualifier="1", WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )
    ready = client.get_function_configuration(FunctionName=name, Qualifier="1")
    assert ready["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}
    first = fn.invoke(name, Qualifier="1", LogType="Tail")
    assert first.result[1] == "snap-start"
    assert "Restore Duration: " in first.log and "Init Duration" not in first.log
    assert fn.invoke(name).result[1] == "on-demand"
    refusal = refused(
        client.put_provisioned_concurrency_config,
        FunctionName=name,
        Qualifier="1",
        ProvisionedConcurrentExecutions=1,
    )
    assert "SnapStart" in refusal.message
    broken = fn.create(
        "raise RuntimeError('no init')\n", SnapStart={"ApplyOn": "PublishedVersions"}, Publish=True
    )
    failed = wait_until(
        lambda: (
            (c := client.get_function_configuration(FunctionName=broken, Qualifier="1"))["State"] == "Failed"
            and c
        ),
        15,
        "the failed snapshot",
    )
    assert failed["StateReason"]
    assert refused(client.invoke, FunctionName=broken, Qualifier="1").code == "ResourceConflictException"
