"""The servers chapter: rent a server, SSH in, train a model, throw the server away."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from undercast.demo import functions
from undercast.demo.stage import DemoFailed, Stage

KEY = "tutorial"
GROUP = "tutorial"
SCRIPT_FUNCTION = "tutorial-script"
IMAGE = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
_SCRIPT = """\
import sys

nums = [float(num) for num in sys.argv[1:]]
print(sum(nums) / len(nums))
"""
_FOREST = """\
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

rng = np.random.default_rng(0)
rows = pd.DataFrame(rng.uniform(size=(5000, 4)), columns=list("abcd"))
target = rows.a * 3 + rows.b ** 2
forest = RandomForestRegressor(n_estimators=100, random_state=0).fit(rows[:4000], target[:4000])
print("R2 on 1,000 unseen rows:", round(forest.score(rows[4000:], target[4000:]), 3))
"""


def play(stage: Stage) -> None:
    """Play the chapter. Raises DemoFailed at the first step that does not do what the tutorial says."""
    stage.chapter("Servers: a machine of one's own")
    _clear(stage)
    group = _prepare(stage)
    instance, name, address = _launch(stage, group)
    _closed(stage, name)
    _open(stage, group, address)
    _log_in(stage, name)
    _script(stage, name)
    _train(stage, name)
    name = _stop_and_start(stage, instance)
    _ssh(stage, name, "cat", "calculate_mean.py", expect="import sys")
    _terminate(stage, instance)


# What keeps ssh from asking, from waiting for long, and from the user's own keys and known hosts.
_UNASKED = (
    *("-F", "none", "-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=known_hosts"),
    *("-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"),
)


def _ssh(
    stage: Stage,
    name: str,
    *command: str,
    key: bool = True,
    terminal: bool = False,
    connect_s: int = 10,
    **options: Any,
) -> str:
    """Run ssh for real; shown as one would type it."""
    typed = [*(["-i", f"{KEY}.pem"] if key else []), f"ec2-user@{name}", *command]
    quiet = [*_UNASKED, "-o", f"ConnectTimeout={connect_s}", *(["-tt"] if terminal else [])]
    return stage.run(["ssh", *quiet, *typed], show_as=shlex.join(["ssh", *typed]), **options)


def _clear(stage: Stage) -> None:
    """Remove what an earlier demo left."""
    answer = stage.aws(
        *("ec2", "describe-instances", "--filters", f"Name=key-name,Values={KEY}"),
        "Name=instance-state-name,Values=pending,running,stopping,stopped",
        *("--query", "Reservations[].Instances[].InstanceId"),
        show=False,
    )
    if old := json.loads(answer):
        stage.aws("ec2", "terminate-instances", "--instance-ids", *old, show=False)
        stage.aws("ec2", "wait", "instance-terminated", "--instance-ids", *old, timeout_s=120, show=False)
    stage.aws("ec2", "delete-key-pair", "--key-name", KEY, show=False)
    stage.aws("ec2", "delete-security-group", "--group-name", GROUP, status=None, show=False)
    for file in (f"{KEY}.pem", "known_hosts"):
        (stage.folder / file).unlink(missing_ok=True)


def _prepare(stage: Stage) -> str:
    stage.say("A key pair: the private half is given once, and kept by nobody but you.")
    key = stage.aws(
        "ec2", "create-key-pair", "--key-name", KEY, "--query", "KeyMaterial", "--output", "text", show=False
    )
    command = f"aws ec2 create-key-pair --key-name {KEY} --query KeyMaterial --output text > {KEY}.pem"
    stage.console.print(f"[bold green]$[/] {command}")
    (stage.folder / f"{KEY}.pem").write_text(key)
    stage.say("A security group. It lets nothing in yet.")
    return stage.aws(
        *("ec2", "create-security-group", "--group-name", GROUP, "--description", "The tutorial"),
        *("--query", "GroupId", "--output", "text"),
        expect="sg-",
    ).strip()


def _launch(stage: Stage, group: str) -> tuple[str, str, str]:
    """Launch; returns the instance's id, public name and public address."""
    stage.say("The server.")
    instance = stage.aws(
        *("ec2", "run-instances", "--image-id", IMAGE, "--instance-type", "t2.micro"),
        *("--key-name", KEY, "--security-group-ids", group),
        *("--query", "Instances[0].InstanceId", "--output", "text"),
        expect="i-",
    ).strip()
    stage.aws("ec2", "wait", "instance-running", "--instance-ids", instance, timeout_s=180)
    return instance, *_names(stage, instance)


def _names(stage: Stage, instance: str) -> tuple[str, str]:
    answer = stage.aws(
        *("ec2", "describe-instances", "--instance-ids", instance),
        *("--query", "Reservations[0].Instances[0].[PublicDnsName,PublicIpAddress]", "--output", "text"),
    )
    name, address = answer.split()
    return name, address


def _closed(stage: Stage, name: str) -> None:
    stage.say("No rule, no way in: the packets are dropped.")
    _ssh(stage, name, connect_s=2, status=255, expect="timed out")


