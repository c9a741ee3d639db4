"""The HTTP application on a real socket, with services made up for the purpose."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from support import wait_until
from undercast.gateway.app import Gateway
from undercast.gateway.listener import Listener
from undercast.services.base import AwsError, Call, HttpRequest, HttpResponse, Service
from undercast.services.iam.credentials import Credential

KEY = Credential("AKIAEXAMPLE", "secret", "111122223333", "arn:aws:iam::111122223333:root", "111122223333")


@dataclass
class Observed:
    """What the services saw."""

    threads: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    sent: int = 0
    closed: bool = False


class Functions:
    """Lambda's operations, of each kind there is."""

    def __init__(self, seen: Observed) -> None:
        self.seen = seen

    def list_functions(self, call: Call, params: dict[str, Any]) -> dict[str, Any]:
        self.seen.threads.append(threading.current_thread().name)
        self.seen.calls.append(call)
        return {"Functions": [], "NextMarker": None}

    async def get_function(self, call: Call, params: dict[str, Any]) -> dict[str, Any]:
        self.seen.threads.append(threading.current_thread().name)
        raise AwsError("ResourceNotFoundException", f"Function not found: {params['FunctionName']}")

    async def delete_function(self, call: Call, params: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("a defect, with a secret in its text")

    async def invoke(self, call: Call, params: dict[str, Any]) -> dict[str, Any]:
        return {"StatusCode": 200, "Payload": params.get("Payload", b""), "ExecutedVersion": "$LATEST"}

    async def invoke_with_response_stream(self, call: Call, params: dict[str, Any]) -> dict[str, Any]:
        async def events() -> AsyncIterator[dict[str, Any]]:
            for piece in (b"one", b"\x00\xff", b"three"):
                yield {"PayloadChunk": {"Payload": piece}}
            yield {"InvokeComplete": {"LogResult": "bG9n"}}

        return {"StatusCode": 200, "ResponseStreamContentType": "text/plain", "EventStream": events()}


class Groups:
    """Logs' operations."""

    async def start_live_tail(self, call: Call, params: dict[str, Any]) -> dict[str, Any]:
        async def events() -> AsyncIterator[dict[str, Any]]:
            yield {"sessionStart": {"requestId": "r", "sessionId": "s"}}
            yield {"sessionUpdate": {"sessionResults": [{"message": "hello", "timestamp": 5}]}}

        return {"responseStream": events()}


class Plane(Service):
    """A data plane."""

    def __init__(self, seen: Observed) -> None:
        super().__init__("lambda", [Functions(seen)])
        self.seen = seen

    async def handle_http(self, request: HttpRequest) -> HttpResponse | None:
        if request.host.partition(":")[0] != "abc.lambda-url.us-east-1.on.aws":
            return None
        if request.path == "/endless":
            return HttpResponse(200, [("content-type", "text/plain")], self._endless())
        if request.path == "/broken":
            raise RuntimeError("a defect")
        told = {
            "path": request.path,
            "raw_path": request.raw_path,
            "query": request.query_string,
            "body": len(request.body),
            "headers": request.headers,
        }
        return HttpResponse(201, [("x-made", "a\r\nx-evil: 1")], json.dumps(told).encode())

    async def _endless(self) -> AsyncIterator[bytes]:
        try:
            while True:
                self.seen.sent += 65536
                yield bytes(65536)
        finally:
            self.seen.closed = True


class Running:
    """The application, served by a thread of its own."""

    def __init__(self, auth: str) -> None:
        self.seen = Observed()
        settings = SimpleNamespace(auth=auth, account="000000000000", region="us-east-1")
        self.cloud = SimpleNamespace(
            settings=settings,
            services={"lambda": Plane(self.seen), "logs": Service("logs", [Groups()])},
            iam=SimpleNamespace(credential=lambda key, token: KEY if key == KEY.access_key_id else None),
            health=lambda: {"lambda": "available"},
            runtimes=lambda: {},
        )
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="loop")
        self.thread.start()
        self.port = self.run(self._start())
        self.url = f"http://127.0.0.1:{self.port}"

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    async def _start(self) -> int:
        self.gateway = Gateway(self.cloud)  # type: ignore[arg-type]
        self.listener = Listener(self.gateway)
        self.listener.start()
        return await self.listener.listen("127.0.0.1", 0)

    def stop(self) -> None:
        self.run(self.listener.close())
        self.gateway.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()

    def client(self, service: str) -> Any:
        config = Config(retries={"total_max_attempts": 1}, inject_host_prefix=False)
        return boto3.session.Session().client(
            service,
            endpoint_url=self.url,
            region_name="eu-west-1",
            aws_access_key_id=KEY.access_key_id,
            aws_secret_access_key=KEY.secret,
            config=config,
        )


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    made = Running("on")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def unsigned() -> Iterator[Running]:
    made = Running("off")
    yield made
    made.stop()


