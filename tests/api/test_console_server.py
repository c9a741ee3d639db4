"""What the web console needs of its server: signing in, its files, the caller's address."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from uvicorn.config import Config
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from support import Account, Server, terminal_url
from undercast.gateway import addresses, signin
from undercast.gateway.connection import HEADER_S, KEEP_ALIVE_S, Connection, Shared
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


def told(url: str, **options: Any) -> tuple[int, str]:
    """How a terminal is refused: with a close that a page can read."""
    with connect(url, open_timeout=10, **options) as door, pytest.raises(ConnectionClosed) as caught:
        door.recv(timeout=10)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


def test_terminals_are_for_those_who_sign_and_for_this_origin(server: Server) -> None:
    url = terminal_url(server, instance="i-0123456789abcdef0", user="ec2-user", cols="80", rows="24")
    assert told(url, origin=server.url) == (1008, "Instance not found: i-0123456789abcdef0")
    assert told(url.replace("user=ec2-user", "user=root"))[1].startswith("The request signature we")
    assert told(url.partition("?")[0]) == (1008, "Missing Authentication Token")
    other = terminal_url(server, service="ec2", instance="i-0123456789abcdef0", user="ec2-user")
    assert told(other) == (1008, "The signature must be for ec2-instance-connect.")
    bad = terminal_url(server, instance="i-0123456789abcdef0", user="-oProxyCommand=x")
    assert told(bad) == (1008, "The instance OS user is not valid.")
    assert told(terminal_url(server, instance="x", cols="wide"))[1].startswith("The query must be instance=")
    for address, origin in ((url, "http://evil.example"), (url.replace("/terminal?", "/other?"), None)):
        with pytest.raises(InvalidStatus) as caught:
            connect(address, origin=origin, open_timeout=10)
        assert caught.value.response.status_code == (404 if origin is None else 403)


class Lines:
    """A connection that sends what it is told to, however odd."""

    def __init__(self, server: Server) -> None:
        where = urlsplit(server.url)
        self.socket = socket.create_connection((where.hostname, where.port), timeout=10)

    def answer(self) -> bytes:
        """All that comes until the server closes."""
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := self.socket.recv(65536):
                said += piece
        return said


def test_a_thousand_idle_connections_harm_nobody(server: Server) -> None:
    with contextlib.ExitStack() as open_ones:
        for number in range(1000):
            idle = open_ones.enter_context(Lines(server).socket)
            if number % 2:
                idle.sendall(b"GET /_undercast/health HTTP/1.1\r\nHost: loc")
        begin = time.monotonic()
        assert requests.get(f"{server.url}/_undercast/health", timeout=10).status_code == 200
        assert time.monotonic() - begin < 2
        # More header than any request has is refused at once.
        large = Lines(server)
        open_ones.enter_context(large.socket)
        with contextlib.suppress(ConnectionError):
            large.socket.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000)
        assert large.answer().startswith(b"HTTP/1.1 431 ")


async def nothing(request: Request) -> Response:
    """An application that is never asked."""
    raise AssertionError


async def half_a_header() -> None:
    now = asyncio.get_running_loop().time()
    config = Config("nothing", ws="none", log_config=None)
    connection = Connection(shared := Shared(nothing, config, limit=1))
    transport = Transport()
    connection.connection_made(transport)
    connection.expire(now + KEEP_ALIVE_S - 1)
    assert not transport.closing
    connection.data_received(b"GET / HTTP/1.1\r\nHost:")
    connection.expire(now + HEADER_S - 1)
    assert not transport.closing
    connection.data_received(b"x")  # another byte buys no time
    connection.expire(now + HEADER_S + 1)
    assert transport.closing
    assert transport.written.startswith(b"HTTP/1.1 408 ")

    silent, unused = Connection(Shared(nothing, config, limit=1)), Transport()
    silent.connection_made(unused)
    silent.expire(asyncio.get_running_loop().time() + KEEP_ALIVE_S + 1)
    assert (unused.closing, unused.written) == (True, b"")

    second, refused = Connection(shared), Transport()
    second.connection_made(refused)
    assert refused.closing
    assert refused.written.startswith(b"HTTP/1.1 503 ")


def test_half_a_header_ends_after_a_while() -> None:
    """The clock of a connection, without waiting for it."""
    asyncio.run(half_a_header())


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 5), "sockname": ("192.0.2.2", 80)})
        self.written, self.closing = b"", False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing
