"""The server's process: builds the cloud, listens, runs until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

import uvloop

from undercast import __version__, running
from undercast.cloud import Cloud
from undercast.gateway.app import Gateway
from undercast.gateway.listener import Listener
from undercast.gateway.protocols import preload
from undercast.heap import Heap
from undercast.settings import Settings

log = logging.getLogger(__name__)

STOP_S = 8.0  # services have this long to stop
BACKLOG = 2048
OPEN_FILES = 65_536  # where the system allows as many: connections, functions and their pipes are files
# How long a worker thread may keep the interpreter from the event loop, which gives it up with every system
# call and would otherwise wait 5 ms for it each time.
SWITCH_S = 0.0005
EXIT_S = 14.0  # the whole process, from the signal on


class CannotListen(Exception):
    """The address is taken, or not this machine's. `advice` says what to do."""

    def __init__(self, address: str, error: OSError) -> None:
        super().__init__(f"can not listen on {address}: {error.strerror or error}")
        taken = error.errno == errno.EADDRINUSE
        self.advice = (
            "Another program uses the port: choose one with --port, or stop it."
            if taken
            else "Choose an address of this machine with --host, and a port it may use with --port."
        )


Ready = Callable[[running.Running, str], None]


def serve(settings: Settings, ready: Ready) -> None:
    """Run a server until SIGTERM or SIGINT; `ready` is called once it answers, with a link into the console.

    Raises `running.AlreadyRunning` and `CannotListen`.
    """
    lock = running.Lock(settings.data)
    lock.take()
    _raise_file_limit()
    sys.setswitchinterval(SWITCH_S)
    try:
        # Before anything else: a taken port is told at once. Who connects early waits to be accepted.
        with _listening(settings) as sock:
            uvloop.run(_main(settings, sock, ready))
    finally:
        lock.release()


def _raise_file_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(most, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _listening(settings: Settings) -> socket.socket:
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, number)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(BACKLOG)
            sock.setblocking(False)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise CannotListen(f"{settings.host}:{settings.port}", error) from error
    return sock


async def _main(settings: Settings, sock: socket.socket, ready: Ready) -> None:
    cloud = Cloud(settings)
    cloud.port = sock.getsockname()[1]
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
        await cloud.start()
        await listener.serve(sock)
        told = _describe(cloud)
        running.write(settings.data, told)
        ready(told, gateway.sign_in_link(cloud.url))
        loop.run_in_executor(None, preload, list(cloud.services))
        trimming = loop.create_task(Heap().keep_small())
        log.info("ready at %s, account %s, region %s", told.url, told.account, told.region)
        await stopping.wait()
        trimming.cancel()
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
