"""What the tests of the console share: a browser, a visitor who notices errors, an account that is in use."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from support import Account

STATIC = Path(__file__).parents[2] / "src/undercast/console/static"
AXE = Path(__file__).parents[2] / "console/node_modules/axe-core/axe.min.js"

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}

# A browser that asks nobody but the server, and writes nowhere but into its own profile.
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
WAIT_MS = 15_000
expect.set_options(timeout=WAIT_MS)

# "There is none" is a 404 of these operations, which a browser reports as an error: GetFunctionUrlConfig,
# GetPolicy, GetFunctionEventInvokeConfig, DescribeSchema.
_MAY_BE_ABSENT = re.compile(
    r"/(url|policy|event-invoke-config)(\?.*)?$|/v1/registries/name/lambda-testevent-schemas/"
)

# Chromium ends what it is loading when this machine gets another interface, as that of an instance is; the
# console asks again.
_MACHINE = "net::ERR_NETWORK_CHANGED"

MEAN = """import json


def lambda_handler(event, context):
    nums = event.get("nums")
    if nums is None:
        nums = [float(one) for one in event["queryStringParameters"]["nums"].split(",")]
    print("numbers:", nums)
    return {"statusCode": 200, "body": json.dumps(sum(nums) / len(nums))}
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium; nothing is downloaded. Fails where the console is not built."""
    program = next((found for name in _CHROMIUM if (found := shutil.which(name))), None)
    if program is None:
        pytest.fail("the console's tests need Chromium: apt-get install chromium")
    if not (STATIC / "index.html").is_file():
        pytest.fail("the console is not built: make console")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS, timeout=30_000)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visitor:
    """Somebody at the console, signed in. Remembers what a developer would see in red."""

    account: Account
    context: BrowserContext
    page: Page
    errors: list[str] = field(default_factory=list)
    _pending: set[Request] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.errors.append(f"{self.page.url}: {error}"))
        self.page.on("request", lambda request: self._pending.add(request))
        self.page.on("requestfinished", lambda request: self._pending.discard(request))
        self.page.on("requestfailed", self._failed)

    def _listen(self, message: ConsoleMessage) -> None:
        address = message.location.get("url", "")
        absent = "404 (Not Found)" in message.text and _MAY_BE_ABSENT.search(address)
        if message.type == "error" and not absent and _MACHINE not in message.text:
            self.errors.append(f"{self.page.url}: {message.text} ({address})")

    def _failed(self, request: Request) -> None:
        self._pending.discard(request)
        # Leaving a page ends the requests it still waits for.
        if request.failure not in ("net::ERR_ABORTED", _MACHINE):
            self.errors.append(f"{self.page.url}: {request.url} failed: {request.failure}")

    def open(self, path: str) -> Page:
        """Open a page of the console by its address and wait until it shows what it is about."""
        self.page.goto(f"{self.account.url}/console{path}")
        self.settled()
        return self.page

    def turn_to(self, path: str) -> Page:
        """Go to a page as a link of the console does, without loading the console again."""
        self.page.evaluate(
            """path => {
                history.pushState(null, "", path);
                dispatchEvent(new PopStateEvent("popstate"));
                return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
            }""",
            f"/console{path}",
        )
        self.settled()
        return self.page

    def settled(self) -> None:
        """Wait until a page is there and nothing of it is loading."""
        expect(self.page.locator("main :is(h1, h2, h3):visible").first).to_be_visible()
        expect(self.page.locator("main").get_by_text(re.compile(r"^Loading"))).to_have_count(0)
        expect(self.page.locator("[class*='awsui_spinner']:visible")).to_have_count(0)

    def quiet(self) -> None:
        """Wait until the page has all it asked for: also what it asks for page by page."""
        calm = 0
        while calm < 3:
            self.page.wait_for_timeout(50)
            calm = 0 if self._pending else calm + 1

    def sign_in(self) -> None:
        """Sign in with the access key, as a person does."""
        page = self.page
        page.goto(f"{self.account.url}/console/")
        page.get_by_label("Access key ID").fill(self.account.access_key_id)
        page.get_by_label("Secret access key").fill(self.account.secret_access_key)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Console home")).to_be_visible()

    def theme(self, theme: Literal["light", "dark"]) -> None:
        """Show the console in light or dark from the next page on."""
        self.page.evaluate("theme => localStorage.setItem('undercast.theme', theme)", theme)

    def photograph(self, path: Path) -> None:
        """The whole page as a PNG. The window is made as high as the page, once: nothing moves midway."""
        size = self.page.viewport_size or DESKTOP
        height = self.page.evaluate("document.documentElement.scrollHeight")
        self.page.set_viewport_size({"width": size["width"], "height": max(size["height"], height)})
        self.page.wait_for_timeout(150)
        self.page.screenshot(path=path)
        self.page.set_viewport_size(size)

    def violations(self) -> list[str]:
        """What axe finds serious or critical on the page as it is."""
        self.page.evaluate(AXE.read_text())
        found: list[dict[str, Any]] = self.page.evaluate(
            "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
        )
        return [
            f"{self.page.url}: {one['id']} ({one['impact']}): {one['help']}: "
            + " | ".join(node["html"][:300] for node in one["nodes"][:3])
            for one in found
            if one["impact"] in ("serious", "critical") and not _is_the_design_systems(one)
        ]


def _is_the_design_systems(violation: dict[str, Any]) -> bool:
    """An attribute too many that Cloudscape's own frame has on phones: harmless, not ours to take away."""
    nodes = violation["nodes"]
    return violation["id"] == "aria-allowed-attr" and all(
        re.match(r'<nav [^>]*aria-orientation="horizontal"', node["html"]) for node in nodes
    )


