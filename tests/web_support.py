"""Small HTTP servers that tests point HTTP APIs at: one that tells what it got, one that issues tokens."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length).decode("latin-1")
        status, headers, answer = self.server.answer(self, body)  # type: ignore[attr-defined]
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _serve

    def log_message(self, *_: Any) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away is what some tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class EchoServer(_Server):
    """Answers with what it was asked, in JSON; `/status/N` sets the status, `/slow` waits until the end."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ended = threading.Event()

    def answer(self, asked: BaseHTTPRequestHandler, body: str) -> tuple[int, list[tuple[str, str]], bytes]:
        if asked.path.startswith("/slow"):
            self.ended.wait(10)
        status = int(asked.path.split("/")[2].split("?")[0]) if asked.path.startswith("/status/") else 200
        headers = {name.lower(): value for name, value in asked.headers.items()}
        told = {"method": asked.command, "path": asked.path, "headers": headers, "body": body}
        sent = [("content-type", "application/json"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]
        return status, sent, b"" if status == 204 else json.dumps(told).encode()


class Issuer(_Server):
    """An OpenID Connect issuer with one key."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.asked: list[str] = []

    def answer(self, asked: BaseHTTPRequestHandler, body: str) -> tuple[int, list[tuple[str, str]], bytes]:
        self.asked.append(asked.path)
        documents: dict[str, Any] = {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/keys": {"keys": [{**self._public(), "kid": "k1", "use": "sig", "alg": "RS256"}]},
        }
        if asked.path not in documents:
            return 404, [], b""
        return 200, [("content-type", "application/json")], json.dumps(documents[asked.path]).encode()

    def _public(self) -> dict[str, Any]:
        made: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return made

    def token(self, kid: str = "k1", key: Any = None, algorithm: str = "RS256", **claims: Any) -> str:
        """A token for audience `app`, good for a minute; claims set to None are left out."""
        now = int(time.time())
        given = {"iss": self.url, "aud": "app", "sub": "ann", "iat": now, "exp": now + 60, **claims}
        kept = {name: value for name, value in given.items() if value is not None}
        return jwt.encode(kept, key or self._key, algorithm=algorithm, headers={"kid": kid})


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """Run a server for the time of a block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        if isinstance(server, EchoServer):
            server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
