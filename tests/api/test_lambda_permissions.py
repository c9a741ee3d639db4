"""Resource policies, tags, event-invoke configurations and the small settings."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lambda_support import Lambda, refused
from support import Account


@pytest.fixture
def fn(account: Account) -> Lambda:
    return Lambda(account)


def test_permissions(fn: Lambda) -> None:
    client, name = fn.client, fn.create(Publish=True)
    nothing = refused(client.get_policy, FunctionName=name)
    assert (nothing.status, nothing.message) == (404, "The resource you requested does not exist.")
    for missing in (
        refused(client.get_policy, FunctionName="absent"),
        refused(client.get_function_url_config, FunctionName="absent"),
    ):
        assert (missing.code, missing.status) == ("ResourceNotFoundException", 404)
        assert missing.message == "The resource you requested does not exist."
    none = refused(client.remove_permission, FunctionName=name, StatementId="s3")
    assert (none.status, none.message) == (404, "No policy is associated with the given resource.")

    revision = client.get_function_configuration(FunctionName=name)["RevisionId"]
    statement: dict[str, Any] = {
        "StatementId": "s3",
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
    }
    added = client.add_permission(
        FunctionName=name,
        RevisionId=revision,
        SourceArn="arn:aws:s3:::bucket",
        SourceAccount=fn.account.account,
        **statement,
    )
    assert added["ResponseMetadata"]["HTTPStatusCode"] == 201
    expected = {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": fn.arn(name),
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": fn.account.account},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
        },
    }
    assert json.loads(added["Statement"]) == expected
    shown = client.get_policy(FunctionName=name)
    assert json.loads(shown["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [expected]}
    assert shown["RevisionId"] != revision
    assert shown["RevisionId"] == client.get_function_configuration(FunctionName=name)["RevisionId"]

    again = refused(client.add_permission, FunctionName=name, **statement)
    assert (again.code, again.status) == ("ResourceConflictException", 409)
    assert again.message == (
        "The statement id (s3) provided already exists. "
        "Please provide a new statement id, or remove the existing statement."
    )
    latest = refused(client.add_permission, FunctionName=name, Qualifier="$LATEST", **statement)
    assert (latest.code, latest.status) == ("InvalidParameterValueException", 400)
    assert latest.message == "We currently do not support adding policies for $LATEST."
    stale = refused(client.add_permission, FunctionName=name, RevisionId=revision, **statement)
    assert stale.status == 412
    principal = refused(
        client.add_permission, FunctionName=name, **(statement | {"StatementId": "x", "Principal": "nobody"})
    )
    assert principal.message == (
        "The provided principal was invalid. Please check the principal and try again."
    )
    pattern = refused(client.add_permission, FunctionName=name, **(statement | {"StatementId": "a b"}))
    assert (pattern.code, pattern.status) == ("ValidationException", 400)
    assert "Type" not in pattern.body
    assert pattern.message.startswith(
        "1 validation error detected: Value 'a b' at 'statementId' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: "
    )

    version = client.add_permission(FunctionName=name, Qualifier="1", **statement)
    assert json.loads(version["Statement"])["Resource"] == f"{fn.arn(name)}:1"
    unknown = refused(client.add_permission, FunctionName=name, Qualifier="9", **statement)
    assert unknown.message == f"Function not found: {fn.arn(name)}:9"
    alias = refused(client.add_permission, FunctionName=name, Qualifier="alias", **statement)
    assert alias.message == f"Cannot find alias arn: {fn.arn(name)}:alias"

    sid = refused(client.remove_permission, FunctionName=name, StatementId="X")
    assert (sid.status, sid.message) == (404, "Statement X is not found in resource policy.")
    client.remove_permission(FunctionName=name, StatementId="s3")
    assert refused(client.get_policy, FunctionName=name).status == 404
    assert client.get_policy(FunctionName=name, Qualifier="1")["Policy"]


def test_a_policy_lets_another_account_invoke(fn: Lambda, server: Any) -> None:
    name = fn.create()
    other = server.account_factory()
    foreign = other.client("lambda")
    denied = refused(foreign.invoke, FunctionName=fn.arn(name))
    assert (denied.code, denied.status) == ("AccessDeniedException", 403)
    assert denied.message == (
        f"User: arn:aws:iam::{other.account}:root is not authorized to perform: lambda:InvokeFunction on "
        f"resource: {fn.arn(name)} because no resource-based policy allows the lambda:InvokeFunction action"
    )
    fn.client.add_permission(
        FunctionName=name, StatementId="o", Action="lambda:InvokeFunction", Principal=other.account
    )
    assert foreign.invoke(FunctionName=fn.arn(name), Payload=b"7")["Payload"].read() == b"7"
    assert refused(foreign.get_function, FunctionName=fn.arn(name)).status == 403


def test_tags(fn: Lambda) -> None:
    client, name = fn.client, fn.create(Tags={"a": "1"})
    arn = fn.arn(name)
    assert client.list_tags(Resource=arn)["Tags"] == {"a": "1"}
    client.tag_resource(Resource=arn, Tags={"b": "2", "a": "3"})
    assert client.get_function(FunctionName=name)["Tags"] == {"a": "3", "b": "2"}
    client.untag_resource(Resource=arn, TagKeys=["a", "absent"])
    assert client.list_tags(Resource=arn)["Tags"] == {"b": "2"}
    many = refused(client.tag_resource, Resource=arn, Tags={f"k{n}": "" for n in range(50)})
    assert many.message == "Number of tags exceeds function tag limit."
    gone = refused(client.list_tags, Resource=fn.arn("absent"))
    assert (gone.status, gone.message) == (404, f"Function not found: {fn.arn('absent')}")
    qualified = refused(client.list_tags, Resource=f"{arn}:1")
    assert "aliases and versions are not supported" in qualified.message


def test_event_invoke_configurations(fn: Lambda) -> None:
    client, name, target = fn.client, fn.create(Publish=True), fn.create()
    empty = refused(client.put_function_event_invoke_config, FunctionName=name)
    assert (empty.code, empty.status) == ("InvalidParameterValueException", 400)
    assert empty.message == "You must specify at least one of error handling or destination setting."
    itself = {"OnSuccess": {"Destination": fn.arn(name)}}
    loop = refused(client.put_function_event_invoke_config, FunctionName=name, DestinationConfig=itself)
    assert loop.message == "You can't specify the function as a destination for itself."
    absent = {"OnFailure": {"Destination": fn.arn("absent")}}
    gone = refused(client.put_function_event_invoke_config, FunctionName=name, DestinationConfig=absent)
    assert gone.message == f"The destination ARN {fn.arn('absent')} is invalid."
    queue = {"OnFailure": {"Destination": f"arn:aws:sqs:us-east-1:{fn.account.account}:q"}}
    named = refused(client.put_function_event_invoke_config, FunctionName=name, DestinationConfig=queue)
    assert "SQS queues is not supported by Undercast. " in named.message
    iam = {"OnFailure": {"Destination": fn.role}}
    wrong = refused(client.put_function_event_invoke_config, FunctionName=name, DestinationConfig=iam)
    assert wrong.message == (
        "The provided destination config DestinationConfig(onSuccess=null, "
        f"onFailure=OnFailure(destination={fn.role})) is invalid."
    )
    for operation in ("get", "delete"):
        missing = refused(getattr(client, f"{operation}_function_event_invoke_config"), FunctionName=name)
        assert (missing.code, missing.status) == ("ResourceNotFoundException", 404)
        assert missing.message == f"The function {fn.arn(name)}:$LATEST doesn't have an EventInvokeConfig"

    destination = {"OnFailure": {"Destination": fn.arn(target)}}
    put = client.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=1, DestinationConfig=destination
    )
    assert put["FunctionArn"] == f"{fn.arn(name)}:$LATEST"
    assert put["DestinationConfig"] == {"OnSuccess": {}, **destination}
    updated = client.update_function_event_invoke_config(FunctionName=name, MaximumEventAgeInSeconds=60)
    assert (updated["MaximumRetryAttempts"], updated["MaximumEventAgeInSeconds"]) == (1, 60)
    replaced = client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    assert "MaximumEventAgeInSeconds" not in replaced
    assert replaced["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    client.put_function_event_invoke_config(FunctionName=name, Qualifier="1", MaximumRetryAttempts=2)
    listed = client.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]
    assert [each["FunctionArn"] for each in listed] == [f"{fn.arn(name)}:$LATEST", f"{fn.arn(name)}:1"]
    client.delete_function_event_invoke_config(FunctionName=name)
    assert refused(client.get_function_event_invoke_config, FunctionName=name).status == 404


def test_changes_at_once_are_all_kept(fn: Lambda) -> None:
    client, name = fn.client, fn.create(Publish=True)
    client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    url = client.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    retries, age = itertools.cycle((1, 2)), itertools.count(100)
    mode, auth = itertools.cycle(("RESPONSE_STREAM", "BUFFERED")), itertools.cycle(("AWS_IAM", "NONE"))
    events, urls = client.update_function_event_invoke_config, client.update_function_url_config
    with ThreadPoolExecutor(4) as pool:
        for _ in range(12):
            changes = (
                (events, {"MaximumRetryAttempts": next(retries)}),
                (events, {"MaximumEventAgeInSeconds": next(age)}),
                (urls, {"InvokeMode": next(mode)}),
                (urls, {"AuthType": next(auth)}),
            )
            for done in [pool.submit(change, FunctionName=name, **what) for change, what in changes]:
                done.result()
            shown = {
                **client.get_function_event_invoke_config(FunctionName=name),
                **client.get_function_url_config(FunctionName=name),
            }
            for _, what in changes:
                assert what.items() <= shown.items()
    assert shown["FunctionUrl"] == url


def test_small_settings(fn: Lambda) -> None:
    client, name = fn.client, fn.create()
    assert client.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Terminate"
    client.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    assert client.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Allow"

    assert client.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"] == "Auto"
    put = client.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="FunctionUpdate")
    assert (put["UpdateRuntimeOn"], put["FunctionArn"]) == ("FunctionUpdate", fn.arn(name))
    arn = client.get_function_configuration(FunctionName=name)["RuntimeVersionConfig"]["RuntimeVersionArn"]
    client.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="Manual", RuntimeVersionArn=arn)
    shown = client.get_runtime_management_config(FunctionName=name)
    assert (shown["UpdateRuntimeOn"], shown["RuntimeVersionArn"]) == ("Manual", arn)

    signing = client.get_function_code_signing_config(FunctionName=name)
    assert "CodeSigningConfigArn" not in signing
    csc = f"arn:aws:lambda:us-east-1:{fn.account.account}:code-signing-config:csc-0123456789abcdef0"
    absent = refused(client.put_function_code_signing_config, FunctionName=name, CodeSigningConfigArn=csc)
    assert (absent.code, absent.status) == ("CodeSigningConfigNotFoundException", 404)
    assert client.list_code_signing_configs()["CodeSigningConfigs"] == []

    assert client.list_event_source_mappings()["EventSourceMappings"] == []
    queue = f"arn:aws:sqs:us-east-1:{fn.account.account}:q"
    mapping = refused(client.create_event_source_mapping, FunctionName=name, EventSourceArn=queue)
    assert queue in mapping.message and "not supported by Undercast" in mapping.message
    url = refused(client.get_event_source_mapping, UUID="0b4d2a4e-58f1-4ad0-b31c-a48a0a0a0a0a")
    assert url.message == "The resource you requested does not exist."
