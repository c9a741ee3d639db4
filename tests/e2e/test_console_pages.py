"""Every page of the console opens without an error and without a barrier; signing in, out and elsewhere."""

from __future__ import annotations

import re

import pytest
from console_support import EC2_PAGES, PHONE, Visitor, archive, furnish, role, visit
from playwright.sync_api import Browser, Locator, expect

from support import Account, Server

FIRST_LOAD = 1_500_000  # bytes over the wire
_OVER_THE_WIRE = ("responseHeadersSize", "responseBodySize")
_HELLO = archive("handler = lambda event, context: 'hello ' + event['pathParameters']['name']", "index.py")


@pytest.mark.timeout(200)
def test_every_page_opens_without_errors_and_barriers(visitor: Visitor) -> None:
    estate = furnish(visitor.account)
    barriers: list[str] = []
    for _, path in estate.pages:
        page = visitor.turn_to(path)
        expect(page.get_by_text("This page could not be shown")).to_have_count(0)
        barriers += visitor.violations()
    assert barriers == []
    assert visitor.errors == []


@pytest.mark.timeout(120)
def test_dark_and_on_a_phone(browser: Browser, account: Account) -> None:
    estate = furnish(account)
    shown = {"home", "lambda-code", "lambda-monitor", "apigateway-routes", "cloudwatch-log-events"}
    shown |= {"ec2-launch"}
    with visit(browser, account, PHONE) as visitor:
        visitor.page.goto(f"{account.url}/console/")
        barriers = visitor.violations()
        visitor.theme("dark")
        visitor.sign_in()
        for name, path in estate.pages:
            if name in shown:
                page = visitor.open(path)
                assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name
                expect(page.locator("body.awsui-dark-mode")).to_have_count(1)
                barriers += visitor.violations()
        # The navigation is behind a button, and everything of the bar is in its menu.
        page.get_by_role("button", name="Open navigation").click()
        page.get_by_role("link", name="Key pairs").click()
        expect(page.get_by_role("heading", name=re.compile("Key pairs"))).to_be_visible()
        assert barriers == []
        assert visitor.errors == []


def test_empty_lists_say_so(visitor: Visitor) -> None:
    for path, noun in {
        "/lambda/functions": "functions",
        "/apigateway/apis": "APIs",
        "/cloudwatch/log-groups": "log groups",
        "/ec2/instances": "instances",
        "/ec2/key-pairs": "key pairs",
        "/ec2/volumes": "volumes",
    }.items():
        assert path.removeprefix("/ec2/") in EC2_PAGES or not path.startswith("/ec2/")
        expect(visitor.open(path).get_by_text(f"No {noun}", exact=True)).to_be_visible()
    assert visitor.errors == []


def test_a_list_is_searched_sorted_and_follows_what_happens(visitor: Visitor) -> None:
    ec2, page = visitor.account.client("ec2"), visitor.page
    for name in ("beta", "alpha", "gamma"):
        ec2.create_key_pair(KeyName=name)
    visitor.open("/ec2/key-pairs?search=a")
    rows = page.locator("main tbody tr")
    expect(rows).to_have_count(3)
    search = page.get_by_label("Find key pairs")
    search.fill("alph")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"search=alph"))
    search.fill("")
    header = page.get_by_role("columnheader", name="Name").get_by_role("button").first
    header.click()
    expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "ascending")
    expect(rows.first).to_contain_text("alpha")
    header.click()
    expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "descending")
    expect(rows.first).to_contain_text("gamma")
    # A column is made wider by keyboard, and stays so.
    column = page.get_by_role("columnheader", name="Name")
    resizer = column.get_by_role("button").last
    before = _width(column)
    resizer.focus()
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert _width(column) > before + 20
    page.reload()
    expect(rows).to_have_count(3)
    assert _width(column) > before + 20
    header.click()
    header.click()
    # Without a reload: what others make and take away shows.
    ec2.create_key_pair(KeyName="zeta")
    expect(rows.first).to_contain_text("zeta")
    ec2.delete_key_pair(KeyName="zeta")
    expect(rows.first).to_contain_text("gamma")
    assert visitor.errors == []


def _width(column: Locator) -> float:
    box = column.bounding_box()
    assert box is not None
    return box["width"]


