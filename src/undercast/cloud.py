"""The composition root: one `Cloud` wires settings, store, engines and services together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from undercast.network.hosts_file import HostsFile
from undercast.services.base import Caller, HttpRequest, Service
from undercast.settings import Settings
from undercast.store.migrate import migrate
from undercast.store.store import Store

if TYPE_CHECKING:
    from undercast.functions.engine import Engine
    from undercast.machines.machines import Machines
    from undercast.network.network import Network
    from undercast.services.cloudwatch import MetricRecorder
    from undercast.services.ec2.service import Ec2
    from undercast.services.ec2_instance_connect.terminal import Terminals
    from undercast.services.iam import Iam
    from undercast.services.lambda_ import LambdaInvoker
    from undercast.services.logs import LogWriter

log = logging.getLogger(__name__)


class Cloud:
    """Everything that runs in one server process.

    Services are built in the order of `SERVICES`; each finds what was built before it in the attributes here.
    """

    functions: Engine
    machines: Machines
    network: Network
    iam: Iam
    ec2: Ec2
    terminals: Terminals
    logs: LogWriter
    metrics: MetricRecorder
    lambda_invoker: LambdaInvoker

    # Set by the server before `start`: a protocol for one accepted connection that leads to the gateway
    # (for sockets made elsewhere, as inside function environments), and listening on one more address.
    connection_factory: Callable[[], asyncio.Protocol]
    listen: Callable[[str, int], Awaitable[int]]
    # Who signed a request to a data plane (AuthType AWS_IAM); raises AwsError (403) as REST services answer.
    authenticate: Callable[[HttpRequest], Caller]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.store = Store(settings.database_url)
        migrate(self.store)
        self.port = settings.port  # the real one once the server listens
        self.hosts = HostsFile(settings.host_id, enabled=settings.hosts_file)
        self.services: dict[str, Service] = {}
        self._started: list[Service] = []
        self._build()

    def _build(self) -> None:
        # Imported here: every service imports engines, and the command line must not wait for them.
        from undercast.services import SERVICES

        for build in SERVICES:
            service = build(self)
            self.services[service.name] = service

    @property
    def url(self) -> str:
        """The base URL under which callers on this machine reach the API."""
        host = self.settings.host
        if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            host = "127.0.0.1"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    async def start(self) -> None:
        """Start the background work of every service; what was started is stopped again on a failure."""
        self.hosts.sweep()
        try:
            for service in self.services.values():
                self._started.append(service)
                await service.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop in reverse order. A service that fails to stop is logged and does not hold up the others."""
        while self._started:
            service = self._started.pop()
            try:
                await service.stop()
            except Exception:
                log.exception("stopping service %s failed", service.name)
        self.hosts.close()
        self.store.close()

    async def reset(self, account: str) -> None:
        """Delete everything the account owns, except its root credentials."""
        with self.store.write() as session:
            for service in reversed(self.services.values()):
                service.reset(session, account)
        for service in self.services.values():
            await service.after_reset(account)

    def health(self) -> Mapping[str, str]:
        """The services that are up, as `GET /_undercast/health` tells them."""
        return dict.fromkeys(sorted(self.services), "available")

    def runtimes(self) -> Mapping[str, str]:
        """The functions' runtimes, as the same answer tells them: available, or what stands in."""
        offered = self.functions.runtimes() if self.settings.functions_enabled else {}
        return {name: statement or "available" for name, statement in sorted(offered.items())}
