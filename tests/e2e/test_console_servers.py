"""The console's story of servers: launch, watch it run, log in, type into the terminal, change, terminate."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from console_support import Visitor, visit
from playwright.sync_api import Browser, expect
from servers_support import Renter, ssh

from support import unique, wait_until


@pytest.mark.timeout(400)
def test_from_the_launch_page_to_a_terminal(browser: Browser, renter: Renter, tmp_path: Path) -> None:
    with visit(browser, renter.server) as visitor:
        visitor.sign_in()
        _play(visitor, tmp_path)
        assert visitor.errors == []


def _play(visitor: Visitor, folder: Path) -> None:
    page, name, key_name = visitor.page, unique("web"), unique("key")
    visitor.open("/ec2/dashboard")
    # What this machine has left; Incus may be starting still.
    expect(page.get_by_text(re.compile("left$")).first).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Launch instance").click()

    # The launch page: a name, a key pair made in place, SSH from here, and the summary with the command.
    page.get_by_label("Name", exact=True).fill(name)
    expect(page.get_by_text("undercast-linux").first).to_be_visible()
    page.get_by_role("button", name="Launch instance").click()
    expect(page.get_by_text("Choose a key pair, make one, or choose to proceed without one.")).to_be_visible()
    page.get_by_role("button", name="Create new key pair").click()
    dialog = page.get_by_role("dialog", name="Create key pair")
    dialog.get_by_label("Key pair name").fill(key_name)
    dialog.get_by_label("ED25519").check()
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Create key pair").click()
    assert download.value.suggested_filename == f"{key_name}.pem"
    key = folder / "key.pem"
    download.value.save_as(key)
    key.chmod(0o400)
    expect(page.get_by_label("Allow SSH traffic from")).to_be_checked()
    expect(page.get_by_role("button", name="Source of SSH traffic")).to_contain_text("My IP")
    page.get_by_role("button", name="Preview code").click()
    commands = page.get_by_label("Equivalent aws commands")
    expect(commands).to_contain_text("aws ec2 run-instances")
    expect(commands).to_contain_text(f"--key-name {key_name}")
    page.get_by_role("button", name="Launch instance").click()
    expect(page.get_by_text("Successfully initiated launch of instance")).to_be_visible()

    # Its page follows it to "Running" without a reload.
    expect(page.get_by_role("heading", name=re.compile(f"Instance summary for i-.*{name}"))).to_be_visible()
    instance_id = page.url.rsplit("/", 1)[1]
    expect(page.get_by_text("Running", exact=True).first).to_be_visible(timeout=60_000)
    for tab in ("Security", "Networking", "Storage", "Monitoring", "Tags"):
        page.get_by_role("tab", name=tab).click()
        visitor.settled()
    assert visitor.violations() == []

    # The exact ssh command, and it works with the key that was downloaded.
    page.get_by_role("button", name="Connect").click()
    page.get_by_role("tab", name="SSH client").click()
    shown = page.get_by_text(re.compile(rf'ssh -i "{key_name}\.pem" ec2-user@\S+')).first
    host = (shown.text_content() or "").split("@")[1].strip()
    wait_until(lambda: ssh(host, key, "true").returncode == 0, 40, "a login with the downloaded key")

    # The terminal in the browser.
    page.get_by_role("tab", name="EC2 Instance Connect").click()
    page.get_by_role("tabpanel").get_by_role("button", name="Connect").click()
    screen = page.locator(".xterm-rows")
    expect(screen).to_contain_text("ec2-user@")
    page.keyboard.type("echo $((6 * 7)) by $(whoami)\n")
    expect(screen).to_contain_text("42 by ec2-user")
    assert visitor.violations() == []
    page.keyboard.type("exit\n")
    expect(screen).to_contain_text("session ended")
    page.get_by_role("button", name="Reconnect").click()
    expect(screen).to_contain_text("ec2-user@")
    page.get_by_role("button", name="Disconnect").click()

    # From the list: the inbound rule is there, then the instance state menu ends it.
    visitor.open("/ec2/instances")
    row = page.locator("main tr", has_text=instance_id)
    row.get_by_role("checkbox").check()
    page.get_by_role("tab", name="Security").click()
    expect(page.get_by_text("22", exact=True)).to_be_visible()
    page.get_by_role("button", name="Edit inbound rules").click()
    dialog = page.get_by_role("dialog", name="Edit inbound rules")
    dialog.get_by_label("Description of rule 1").fill("from here")
    dialog.get_by_role("button", name="Add rule").click()
    dialog.get_by_label("Source of rule 2").fill("10.0.0.0/8")
    dialog.get_by_role("button", name="Save rules").click()
    expect(dialog).to_have_count(0)
    rules = page.get_by_role("table", name=re.compile("Inbound rules"))
    expect(rules).to_contain_text("from here")
    expect(rules).to_contain_text("10.0.0.0/8")
    page.locator("button", has_text="Instance state").click()
    page.get_by_role("menuitem", name="Terminate (delete) instance").click()
    page.get_by_role("dialog").get_by_role("button", name="Terminate (delete)").click()
    expect(
        page.get_by_text(f"Successfully initiated termination (deletion) of {instance_id}")
    ).to_be_visible()
    expect(row).to_contain_text("Terminated", timeout=40_000)