def test_signing_in_out_and_elsewhere(browser: Browser, account: Account) -> None:
    ec2 = account.client("ec2", "eu-west-1")
    ec2.create_key_pair(KeyName="irish")
    with visit(browser, account) as visitor:
        page = visitor.page
        page.goto(f"{account.url}/console/ec2/key-pairs")
        # Wrong keys: AWS's code and message.
        page.get_by_label("Access key ID").fill("AKIAIOSFODNN7EXAMPLE")
        page.get_by_label("Secret access key").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_text("InvalidClientTokenId")).to_be_visible()
        expect(page.get_by_text("The security token included in the request is invalid")).to_be_visible()
        # Right ones, by keyboard alone; the page that was asked for opens.
        page.get_by_label("Access key ID").focus()
        page.keyboard.press("Control+a")
        page.keyboard.type(account.access_key_id)
        page.keyboard.press("Tab")
        page.keyboard.press("Control+a")
        page.keyboard.type(account.secret_access_key)
        page.keyboard.press("Enter")
        expect(page.get_by_text("No key pairs", exact=True)).to_be_visible()
        expect(page.get_by_role("button", name=account.account)).to_be_visible()
        # Another region shows what is there.
        page.get_by_role("button", name="N. Virginia").click()
        page.get_by_role("menuitem", name=re.compile("Ireland")).click()
        expect(page.get_by_text("irish")).to_be_visible()
        # The keys are in the tab's session storage and nowhere else.
        assert account.secret_access_key in page.evaluate("JSON.stringify(sessionStorage)")
        kept = page.evaluate("JSON.stringify(localStorage) + document.cookie")
        assert account.secret_access_key not in kept
        page.get_by_role("button", name=account.account).click()
        page.get_by_role("menuitem", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in to Undercast")).to_be_visible()
        assert account.secret_access_key not in page.evaluate("JSON.stringify(sessionStorage)")
        refused = [one for one in visitor.errors if "403 (Forbidden)" in one]
        assert visitor.errors == refused  # the wrong keys above


def test_a_one_time_link_signs_in_once(browser: Browser, server: Server) -> None:
    link = server.signed("POST", "/_undercast/signin-link", "undercast").json()["Link"]
    assert link.startswith(f"{server.url}/console/#token=")
    with visit(browser, server) as visitor:
        visitor.page.goto(link)
        expect(visitor.page.get_by_role("heading", name="Console home")).to_be_visible()
        assert "token" not in visitor.page.url
        visitor.open("/lambda/functions")
        assert visitor.errors == []
    with visit(browser, server) as late:
        late.page.goto(link)
        expect(late.page.get_by_text("was used before or has expired")).to_be_visible()


def test_a_failure_shows_awss_code_and_message(visitor: Visitor) -> None:
    page = visitor.open("/apigateway/apis/nosuchapi0")
    expect(page.get_by_text("NotFoundException")).to_be_visible()
    expect(page.get_by_text(re.compile("Invalid API identifier specified"))).to_be_visible()
    visitor.account.client("ec2").create_key_pair(KeyName="taken")
    visitor.open("/ec2/key-pairs")
    page.get_by_role("button", name="Create key pair").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Key pair name").fill("taken")
    dialog.get_by_role("button", name="Create key pair").click()
    # Where one looks: in the dialog, which stays open.
    expect(dialog.get_by_text("InvalidKeyPair.Duplicate")).to_be_visible()
    expect(dialog.get_by_text(re.compile("The keypair .*already exists"))).to_be_visible()
    dialog.get_by_label("Key pair name").fill("free")
    with page.expect_download():
        page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("Successfully created key pair free.")).to_be_visible()


def test_routes_integrations_and_authorizers_are_made_by_clicking(visitor: Visitor) -> None:
    account, page = visitor.account, visitor.page
    arn = account.client("lambda").create_function(
        FunctionName="hello",
        Runtime="python3.13",
        Handler="index.handler",
        Role=role(account, "hello-role"),
        Code={"ZipFile": _HELLO},
    )["FunctionArn"]
    visitor.open("/apigateway/apis")
    page.get_by_role("button", name="Create API").first.click()
    page.get_by_label("API name").fill("clicked")
    page.get_by_role("button", name="Create", exact=True).click()
    page.get_by_role("tabpanel", name="Routes").get_by_role("button", name="Create").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Path").fill("/hello/{name}")
    dialog.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("heading", name="ANY /hello/{name}")).to_be_visible()
    page.get_by_role("button", name="Attach integration").click()
    page.get_by_role("combobox", name="Lambda function").fill(arn)
    page.keyboard.press("Escape")
    page.get_by_role("dialog").get_by_role("button", name="Attach", exact=True).click()
    expect(page.get_by_text("Successfully attached hello")).to_be_visible()
    # Signed requests only: the tester is refused until it signs.
    page.get_by_role("button", name="Attach authorization").click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Authorizer")).click()
    page.get_by_role("option", name=re.compile("IAM")).click()
    page.get_by_role("dialog").get_by_role("button", name="Attach", exact=True).click()
    expect(page.get_by_text("Successfully changed the authorization")).to_be_visible()
    page.get_by_role("tab", name="Test").click()
    page.get_by_label("Path").fill("/hello/you")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_label("Response body")).to_contain_text("Forbidden")
    page.get_by_label("Sign the request with my keys").check()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_label("Response body")).to_have_text("hello you")
    # A stage of one's own, CORS on and off.
    page.get_by_role("tab", name="Stages").click()
    page.get_by_role("tabpanel", name="Stages").get_by_role("button", name="Create").click()
    page.get_by_role("dialog").get_by_label("Name").fill("prod")
    page.get_by_role("dialog").get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("tabpanel", name="Stages").get_by_text("/prod")).to_be_visible()
    page.get_by_role("tab", name="CORS").click()
    page.get_by_role("button", name="Configure").click()
    page.get_by_label("Access-Control-Allow-Origin").fill("https://example.com")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_text("Successfully updated CORS.")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("CORS is not configured.")).to_be_visible()
    assert [one for one in visitor.errors if "403 (Forbidden)" not in one] == []


def test_the_first_load_is_small(browser: Browser, account: Account) -> None:
    with visit(browser, account) as visitor:
        sizes: list[int] = []
        visitor.page.on(
            "requestfinished", lambda request: sizes.append(sum(request.sizes()[n] for n in _OVER_THE_WIRE))
        )
        visitor.sign_in()
        visitor.page.wait_for_load_state("networkidle")
        assert 50_000 < sum(sizes) < FIRST_LOAD
        scripts = visitor.page.evaluate("[...document.scripts].map(one => one.src)")
        headers = visitor.context.request.get(scripts[0]).headers
        assert headers["content-encoding"] == "gzip"
        assert "immutable" in headers["cache-control"]
