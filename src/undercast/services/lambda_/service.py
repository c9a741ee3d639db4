"""The service `lambda`: its resources, and its life from start to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from sqlalchemy import delete
from sqlalchemy.orm import Session

from undercast.services.base import HttpRequest, HttpResponse, Service
from undercast.services.lambda_ import downloads, provisioned, snapshots, url_names
from undercast.services.lambda_.account import AccountSettings
from undercast.services.lambda_.aliases import Aliases
from undercast.services.lambda_.asynchronous import Events
from undercast.services.lambda_.concurrency import Concurrency
from undercast.services.lambda_.core import Core
from undercast.services.lambda_.event_invoke import EventInvoke
from undercast.services.lambda_.event_sources import EventSources
from undercast.services.lambda_.functions import Functions
from undercast.services.lambda_.invoke import Invocations
from undercast.services.lambda_.invoker import LambdaInvoker
from undercast.services.lambda_.layer_permissions import LayerPermissions
from undercast.services.lambda_.layers import Layers
from undercast.services.lambda_.management import CodeSigning, Recursion, RuntimeManagement
from undercast.services.lambda_.messages import TOPIC
from undercast.services.lambda_.permissions import Permissions
from undercast.services.lambda_.provisioned import Provisioned
from undercast.services.lambda_.tags import Tags
from undercast.services.lambda_.updates import Updates
from undercast.services.lambda_.url_plane import UrlPlane
from undercast.services.lambda_.urls import Urls
from undercast.services.lambda_.versions import Versions
from undercast.store.tables.lambda_functions import (
    LambdaAlias,
    LambdaAttachment,
    LambdaFunction,
    LambdaVersion,
)
from undercast.store.tables.lambda_layers import LambdaLayer, LambdaLayerVersion
from undercast.store.tables.queue import QueuedMessage

if TYPE_CHECKING:
    from undercast.cloud import Cloud

log = logging.getLogger(__name__)

_COLLECT_S = 300.0  # between two looks for code nobody uses any more


class LambdaService(Service):
    """AWS Lambda."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._events = Events(core)
        self._urls = UrlPlane(core)
        self._collecting: asyncio.Task[None] | None = None
        self.invoker = LambdaInvoker(core, self._events)
        super().__init__(
            "lambda",
            [
                Invocations(core, self._events),
                Functions(core),
                Updates(core),
                Versions(core),
                Aliases(core),
                Layers(core),
                LayerPermissions(core),
                Permissions(core),
                Concurrency(core),
                Provisioned(core),
                EventInvoke(core),
                Urls(core),
                Tags(core),
                AccountSettings(core),
                RuntimeManagement(core),
                Recursion(core),
                CodeSigning(core),
                EventSources(core),
            ],
        )

    async def start(self) -> None:
        self._core.start()
        if self._core.settings.functions_enabled:
            await self._core.engine.start()
        await asyncio.to_thread(self._core.code.collect, self._core.directory.code_in_use, grace_s=0)
        await asyncio.to_thread(url_names.announce_all, self._core)
        await self._events.start()
        for function in self._core.directory.functions.values():
            self._core.engine.expect(function.latest.spec.runtime)
        snapshots.resume(self._core)
        provisioned.resume(self._core)
        self._collecting = asyncio.create_task(self._collect())

    async def stop(self) -> None:
        if self._collecting is not None:
            self._collecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._collecting
        await self._events.stop()
        await self._core.stop()
        await self._core.engine.close()

    async def handle_http(self, request: HttpRequest) -> HttpResponse | None:
        """Serve function URLs and links to deployment packages."""
        if request.raw_path.startswith(downloads.PREFIX):
            return await asyncio.to_thread(downloads.serve, self._core, request)
        return await self._urls.handle(request)

    def reset(self, session: Session, account: str) -> None:
        for table in (
            LambdaFunction,
            LambdaVersion,
            LambdaAlias,
            LambdaAttachment,
            LambdaLayer,
            LambdaLayerVersion,
        ):
            session.execute(delete(table).where(table.account == account))
        mine = (QueuedMessage.topic == TOPIC, QueuedMessage.account == account)
        session.execute(delete(QueuedMessage).where(*mine))

    async def after_reset(self, account: str) -> None:
        for function in self._core.directory.forget(account):
            self._core.engine.retire("/".join(function.key) + "/")
            await asyncio.to_thread(
                url_names.withdraw, self._core, list(function.urls.values()), function.region
            )
        self._events.forget(account)
        self._core.slots.refresh()

    async def _collect(self) -> None:
        while True:
            await asyncio.sleep(_COLLECT_S)
            try:
                await asyncio.to_thread(self._core.code.collect, self._core.directory.code_in_use)
            except OSError:
                log.exception("collecting unused code failed; will try again")


def build(cloud: Cloud) -> LambdaService:
    """The service, wired into the cloud."""
    service = LambdaService(Core(cloud))
    cloud.lambda_invoker = service.invoker
    return service
