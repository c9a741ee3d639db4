"""What the web console needs of its server: signing in, its files, the caller's address."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from support import Account, Server
from undercast.gateway import addresses, signin
from undercast.gateway.console import Console
from undercast.gateway.request import Request, Response


def link(server: Account) -> str:
    answer = server.signed("POST", "/_undercast/signin-link", "undercast")
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["Link"])


def redeem(url: str, token: object) -> requests.Response:
    return requests.post(f"{url}/_undercast/signin", json={"token": token}, timeout=10)


def test_a_link_signs_in_once(server: Server) -> None:
    match = re.fullmatch(rf"{re.escape(server.url)}/console/#token=([A-Za-z0-9_-]{{43}})", link(server))
    assert match
    answer = redeem(server.url, match[1])
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers  # for the console's own page only
    keys = answer.json()
    assert set(keys) == {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "Region"}
    assert keys["Region"] == server.region
    root = Account(
        server.url, server.account, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]
    )
    identity = root.client("sts").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:iam::{server.account}:root"
    assert redeem(server.url, match[1]).status_code == 403
    assert redeem(server.url, 5).status_code == 400
    assert requests.post(f"{server.url}/_undercast/signin", data=b"[]", timeout=10).status_code == 400
    assert "/console/#token=" in link(root)  # the console itself may ask for another one


def test_only_the_first_root_makes_links(server: Server, account: Account) -> None:
    assert account.signed("POST", "/_undercast/signin-link", "undercast").status_code == 403
    unsigned = requests.post(f"{server.url}/_undercast/signin-link", timeout=10)
    assert unsigned.status_code == 403
    assert unsigned.json()["code"] == "MissingAuthenticationTokenException"


def test_the_command_prints_a_link(server: Server) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "undercast", "console", "--data", str(server.data)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert redeem(server.url, done.stdout.strip().partition("#token=")[2]).status_code == 200


def test_tokens_end_and_wrong_ones_are_bounded() -> None:
    now = [0.0]
    sign_in = signin.SignIn(lambda: now[0])
    old, token = sign_in.token(), sign_in.token()
    now[0] = signin.LIFE_S
    with pytest.raises(signin.Rejected):
        sign_in.redeem(old, "192.0.2.1")
    fresh = sign_in.token()
    for _ in range(signin.MAX_FAILURES):
        with pytest.raises(signin.Rejected):
            sign_in.redeem("wrong", "192.0.2.2")
    with pytest.raises(signin.TooMany):
        sign_in.redeem(fresh, "192.0.2.2")
    sign_in.redeem(fresh, "192.0.2.3")  # others are not kept out
    with pytest.raises(signin.Rejected):
        sign_in.redeem(token, "192.0.2.3")
    late = sign_in.token()
    now[0] += signin.FAILURES_S + 1
    sign_in.redeem(late, "192.0.2.2")
    many = [sign_in.token() for _ in range(signin.MAX_LINKS + 1)]
    with pytest.raises(signin.Rejected):
        sign_in.redeem(many[0], "192.0.2.4")
    sign_in.redeem(many[1], "192.0.2.4")
    assert many[-1] not in repr(vars(sign_in))  # no token is kept


def test_my_address(server: Server) -> None:
    told = requests.get(f"{server.url}/_undercast/my-address", timeout=10).json()
    assert set(told) == {"address"}
    routed = subprocess.run(["ip", "route", "get", "198.18.0.1"], capture_output=True, text=True, timeout=5)
    if routed.returncode == 0:
        assert f" src {told['address']} " in routed.stdout
        # The machine's own address is the machine, not somebody else.
        assert addresses.towards_instances(told["address"], "198.18.0.0/16") == told["address"]
    assert addresses.towards_instances("192.0.2.77", "198.18.0.0/16") == "192.0.2.77"
    assert addresses.towards_instances("::ffff:192.0.2.77", "198.18.0.0/16") == "192.0.2.77"
    assert addresses.towards_instances("::1", "127.5.0.0/16").startswith("127.")


@pytest.fixture
def get(tmp_path: Path) -> Callable[..., Response]:
    """A way to ask for the files of a console as built."""
    root = tmp_path / "static"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html><title>Console</title>" + "x" * 500)
    (root / "assets" / "app-abc.js").write_text("export const x = 1;\n" * 200)
    (tmp_path / "secret").write_text("secret")
    console = Console(root)

    def ask(path: str, host: str = "127.0.0.1:4566", **headers: str) -> Response:
        named = {name.replace("_", "-"): text for name, text in headers.items()} | {"host": host}
        request = Request("GET", path, "", named, [], b"", "http", "127.0.0.1", "r")
        return asyncio.run(console.answer(request))

    return ask


def test_files_are_compressed_and_kept(get: Callable[..., Response], tmp_path: Path) -> None:
    asset = "/console/assets/app-abc.js"
    plain, packed = (
        get(asset),
        get(asset, accept_encoding="br, GZIP"),
    )
    kept, packed_headers = dict(plain.headers), dict(packed.headers)
    assert isinstance(packed.body, bytes)
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < 500
    assert packed_headers["content-encoding"] == "gzip"
    assert "content-encoding" not in kept
    assert kept["vary"] == packed_headers["vary"] == "accept-encoding"
    assert kept["content-type"].startswith("text/javascript")
    assert "immutable" in kept["cache-control"]
    assert kept["etag"] != packed_headers["etag"]
    assert dict(get(asset, accept_encoding="gzip;q=0").headers)["etag"] == kept["etag"]

    page = get("/console/")
    tag = dict(page.headers)["etag"]
    assert dict(page.headers)["cache-control"] == "no-cache"
    again = get("/console/", if_none_match=f'"other", W/{tag}')
    assert (again.status, again.body) == (304, b"")
    assert dict(again.headers)["etag"] == tag
    assert get("/console/ec2/types/t2.micro").body == page.body  # a route of the page's own
    (tmp_path / "static" / "index.html").write_text("<!doctype html>rebuilt")
    assert get("/console/", if_none_match=tag).body == b"<!doctype html>rebuilt"


def test_only_the_consoles_files_are_served(get: Callable[..., Response]) -> None:
    for path in (
        "/console/../secret",
        "/console/%2e%2e/secret",
        "/console/..%2fsecret",
        "/console/assets/no.js",
    ):
        assert get(path).status == 404, path
    policy = dict(get("/console/").headers)["content-security-policy"]
    assert "connect-src 'self' ws://127.0.0.1:4566 wss://127.0.0.1:4566 " in policy
    assert "script-src 'self';" in policy
    hostile = dict(get("/console/", host="x; script-src *").headers)["content-security-policy"]
    assert "*" not in hostile


def test_pages_leave_the_server_compressed(server: Server) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    connection.request("GET", "/console/", headers={"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200
    if answer.headers["content-encoding"] == "gzip":  # built
        connection.request(
            "GET", "/console/", headers={"Accept-Encoding": "gzip", "If-None-Match": answer.headers["etag"]}
        )
        again = connection.getresponse()
        assert (again.status, again.read()) == (304, b"")
        body = gzip.decompress(body)
    assert body.lower().startswith(b"<!doctype html>")
    connection.close()