def test_plain_operations_run_in_threads_and_asynchronous_ones_on_the_loop(running: Running) -> None:
    told = running.client("lambda").list_functions()
    assert told["Functions"] == []
    assert "NextMarker" not in told
    call = running.seen.calls[-1]
    assert (call.account, call.region, call.operation) == ("111122223333", "eu-west-1", "ListFunctions")
    assert call.request_id == told["ResponseMetadata"]["RequestId"]
    assert call.url == running.url
    assert running.seen.threads[-1].startswith("operation")
    with pytest.raises(ClientError) as caught:
        running.client("lambda").get_function(FunctionName="nope")
    assert running.seen.threads[-1] == "loop"
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 404  # the model's, the service named none
    assert error["Error"]["Code"] == "ResourceNotFoundException"
    assert (error["Message"], error["Type"]) == ("Function not found: nope", "User")


def test_a_defect_is_an_internal_failure_without_its_text(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ClientError) as caught:
        running.client("lambda").delete_function(FunctionName="f")
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert error["Error"]["Code"] == "InternalFailure"
    assert "secret" not in str(error)
    assert "a defect, with a secret in its text" in caplog.text  # the log has it, with the request's id
    assert error["ResponseMetadata"]["RequestId"] in caplog.text


def test_what_is_not_there_is_named(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    for service, operation, params, named in (
        ("lambda", "list_layers", {}, "the operation ListLayers of lambda"),
        ("sqs", "list_queues", {}, "does not serve sqs"),
        ("s3", "list_buckets", {}, "does not serve s3"),
        ("ec2", "describe_vpcs", {}, "does not serve ec2"),
    ):
        with pytest.raises(ClientError) as caught:
            getattr(running.client(service), operation)(**params)
        assert caught.value.response["Error"]["Code"] == "NotImplemented"
        assert named in caught.value.response["Error"]["Message"]
        assert service in caplog.text


@pytest.mark.parametrize("payload", [b"", b'{"a": 1}', bytes(range(256)) * 30_000])
def test_payloads_pass_untouched(running: Running, payload: bytes) -> None:
    told = running.client("lambda").invoke(FunctionName="f", Payload=payload)
    assert told["Payload"].read() == payload
    assert (told["StatusCode"], told["ExecutedVersion"]) == (200, "$LATEST")


def test_event_streams(running: Running) -> None:
    told = running.client("lambda").invoke_with_response_stream(FunctionName="f")
    events = list(told["EventStream"])
    assert [event["PayloadChunk"]["Payload"] for event in events[:-1]] == [b"one", b"\x00\xff", b"three"]
    assert events[-1] == {"InvokeComplete": {"LogResult": "bG9n"}}
    live = running.client("logs").start_live_tail(
        logGroupIdentifiers=["arn:aws:logs:eu-west-1:111122223333:log-group:g"]
    )
    shown = list(live["responseStream"])
    assert shown[0]["sessionStart"]["sessionId"] == "s"
    assert shown[1]["sessionUpdate"]["sessionResults"][0]["message"] == "hello"


def plane(running: Running, path: str, method: str = "GET", **options: Any) -> requests.Response:
    headers = {"Host": "abc.lambda-url.us-east-1.on.aws"} | options.pop("headers", {})
    return requests.request(method, running.url + path, headers=headers, timeout=10, **options)


def test_a_host_of_a_data_plane_reaches_it(running: Running) -> None:
    told = plane(running, "/a%2Fb/c?x=%20&y", "POST", data=b"12345")
    assert told.status_code == 201
    seen = told.json()
    assert (seen["path"], seen["raw_path"], seen["query"]) == ("/a/b/c", "/a%2Fb/c", "x=%20&y")
    assert seen["body"] == 5
    assert "x-evil" not in told.headers  # a value can not add headers of its own
    assert plane(running, "/broken").status_code == 500
    assert plane(running, "/", headers={"Host": "other.example.com"}).status_code == 403


def test_a_client_that_leaves_ends_its_stream_and_a_slow_one_is_not_run_ahead_of(running: Running) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: abc.lambda-url.us-east-1.on.aws\r\n\r\n")
        connection.recv(1000)
        before = -1

        def at_rest() -> bool:
            nonlocal before
            still, before = running.seen.sent == before, running.seen.sent
            return still

        wait_until(at_rest, 5, "the sender's pause")
        assert running.seen.sent < 16 * 1024 * 1024  # the sockets' buffers, not the endless stream
        assert not running.seen.closed
    wait_until(lambda: running.seen.closed, 5, "the stream's end")


def test_expect_continue(running: Running) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as connection:
        connection.sendall(
            b"POST /x HTTP/1.1\r\nHost: abc.lambda-url.us-east-1.on.aws\r\n"
            b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(b"abc")
        assert connection.recv(1000).startswith(b"HTTP/1.1 201")


def test_a_body_beyond_all_measure_is_refused(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("undercast.gateway.connection.MAX_BODY", 1_000_000)
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", "1500000")
    connection.endheaders()
    for _ in range(15):
        connection.send(bytes(100_000))
    assert connection.getresponse().status == 413
    connection.close()


def test_browsers(running: Running, unsigned: Running) -> None:
    asked = {
        "Origin": "https://elsewhere.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-amz-date",
    }
    told = requests.options(f"{running.url}/2015-03-31/functions/", headers=asked, timeout=5)
    assert told.status_code == 204
    assert told.headers["access-control-allow-origin"] == "*"
    assert told.headers["access-control-allow-headers"] == "authorization,x-amz-date"
    told = requests.get(
        f"{running.url}/2015-03-31/functions/", headers={"Origin": "https://elsewhere.example"}, timeout=5
    )
    assert told.status_code == 403
    assert told.json() == {"message": "Missing Authentication Token"}
    assert told.headers["access-control-allow-origin"] == "*"
    assert "x-amzn-errortype" in told.headers["access-control-expose-headers"]
    # Signatures off: a web site somewhere must not reach what needs no signature.
    functions = f"{unsigned.url}/2015-03-31/functions/"
    assert requests.get(functions, timeout=5).status_code == 200
    assert requests.get(functions, headers={"Origin": "http://localhost:3000"}, timeout=5).status_code == 200
    assert requests.get(functions, headers={"Origin": "https://evil.example"}, timeout=5).status_code == 403
    assert requests.get(functions, headers={"Host": "evil.example"}, timeout=5).status_code == 403


def test_the_console_is_served_with_headers_that_protect_it(running: Running) -> None:
    told = requests.get(f"{running.url}/console/", timeout=5)
    assert told.status_code == 200
    assert "default-src 'self'" in told.headers["content-security-policy"]
    assert told.headers["x-frame-options"] == "DENY"
    escaped = http.client.HTTPConnection("127.0.0.1", running.port, timeout=5)
    escaped.request("GET", "/console/..%2f..%2fsettings.py")
    assert b"pydantic" not in escaped.getresponse().read()
    escaped.close()
    assert requests.get(running.url, headers={"Accept": "text/html"}, timeout=5).url.endswith("/console/")


def test_a_connection_accepted_elsewhere_leads_to_the_gateway(running: Running) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    async def attach() -> None:
        await asyncio.get_running_loop().connect_accepted_socket(running.listener.connection, ours)

    running.run(attach())
    with theirs:
        theirs.settimeout(5)
        theirs.sendall(b"GET /_undercast/health HTTP/1.1\r\nHost: x\r\n\r\n")
        told = b""
        while not told.endswith(b"}"):
            piece = theirs.recv(4000)
            assert piece, told
            told += piece
        assert b'"status":"running"' in told


def test_many_at_once(running: Running) -> None:
    took: list[float] = []

    def ask(done: Callable[[float], None]) -> None:
        began = time.monotonic()
        with requests.Session() as session:
            for _ in range(20):
                assert session.get(f"{running.url}/_undercast/health", timeout=5).status_code == 200
        done(time.monotonic() - began)

    threads = [threading.Thread(target=ask, args=(took.append,)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(took) == 16
