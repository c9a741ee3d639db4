"""The server's process: builds the cloud, listens, runs until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable

import uvloop

from undercast import __version__, running
from undercast.cloud import Cloud
from undercast.gateway.app import Gateway
from undercast.gateway.listener import Listener
from undercast.gateway.protocols import preload
from undercast.settings import Settings

log = logging.getLogger(__name__)

STOP_S = 8.0  # services have this long to stop
EXIT_S = 14.0  # the whole process, from the signal on


class CannotListen(Exception):
    """The address is taken, or not this machine's."""


def serve(settings: Settings, ready: Callable[[running.Running], None]) -> None:
    """Run a server until SIGTERM or SIGINT; `ready` is called once it answers.

    Raises `running.AlreadyRunning` and `CannotListen`.
    """
    lock = running.Lock(settings.data)
    lock.take()
    try:
        uvloop.run(_main(settings, ready))
    finally:
        lock.release()


async def _main(settings: Settings, ready: Callable[[running.Running], None]) -> None:
    cloud = Cloud(settings)
    gateway = Gateway(cloud)
    listener = Listener(gateway)
    cloud.connection_factory = listener.connection
    cloud.listen = listener.listen
    cloud.authenticate = gateway.authenticate
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stopping)
    try:
        listener.start()
        # The port first: services put it into the addresses they give out. Nobody knows of it before
        # `ready`, and what connects early waits for the start below.
        try:
            cloud.port = await listener.listen(settings.host, settings.port)
        except OSError as error:
            raise CannotListen(
                f"can not listen on {settings.host}:{settings.port}: {error.strerror or error}"
            ) from error
        await cloud.start()
        told = _describe(cloud)
        running.write(settings.data, told)
        ready(told)
        loop.run_in_executor(None, preload, list(cloud.services))
        log.info("ready at %s, account %s, region %s", told.url, told.account, told.region)
        await stopping.wait()
        log.info("stopping")
    finally:
        await listener.close()
        try:
            async with asyncio.timeout(STOP_S):
                await cloud.stop()
        except TimeoutError:
            log.error("services did not stop within %s s; leaving", STOP_S)
        gateway.close()


def _stop(stopping: asyncio.Event) -> None:
    """The first signal asks for an orderly end, which has its limit; a second one does not wait for it."""
    if stopping.is_set():
        os._exit(1)
    stopping.set()
    # Threads can not be cancelled, and the interpreter waits for them: this is the way out if one hangs.
    deadline = threading.Timer(EXIT_S, _leave)
    deadline.daemon = True
    deadline.start()


def _leave() -> None:
    log.error("not everything ended within %s s; leaving", EXIT_S)
    logging.shutdown()
    os._exit(1)


def _describe(cloud: Cloud) -> running.Running:
    settings = cloud.settings
    key = cloud.iam.root_key(settings.account)
    return running.Running(
        pid=os.getpid(),
        url=cloud.url,
        host=settings.host,
        port=cloud.port,
        account=settings.account,
        region=settings.region,
        access_key_id=key.access_key_id if key else settings.account,
        secret_access_key=key.secret if key else "test",
        started=time.time(),
        version=__version__,
        settings=settings.shown(),
    )
