"""The functions chapter: write a function, test it, invoke it, put an HTTP endpoint in front of it."""

from __future__ import annotations

import json
from collections.abc import Callable

from undercast.demo.stage import DemoFailed, Stage

NAME = "calculate_mean"
ROLE = "calculate_mean-role"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
_FUNCTION = """\
def lambda_handler(event, context):
    nums = event['nums']
    return {'statusCode': 200, 'body': sum(nums) / len(nums)}
"""
_HTTP_FUNCTION = """\
def lambda_handler(event, context):
    nums = [float(num) for num in event["queryStringParameters"]["nums"].split(",")]
    return {'statusCode': 200, 'body': sum(nums) / len(nums)}
"""


def play(stage: Stage, account: str, region: str, crash: Callable[[], None]) -> None:
    """Play the chapter. `crash` kills the server with SIGKILL and starts it again.

    Raises DemoFailed at the first step that does not do what the tutorial says.
    """
    stage.chapter("Functions: five lines of Python in the cloud")
    _clear(stage)
    _create(stage, account)
    _invoke(stage)
    _bad_input(stage)
    _cold_and_warm(stage)
    _http(stage, account, region)
    _step_by_step(stage, account, region)
    stage.say("Now the power fails: kill -9 of the server, and up again. Nothing is lost.")
    crash()
    stage.file("lambda_function.py", _FUNCTION, show=False)
    _update(stage)
    _invoke(stage)


def _clear(stage: Stage) -> None:
    """Remove what an earlier demo left, so that this one can be played again and again."""
    stage.aws("lambda", "delete-function", "--function-name", NAME, status=None, show=False)
    stage.aws("iam", "delete-role", "--role-name", ROLE, status=None, show=False)
    for api in json.loads(stage.aws("apigatewayv2", "get-apis", show=False))["Items"]:
        if api["Name"].startswith(NAME):
            stage.aws("apigatewayv2", "delete-api", "--api-id", api["ApiId"], show=False)
    stage.aws("logs", "delete-log-group", "--log-group-name", f"/aws/lambda/{NAME}", status=None, show=False)


def _create(stage: Stage, account: str) -> None:
    stage.say("A function needs a role that Lambda may assume.")
    role_arn(stage, show=True)
    stage.say("The function: the mean of some numbers.")
    stage.file("lambda_function.py", _FUNCTION)
    _zip(stage)
    stage.aws(
        *("lambda", "create-function", "--function-name", NAME, "--runtime", "python3.9"),
        *("--handler", "lambda_function.lambda_handler", "--zip-file", "fileb://function.zip"),
        *("--role", f"arn:aws:iam::{account}:role/{ROLE}"),
        expect='"State": "Pending"',
    )
    stage.aws("lambda", "wait", "function-active-v2", "--function-name", NAME)


def role_arn(stage: Stage, *, show: bool) -> str:
    """Make the role of the demo's functions where it is missing; returns its ARN."""
    stage.file("trust.json", json.dumps(_TRUST, indent=2), show=False)
    wanted = ("--role-name", ROLE, "--query", "Role.Arn", "--output", "text")
    there = stage.aws("iam", "get-role", *wanted, status=None, show=False).strip()
    if there.startswith("arn:"):
        return there
    made = stage.aws(
        *("iam", "create-role", "--assume-role-policy-document", "file://trust.json", *wanted),
        expect=f":role/{ROLE}",
        show=show,
    )
    return made.strip()


def _zip(stage: Stage) -> None:
    stage.run(["python3", "-m", "zipfile", "-c", "function.zip", "lambda_function.py"])


def _update(stage: Stage) -> None:
    _zip(stage)
    stage.aws(
        *("lambda", "update-function-code", "--function-name", NAME, "--zip-file", "fileb://function.zip"),
        *("--query", "LastUpdateStatus"),
    )
    stage.aws("lambda", "wait", "function-updated-v2", "--function-name", NAME)


def _call(stage: Stage, payload: str, *more: str, expect: str) -> None:
    stage.file("input.json", payload, show=False)
    stage.run(["cat", "input.json"])
    stage.aws(
        *("lambda", "invoke", "--function-name", NAME, "--payload", "file://input.json"),
        *("--cli-binary-format", "raw-in-base64-out", *more, "output.json"),
        expect=expect,
    )