def _open(stage: Stage, group: str, address: str) -> None:
    stage.say("Port 22, for my own address alone.")
    route = json.loads(stage.run(["ip", "-j", "route", "get", address], show=False))
    stage.aws(
        *("ec2", "authorize-security-group-ingress", "--group-id", group),
        *("--protocol", "tcp", "--port", "22", "--cidr", f"{route[0]['prefsrc']}/32"),
        *("--query", "SecurityGroupRules[0].SecurityGroupRuleId"),
        expect="sgr-",
    )


def _log_in(stage: Stage, name: str) -> None:
    stage.say("Without the key, and with a key that everyone could read: no.")
    _ssh(stage, name, key=False, status=255, expect="Permission denied (publickey")
    (stage.folder / f"{KEY}.pem").chmod(0o644)
    _ssh(stage, name, status=255, expect="UNPROTECTED PRIVATE KEY FILE")
    stage.say("With the key.")
    stage.run(["chmod", "400", f"{KEY}.pem"])
    _at_a_terminal(stage, name)
    _ssh(stage, name, "whoami; python3 --version; gcc --version | head -1", expect="ec2-user")


def _at_a_terminal(stage: Stage, name: str) -> None:
    """Log in as a person does: banner and prompt."""
    typed = stage.file("typed", "exit\n", show=False)
    with typed.open("rb") as keyboard:
        shown = _ssh(stage, name, terminal=True, stdin=keyboard, status=None)
    if not re.search(r"\[ec2-user@ip-[\d-]+ ~\]\$", shown):
        raise DemoFailed(f"the prompt [ec2-user@ip-... ~]$ was expected, there was:\n{shown}")


def _script(stage: Stage, name: str) -> None:
    stage.say("A script, fetched with curl from a function of this very cloud, as any URL would be.")
    url = _script_url(stage)
    _ssh(
        stage,
        name,
        f"curl -sSO {url}/calculate_mean.py && python3 calculate_mean.py 1 -5 0 33",
        expect="7.25",
    )
    _ssh(stage, name, "python3 calculate_mean.py 0 1e5 -1e5", expect="0.0")


def _script_url(stage: Stage) -> str:
    """The URL of a function that serves the script, as an instance reaches it."""
    body = f"def lambda_handler(event, context):\n    return {_SCRIPT!r}\n"
    stage.file("lambda_function.py", body, show=False)
    stage.run(["python3", "-m", "zipfile", "-c", "script.zip", "lambda_function.py"], show=False)
    stage.aws("lambda", "delete-function", "--function-name", SCRIPT_FUNCTION, show=False, status=None)
    role = functions.role_arn(stage, show=False)
    stage.aws(
        *("lambda", "create-function", "--function-name", SCRIPT_FUNCTION, "--runtime", "python3.12"),
        *("--handler", "lambda_function.lambda_handler", "--zip-file", "fileb://script.zip", "--role", role),
        show=False,
    )
    everyone = ("lambda", "add-permission", "--function-name", SCRIPT_FUNCTION, "--principal", "*")
    for statement, action in (
        ("url", ("lambda:InvokeFunctionUrl", "--function-url-auth-type", "NONE")),
        ("invoke", ("lambda:InvokeFunction",)),
    ):
        stage.aws(*everyone, "--statement-id", statement, "--action", *action, show=False)
    url = stage.aws(
        *("lambda", "create-function-url-config", "--function-name", SCRIPT_FUNCTION, "--auth-type", "NONE"),
        *("--query", "FunctionUrl", "--output", "text"),
        show=False,
    ).strip()
    identifier = re.search(r"//([a-z0-9]+)\.lambda-url|/lambda-url/([a-z0-9]+)", url)
    if identifier is None:
        raise DemoFailed(f"{url} is no function URL")
    return f"http://169.254.169.254:4566/_aws/lambda-url/{identifier[1] or identifier[2]}"


def _train(stage: Stage, name: str) -> None:
    stage.say("The tools of the trade, and a random forest on 5,000 rows.")
    _ssh(stage, name, "python3 -m pip install numpy pandas scikit-learn 2>&1 | tail -2", timeout_s=300)
    _ssh(stage, name, f"cat > forest.py <<'END'\n{_FOREST}END\npython3 forest.py", expect="R2", timeout_s=120)


def _stop_and_start(stage: Stage, instance: str) -> str:
    stage.say("Stop it, start it: what was on the disk is on the disk.")
    stage.aws("ec2", "stop-instances", "--instance-ids", instance, expect="stopping")
    stage.aws("ec2", "wait", "instance-stopped", "--instance-ids", instance, timeout_s=120)
    stage.aws("ec2", "start-instances", "--instance-ids", instance, expect="pending")
    stage.aws("ec2", "wait", "instance-running", "--instance-ids", instance, timeout_s=120)
    stage.aws("ec2", "wait", "instance-status-ok", "--instance-ids", instance, timeout_s=120)
    name, _ = _names(stage, instance)
    return name


def _terminate(stage: Stage, instance: str) -> None:
    stage.say("Throw it away.")
    stage.aws("ec2", "terminate-instances", "--instance-ids", instance, expect="shutting-down")
    stage.aws("ec2", "wait", "instance-terminated", "--instance-ids", instance, timeout_s=120)
    stage.aws(
        *("ec2", "describe-instances", "--instance-ids", instance),
        *("--query", "Reservations[0].Instances[0].State.Name"),
        expect="terminated",
    )
