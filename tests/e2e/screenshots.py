"""`make screenshots`: a picture of every page of the console, in light and dark, on a desk and on a phone.

They are for looking at: layout, empty space, contrast. Instances' pages are among them where this machine
may run instances.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).parents[1]))

from console_support import DESKTOP, PHONE, Visitor, chromium, furnish, visit
from servers_support import cloud_with_servers, needs_servers

from support import Server, run_server, wait_until

THEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
OUT = Path(__file__).parents[2] / "screenshots"


def main() -> None:
    """Write them into `screenshots/`."""
    folder = Path(tempfile.mkdtemp(prefix="undercast-screenshots-"))
    try:
        with _cloud(folder) as server:
            pages = furnish(server).pages + _instance_pages(server)
            shutil.rmtree(OUT, ignore_errors=True)
            with chromium() as browser:
                for size_name, size in {"desktop": DESKTOP, "phone": PHONE}.items():
                    with visit(browser, server, size) as visitor:
                        _photograph(visitor, pages, size_name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(list(OUT.rglob('*.png')))} pictures in {OUT}")


@contextmanager
def _cloud(folder: Path) -> Iterator[Server]:
    if os.geteuid() == 0:
        needs_servers()
        with cloud_with_servers(folder) as server:
            yield server
        return
    server = run_server(folder / "cloud", servers_enabled="false")
    try:
        yield server
    finally:
        server.stop()


def _photograph(visitor: Visitor, pages: list[tuple[str, str]], size: str) -> None:
    for theme in THEMES:
        visitor.page.goto(f"{visitor.account.url}/console/")
        visitor.theme(theme)
        if theme == "light":
            visitor.page.reload()
            visitor.page.get_by_role("heading", name="Sign in").wait_for()
            visitor.photograph(OUT / size / theme / "sign-in.png")
            visitor.sign_in()
        visitor.open("/")
        for name, path in pages:
            visitor.turn_to(path)
            visitor.quiet()
            visitor.photograph(OUT / size / theme / f"{name}.png")


def _instance_pages(server: Server) -> list[tuple[str, str]]:
    if os.geteuid() != 0:
        print("Without the pages of an instance: running one takes root.")
        return []
    ec2 = server.client("ec2")
    made = ec2.run_instances(
        ImageId=ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"],
        InstanceType="t2.micro",
        KeyName="tutorial",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]}],
    )
    instance_id = made["Instances"][0]["InstanceId"]

    def running() -> bool:
        shown = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        return bool(shown["State"]["Name"] == "running")

    wait_until(running, 60, "the instance")
    tabs = ("details", "status", "security", "networking", "storage", "monitoring", "tags")
    address = f"/ec2/instances/{instance_id}"
    return [
        *((f"ec2-instance-{tab}", f"{address}?tab={tab}") for tab in tabs),
        ("ec2-instance-connect", f"{address}/connect"),
    ]


if __name__ == "__main__":
    main()
