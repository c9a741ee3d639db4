"""A sandbox being served: its pipe, its sockets, the transport to its runtime, and its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from undercast.functions.answers import Answers, Served
from undercast.functions.channel import Channel, RuntimeEvents
from undercast.functions.container_keys import ContainerKeys
from undercast.functions.extensions import Extensions
from undercast.functions.ground import Ground, Process, Sandbox
from undercast.functions.listener import Listener
from undercast.functions.output import Output
from undercast.functions.runtime_api import RuntimeApi
from undercast.functions.spec import Exit

_SLICE_S, _SLICE_BYTES = 0.1, 1024 * 1024  # how fast an environment may write to its log
_LAST_WORDS_S = 0.2  # how long what an ended runtime sent may take to be read: its caller may be slow
_SHOW_S = 1.0  # how long a printed line may wait for others before it is in the log


class Owner(RuntimeEvents, Served, Protocol):
    """The environment a sandbox belongs to."""

    def sandbox_exited(self, end: Exit) -> None:
        """The runtime's process ended."""

    def extension_exited(self, name: str, end: Exit) -> None:
        """An external extension's process ended."""


class Attachment:
    """Everything of one sandbox that is registered with the event loop, made and undone together."""

    def __init__(
        self,
        sandbox: Sandbox,
        owner: Owner,
        ground: Ground,
        output: Output,
        extensions: Extensions,
        keys: ContainerKeys | None,
    ) -> None:
        self.sandbox = sandbox
        self.frozen = False
        self._owner = owner
        self._ground = ground
        self._output = output
        self._showing = False
        self._attached = True
        self._budget = _SLICE_BYTES
        loop = ground.loop
        output.attach(sandbox.stdout)
        loop.add_reader(sandbox.stdout, self._printed)
        channel = sandbox.channel
        answers = Answers(owner, ground)
        self._api = RuntimeApi(owner, answers, extensions, channel is None, keys)
        self._listeners: list[Listener] = []
        if sandbox.runtime_api is not None:
            self._listeners.append(Listener(loop, sandbox.runtime_api, self._api.connection))
        if ground.gateway is not None and sandbox.gateway is not None:
            self._listeners.append(Listener(loop, sandbox.gateway, ground.gateway))
        self.transport = self._api if channel is None else Channel(loop, channel, owner, answers)
        ground.run(self._watch())

    @property
    def takes_events_ahead(self) -> bool:
        """Whether an event may be sent before the runtime asks for it."""
        return isinstance(self.transport, Channel)

    def detach(self) -> int:
        """Serve the sandbox no more, after taking what it printed. Returns its most used memory in MB."""
        if not self._attached:
            return 0
        self._attached = False
        self._ground.loop.remove_reader(self.sandbox.stdout)
        self._output.detach()
        if isinstance(self.transport, Channel):
            self.transport.close()
        for listener in self._listeners:
            listener.close()
        self._api.close()
        return self.sandbox.memory_peak_mb()

    async def start_extensions(self, names: list[str], env: Mapping[str, str]) -> None:
        """Start external extensions, in order."""
        for name in names:
            process = await self.sandbox.spawn([f"/opt/extensions/{name}"], env)
            self._ground.run(self._watch_extension(name, process))

    def hand_over(self) -> None:
        """Somebody else speaks to the runtime from now on."""
        if isinstance(self.transport, Channel):
            self.transport.close()

    async def freeze(self) -> None:
        """Stop every process until `thaw`."""
        if not self.frozen:
            self.frozen = True
            await self.sandbox.freeze()

    async def thaw(self) -> None:
        """Let them run again."""
        if self.frozen:
            self.frozen = False
            await self.sandbox.thaw()

    def _printed(self) -> None:
        count = self._output.read_some()
        if not count:  # nobody can write to it any more
            self._ground.loop.remove_reader(self.sandbox.stdout)
            return
        if not self._showing:
            self._showing = True
            self._ground.loop.call_later(_SHOW_S, self._show)
        self._budget -= count
        if self._budget < 0:  # a flood: its writer waits for the next slice of time
            self._ground.loop.remove_reader(self.sandbox.stdout)
            self._ground.loop.call_later(_SLICE_S, self._print_on)

    def _show(self) -> None:
        """Whoever follows the log of a long invocation sees it grow."""
        self._showing = False
        if self._attached:
            self._output.flush()

    def _print_on(self) -> None:
        self._budget = _SLICE_BYTES
        if self._attached:
            self._ground.loop.add_reader(self.sandbox.stdout, self._printed)

    async def _watch(self) -> None:
        end = await self.sandbox.wait()
        await self._receive_rest()
        if self._attached:
            self._owner.sandbox_exited(end)

    async def _receive_rest(self) -> None:
        """Take what an ended runtime had sent: its end is noticed by another way than its words come."""
        if isinstance(self.transport, Channel):
            self.transport.drain()
        elif self._attached:
            for listener in self._listeners:
                await listener.accept_rest()
            await self._api.disconnected(_LAST_WORDS_S)

    async def _watch_extension(self, name: str, process: Process) -> None:
        end = await process.wait()
        if self._attached:
            self._owner.extension_exited(name, end)