def _answer(stage: Stage, wanted: object) -> None:
    answer = json.loads(stage.run(["cat", "output.json"]))
    if answer != wanted:
        raise DemoFailed(f"output.json should hold {wanted}, it holds {answer}")


def _invoke(stage: Stage) -> None:
    stage.say("Invoke it.")
    _call(stage, '{"nums": [1, 2, 3]}', expect='"StatusCode": 200')
    _answer(stage, {"statusCode": 200, "body": 2.0})


def _bad_input(stage: Stage) -> None:
    stage.say("What it does not expect: no numbers, and something that is none.")
    for payload, error in (
        ('{"nums": []}', "ZeroDivisionError"),
        ('{"nums": [1, "two"]}', "TypeError"),
    ):
        _call(stage, payload, expect='"FunctionError": "Unhandled"')
        answer = json.loads(stage.run(["cat", "output.json"]))
        if answer["errorType"] != error or not answer["errorMessage"] or "stackTrace" not in answer:
            raise DemoFailed(f"an error of type {error} was expected, there was {answer}")


def _cold_and_warm(stage: Stage) -> None:
    stage.say("Its log: the first call was a cold start and says so, those after it were warm.")
    output = stage.aws(
        *("logs", "tail", f"/aws/lambda/{NAME}", "--format", "short", "--filter-pattern", "REPORT"),
        expect="REPORT",
    )
    reports = [line for line in output.splitlines() if "REPORT RequestId" in line]
    if "Init Duration" not in reports[0] or any("Init Duration" in line for line in reports[1:]):
        raise DemoFailed("exactly the first REPORT line should tell an Init Duration:\n" + output)


def _curl(stage: Stage, endpoint: str) -> None:
    url = f"{endpoint.rstrip('/')}/{NAME}?nums=1,2,3"
    answer = stage.run(["curl", "-sS", "--max-time", "20", url]).strip()
    if answer != "2.0":
        raise DemoFailed(f"curl {url} should print 2.0, it printed {answer}")


def _permit(stage: Stage, account: str, region: str, api_id: str, route: str) -> None:
    stage.aws(
        *("lambda", "add-permission", "--function-name", NAME, "--statement-id", f"api-{api_id}"),
        *("--action", "lambda:InvokeFunction", "--principal", "apigateway.amazonaws.com"),
        *("--source-arn", f"arn:aws:execute-api:{region}:{account}:{api_id}/{route}", "--query", "Statement"),
    )


def _http(stage: Stage, account: str, region: str) -> None:
    stage.say("An HTTP endpoint in front of it. The numbers now come from the query string.")
    stage.file("lambda_function.py", _HTTP_FUNCTION)
    _update(stage)
    api = json.loads(
        stage.aws(
            *("apigatewayv2", "create-api", "--name", f"{NAME}-API", "--protocol-type", "HTTP"),
            *("--target", f"arn:aws:lambda:{region}:{account}:function:{NAME}"),
        )
    )
    _permit(stage, account, region, api["ApiId"], "*")
    _curl(stage, api["ApiEndpoint"])


def _step_by_step(stage: Stage, account: str, region: str) -> None:
    stage.say("The same, step by step: API, integration, route, stage.")
    function = f"arn:aws:lambda:{region}:{account}:function:{NAME}"
    text = ("--output", "text")
    gateway = "apigatewayv2"
    api = json.loads(
        stage.aws(gateway, "create-api", "--name", f"{NAME}-by-hand", "--protocol-type", "HTTP", show=True)
    )
    of_api = ("--api-id", api["ApiId"])
    integration = stage.aws(
        *(gateway, "create-integration", *of_api, "--integration-type", "AWS_PROXY"),
        *("--integration-uri", function, "--payload-format-version", "2.0"),
        *("--query", "IntegrationId", *text),
    ).strip()
    stage.aws(
        *(gateway, "create-route", *of_api, "--route-key", f"GET /{NAME}"),
        *("--target", f"integrations/{integration}", "--query", "RouteId", *text),
    )
    stage.aws(
        *(gateway, "create-stage", *of_api, "--stage-name", "$default", "--auto-deploy"),
        *("--query", "StageName", *text),
    )
    _permit(stage, account, region, api["ApiId"], f"*/*/{NAME}")
    _curl(stage, api["ApiEndpoint"])
    stage.run(["curl", "-sS", api["ApiEndpoint"] + "/elsewhere"], expect='{"message":"Not Found"}')