@contextmanager
def visit(browser: Browser, account: Account, size: dict[str, int] | None = None) -> Iterator[Visitor]:
    """A visitor in a browser window of their own, with nothing remembered."""
    context = browser.new_context(
        viewport=size or DESKTOP, locale="en-US", timezone_id="UTC", reduced_motion="reduce"
    )
    try:
        yield Visitor(account, context, context.new_page())
    finally:
        context.close()


def archive(source: str, name: str = "lambda_function.py") -> bytes:
    """A deployment package with one file."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as package:
        package.writestr(name, source)
    return memory.getvalue()


def role(account: Account, name: str) -> str:
    """A role that functions may take; returns its ARN."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    made = account.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    return str(made["Role"]["Arn"])


@dataclass(frozen=True)
class Estate:
    """An account with something of everything that needs no instance, and the addresses of its pages."""

    function: str
    api: str
    group: str
    log_group: str

    @property
    def pages(self) -> list[tuple[str, str]]:
        """Name and address of every page, and of every tab that shows something else."""
        function, api = f"/lambda/functions/{self.function}", f"/apigateway/apis/{self.api}"
        log_group = f"/cloudwatch/log-groups/{self.log_group.replace('/', '%2F')}"
        configuration = (
            *("general", "triggers", "permissions", "url", "environment", "concurrency"),
            *("asynchronous", "tags"),
        )
        return [
            ("home", "/"),
            ("lambda-functions", "/lambda/functions"),
            ("lambda-create", "/lambda/create"),
            ("lambda-layers", "/lambda/layers"),
            ("lambda-code", function),
            *(
                (f"lambda-{tab}", f"{function}?tab={tab}")
                for tab in ("test", "monitor", "aliases", "versions")
            ),
            *(
                (f"lambda-configuration-{part}", f"{function}?tab=configuration.{part}")
                for part in configuration
            ),
            ("apigateway-apis", "/apigateway/apis"),
            ("apigateway-routes", api),
            *(
                (f"apigateway-{tab}", f"{api}?tab={tab}")
                for tab in ("integrations", "authorizers", "cors", "stages", "test")
            ),
            ("cloudwatch-log-groups", "/cloudwatch/log-groups"),
            ("cloudwatch-log-group", log_group),
            ("cloudwatch-log-events", f"{log_group}/events"),
            ("cloudwatch-live-tail", "/cloudwatch/live-tail"),
            ("cloudwatch-metrics", "/cloudwatch/metrics"),
            *((f"ec2-{page}", f"/ec2/{page}") for page in EC2_PAGES),
            ("ec2-security-group", f"/ec2/security-groups/{self.group}"),
        ]


EC2_PAGES = (
    *("dashboard", "instances", "launch", "instance-types", "launch-templates", "spot-requests", "images"),
    *("volumes", "snapshots", "security-groups", "addresses", "key-pairs", "vpcs"),
)


def furnish(account: Account) -> Estate:
    """Put something onto every page of an account."""
    functions, gateway, ec2 = account.client("lambda"), account.client("apigatewayv2"), account.client("ec2")
    name = "calculate_mean"
    created = functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="lambda_function.lambda_handler",
        Role=role(account, f"{name}-role"),
        Code={"ZipFile": archive(MEAN)},
        Description="The mean of some numbers",
        Environment={"Variables": {"MODE": "exact"}},
        Tags={"team": "numbers"},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    version = functions.publish_version(FunctionName=name)["Version"]
    functions.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    functions.publish_layer_version(
        LayerName="helpers", Content={"ZipFile": archive("X = 1", "python/helpers.py")}
    )
    functions.invoke(FunctionName=name, Payload=b'{"nums": [1, 2, 3]}')
    api = gateway.create_api(
        Name="mean",
        ProtocolType="HTTP",
        CorsConfiguration={"AllowOrigins": ["https://example.com"], "AllowMethods": ["GET"]},
    )["ApiId"]
    gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    integration = gateway.create_integration(
        ApiId=api,
        IntegrationType="AWS_PROXY",
        IntegrationUri=created["FunctionArn"],
        PayloadFormatVersion="2.0",
    )["IntegrationId"]
    authorizer = gateway.create_authorizer(
        ApiId=api,
        Name="people",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": "https://issuer.example.com", "Audience": ["numbers"]},
    )["AuthorizerId"]
    target = f"integrations/{integration}"
    gateway.create_route(ApiId=api, RouteKey="GET /calculate_mean", Target=target)
    gateway.create_route(ApiId=api, RouteKey="ANY /means/{id}", Target=target)
    gateway.create_route(
        ApiId=api, RouteKey="DELETE /means/{id}", AuthorizationType="JWT", AuthorizerId=authorizer
    )
    functions.add_permission(
        FunctionName=name,
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{account.region}:{account.account}:{api}/*/*",
    )
    group = ec2.create_security_group(GroupName="web-servers", Description="Web servers")["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="0.0.0.0/0"
    )
    ec2.create_key_pair(KeyName="tutorial", KeyType="ed25519")
    ec2.allocate_address(Domain="vpc")
    ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={"InstanceType": "t3.micro"})
    return Estate(name, api, group, f"/aws/lambda/{name}")
