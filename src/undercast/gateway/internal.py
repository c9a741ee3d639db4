"""Undercast's own few addresses: health, reset, accounts, sign-in, and the console's pages."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import orjson

from undercast import __version__
from undercast.gateway import addresses, signin, sigv4
from undercast.gateway.auth import Authenticator, Refused, refusal
from undercast.gateway.console import Console
from undercast.gateway.request import Request, Response
from undercast.services.base import Caller

if TYPE_CHECKING:
    from undercast.cloud import Cloud

log = logging.getLogger(__name__)


class Internal:
    """Answers below `/_undercast/` and `/console`."""

    def __init__(self, cloud: Cloud, auth: Authenticator) -> None:
        self._cloud = cloud
        self._auth = auth
        self._console = Console()
        self._sign_in = signin.SignIn()

    def sign_in_link(self, url: str) -> str:
        """A fresh link that signs the first account's root in to the console at a base URL."""
        return signin.link(url, self._sign_in.token())

    async def answer(self, request: Request) -> Response | None:
        """The answer, or None when the path is the API's."""
        path = request.path.rstrip("/")
        if path == "/_undercast/health" and request.method in ("GET", "HEAD"):
            told = {"services": self._cloud.health(), "runtimes": self._cloud.runtimes()}
            return _json(200, {"status": "running", "version": __version__, **told})
        if path == "/_undercast/reset" and request.method == "POST":
            return await self._reset(request)
        if path == "/_undercast/accounts" and request.method in ("GET", "POST"):
            return await self._accounts(request)
        if path == "/_undercast/signin" and request.method == "POST":
            return self._redeem(request)
        if path == "/_undercast/signin-link" and request.method == "POST":
            refused = self._not_first_root(request)
            return refused or _secret(201, {"Link": self.sign_in_link(self._cloud.url)})
        if path == "/_undercast/my-address" and request.method in ("GET", "HEAD"):
            address = addresses.towards_instances(request.source_ip, self._cloud.settings.public_pool)
            return _json(200, {"address": address})
        if path == "/_undercast/capacity" and request.method == "GET":
            return await self._capacity(request)
        if path.startswith("/_undercast"):
            return _json(404, {"message": f"There is nothing at {request.path}"})
        if request.method in ("GET", "HEAD") and (path.startswith("/console") or _is_browser(request)):
            return await self._console.answer(request)
        return None

    def _caller(self, request: Request) -> Caller | Response:
        try:
            return self._auth.caller(request, sigv4.read(request))
        except sigv4.Incomplete as error:
            return _json(403, {"message": str(error)})
        except Refused as refused:
            error_ = refusal(refused.case, "undercast", "rest-json", refused.detail)
            return _json(403, {"message": error_.message, "code": error_.code})

    async def _capacity(self, request: Request) -> Response:
        """What the machine has left for instances, for everybody with a key."""
        caller = self._caller(request)
        if isinstance(caller, Response):
            return caller
        return _json(200, await asyncio.to_thread(self._cloud.ec2.capacity.left))

    async def _reset(self, request: Request) -> Response:
        caller = self._caller(request)
        if isinstance(caller, Response):
            return caller
        log.warning("account %s is emptied, asked by %s", caller.account, caller.principal_arn)
        await self._cloud.reset(caller.account)
        return _json(200, {"account": caller.account, "status": "empty"})

    def _not_first_root(self, request: Request) -> Response | None:
        """The refusal of anybody but the first account's root."""
        caller = self._caller(request)
        if isinstance(caller, Response):
            return caller
        first = self._cloud.settings.account
        if caller.principal_arn != f"arn:aws:iam::{first}:root":
            return _json(403, {"message": f"Only the root of account {first} may do this"})
        return None

    def _redeem(self, request: Request) -> Response:
        try:
            token = orjson.loads(request.body)["token"]
        except (orjson.JSONDecodeError, TypeError, KeyError):
            token = None
        if not isinstance(token, str):
            return _json(400, {"message": 'The body must be JSON: {"token": "..."}'})
        try:
            self._sign_in.redeem(token, request.source_ip)
        except signin.Rejected:
            return _json(403, {"message": "This sign-in link was used before, or it has expired"})
        except signin.TooMany:
            return _json(429, {"message": "Too many wrong sign-in links; try again in a minute"})
        settings = self._cloud.settings
        root = f"arn:aws:iam::{settings.account}:root"
        keys = self._cloud.iam.issue(settings.account, root, settings.account, signin.KEYS_LIFE_S)
        log.info("somebody at %s signed in to the console", request.source_ip)
        return _secret(
            200,
            {
                "AccessKeyId": keys.access_key_id,
                "SecretAccessKey": keys.secret,
                "SessionToken": keys.session_token,
                "Expiration": keys.expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "Region": settings.region,
            },
        )

    async def _accounts(self, request: Request) -> Response:
        if (refused := self._not_first_root(request)) is not None:
            return refused
        if request.method == "GET":
            known = await asyncio.to_thread(self._cloud.iam.accounts)
            return _json(200, {"accounts": [{"account": number, "name": name} for number, name in known]})
        return await asyncio.to_thread(self._create_account, request)

    def _create_account(self, request: Request) -> Response:
        try:
            asked = orjson.loads(request.body or b"{}")
            name, number = str(asked.get("name", "")), asked.get("account")
        except (orjson.JSONDecodeError, AttributeError):
            return _json(
                400, {"message": 'The body must be JSON: {"name": "...", "account": "123456789012"}'}
            )
        if number is not None and not (isinstance(number, str) and len(number) == 12 and number.isdecimal()):
            return _json(400, {"message": "account must be a text of twelve digits"})
        try:
            made = self._cloud.iam.create_account(name, number)
        except ValueError as error:
            return _json(409, {"message": str(error)})
        return _json(
            201,
            {"account": made.account, "access_key_id": made.access_key_id, "secret_access_key": made.secret},
        )


def _is_browser(request: Request) -> bool:
    """Whether somebody opened the bare address: a page is more use to them than S3's list of buckets."""
    return (
        request.path == "/"
        and "authorization" not in request.headers
        and not request.query
        and "text/html" in request.headers.get("accept", "")
    )


def _json(status: int, document: Any) -> Response:
    return Response(status, [("content-type", "application/json")], orjson.dumps(document))


def _secret(status: int, document: Any) -> Response:
    answer = _json(status, document)
    answer.headers.append(("cache-control", "no-store"))
    return answer
