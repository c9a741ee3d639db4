"""API Gateway v2: HTTP APIs, made through the API and served to everyone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from undercast.network import endpoints
from undercast.services.apigatewayv2 import apis, domain_names
from undercast.services.apigatewayv2.authorizers import Authorizers
from undercast.services.apigatewayv2.cors import Cors
from undercast.services.apigatewayv2.deployments import Deployments
from undercast.services.apigatewayv2.domain_names import DomainNames
from undercast.services.apigatewayv2.editing import Editing
from undercast.services.apigatewayv2.exporting import Exports
from undercast.services.apigatewayv2.importing import Imports
from undercast.services.apigatewayv2.integrations import Integrations
from undercast.services.apigatewayv2.mappings import Mappings
from undercast.services.apigatewayv2.refusals import Refusals
from undercast.services.apigatewayv2.routes import Routes
from undercast.services.apigatewayv2.serving.directory import Directory
from undercast.services.apigatewayv2.serving.endpoint import Endpoint
from undercast.services.apigatewayv2.stages import Stages
from undercast.services.apigatewayv2.tags import Tags
from undercast.services.base import HttpRequest, HttpResponse, Service

if TYPE_CHECKING:
    from undercast.cloud import Cloud


class ApiGatewayV2(Service):
    """The control plane's operations and the data plane."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._directory = Directory(cloud.store)
        editing = Editing(cloud.store, self._directory)
        self._apis = apis.Apis(cloud, editing)
        self._domain_names = DomainNames(cloud, self._directory)
        self._endpoint = Endpoint(cloud, self._directory)
        self._forgotten: dict[str, tuple[dict[str, str], list[str]]] = {}
        super().__init__(
            "apigatewayv2",
            [
                self._apis,
                Routes(editing),
                Integrations(editing),
                Stages(editing),
                Deployments(editing),
                Authorizers(editing),
                Cors(editing),
                self._domain_names,
                Mappings(cloud.store, self._directory),
                Tags(cloud.store),
                Imports(self._apis, editing),
                Exports(editing),
                Refusals(editing),
            ],
        )

    async def start(self) -> None:
        await self._endpoint.start()
        await asyncio.to_thread(self._load)

    def _load(self) -> None:
        endpoints.announce(self._cloud, "execute-api", self._directory.load())
        with self._cloud.store.read() as session:
            self._domain_names.announce(domain_names.all_rows(session))

    async def stop(self) -> None:
        await self._endpoint.stop()

    def owns(self, host: str, path: str) -> bool:
        """Whether a request with this Host header and path is for an HTTP API."""
        return self._directory.owns(host, path)

    async def handle_http(self, request: HttpRequest) -> HttpResponse | None:
        """Serve a request to an HTTP API; None when it is for none."""
        return await self._endpoint.handle(request)

    def reset(self, session: Session, account: str) -> None:
        names = domain_names.delete_everything(session, account)
        self._forgotten[account] = (apis.delete_everything(session, account), names)

    async def after_reset(self, account: str) -> None:
        gone, names = self._forgotten.pop(account, ({}, []))
        await asyncio.to_thread(self._forget, gone, names)

    def _forget(self, gone: dict[str, str], names: list[str]) -> None:
        endpoints.withdraw(self._cloud, "execute-api", gone)
        self._cloud.hosts.remove(names)
        self._directory.load()


def build(cloud: Cloud) -> Service:
    """The service, for the composition root."""
    return ApiGatewayV2(cloud)
