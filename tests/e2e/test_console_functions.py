"""The console's story of functions: create, edit, deploy, test, add a trigger, call it by clicking."""

from __future__ import annotations

import re

import requests
from console_support import MEAN, Visitor
from playwright.sync_api import expect

from support import unique


def test_a_function_from_scratch_to_an_endpoint(visitor: Visitor) -> None:
    page, name = visitor.page, unique("calculate_mean")
    visitor.open("/lambda/functions")
    page.get_by_role("button", name="Create function").first.click()
    page.get_by_label("Function name").fill(name)
    page.locator("form").get_by_role("button", name="Create function").click()
    expect(page.get_by_text(f"Successfully created the function {name}.")).to_be_visible()

    # The template, then the tutorial's code in its place.
    editor = page.get_by_label("Source of lambda_function.py")
    expect(editor).to_contain_text("Hello from Lambda!")
    marker = page.get_by_text("Changes not deployed")
    expect(marker).to_have_count(0)
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(MEAN)
    expect(marker).to_be_visible()
    # What is typed stays while something else is looked at, and a test says that it is not deployed.
    page.get_by_role("tab", name="Test").click()
    expect(page.get_by_text("You have undeployed changes.")).to_be_visible()
    visitor.turn_to("/lambda/functions")
    visitor.turn_to(f"/lambda/functions/{name}")
    expect(editor).to_contain_text("sum(nums)")
    expect(marker).to_be_visible()
    page.get_by_role("button", name="Deploy").click()
    expect(page.get_by_text(f"Successfully updated the function {name}.")).to_be_visible()
    expect(marker).to_have_count(0)
    expect(editor).to_contain_text("sum(nums)")

    # A test event with a name, kept and used.
    page.get_by_role("tab", name="Test").click()
    page.get_by_label("Event name").fill("ThreeNumbers")
    event = page.locator(".cm-content[aria-label='Event JSON']")
    event.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text('{"nums": [1, 2, 3]}')
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("The test event ThreeNumbers was successfully saved.")).to_be_visible()
    panel = page.get_by_role("tabpanel", name="Test")
    panel.get_by_role("button", name="Test", exact=True).click()
    expect(page.get_by_text(f"Executing function {name}: succeeded")).to_be_visible()
    expect(panel.get_by_label("Result")).to_have_text(re.compile(r'"body": "2\.0"'))
    expect(panel.get_by_label("Log output")).to_contain_text("numbers: [1, 2, 3]")
    for label, shape in {
        "Duration": r"[\d.]+ ms",
        "Billed duration": r"\d+ ms",
        "Init duration": r"[\d.]+ ms",
        "Max memory used": r"\d+ MB",
        "Resources configured": "128 MB",
    }.items():
        value = panel.locator("dt", has_text=re.compile(f"^{label}$")).locator("xpath=following-sibling::dd")
        expect(value).to_have_text(re.compile(shape))

    # The event is still there after a reload; an invocation that fails is red and says why.
    page.reload()
    panel.get_by_label("Saved event").click()
    page.get_by_role("option", name="ThreeNumbers").click()
    expect(event).to_contain_text("[1, 2, 3]")
    event.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text('{"nums": []}')
    panel.get_by_role("button", name="Test", exact=True).click()
    expect(page.get_by_text(f"Executing function {name}: failed")).to_be_visible()
    expect(panel.get_by_label("Result")).to_contain_text("ZeroDivisionError")

    # A trigger, whose endpoint answers everyone: the diagram shows it, and its page opens.
    diagram = page.get_by_role("group", name=f"Diagram of {name}")
    diagram.get_by_role("button", name="Add trigger").click()
    dialog = page.get_by_role("dialog", name="Add trigger")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text(re.compile("was successfully added to function"))).to_be_visible()
    expect(diagram.get_by_role("list", name="Triggers")).to_contain_text(f"{name}-API")
    link = page.locator("main a[target=_blank]", has_text=f"/{name}").first
    address = link.get_attribute("href")
    assert address is not None
    answer = requests.get(address, params={"nums": "1,2,3"}, timeout=10)
    assert (answer.status_code, answer.text) == (200, "2.0")
    with visitor.context.expect_page() as opened:
        link.click()
    expect(opened.value.locator("body")).to_have_text('{"message":"Internal Server Error"}')  # no numbers
    opened.value.close()

    # The same through the request tester of the API's page.
    visitor.open("/apigateway/apis")
    page.get_by_role("link", name=f"{name}-API").click()
    page.get_by_role("tab", name="Test").click()
    page.get_by_role("button", name="Add parameter").click()
    page.get_by_label("Key 1").fill("nums")
    page.get_by_label("Value 1").fill("4,8")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_label("Response body")).to_have_text("6")
    expect(page.get_by_text("200", exact=False).first).to_be_visible()

    # What it printed is in the log.
    visitor.open(f"/cloudwatch/log-groups/%2Faws%2Flambda%2F{name}/events")
    expect(page.get_by_role("log")).to_contain_text("numbers: [4.0, 8.0]")
    assert visitor.errors == []
