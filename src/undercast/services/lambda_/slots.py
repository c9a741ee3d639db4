"""Concurrency, counted exactly: who may start one more invocation, and who is told 429.

An account's limit in a region is one pool. Reserved concurrency takes a share out of it for one function,
which then may neither exceed its share nor use the rest. Provisioned concurrency of functions without a
reservation is taken out of the pool as well, in use or not. All counting happens on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from undercast.services.base import AwsError
from undercast.services.lambda_ import errors
from undercast.services.lambda_.model import Function, Key

RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"
POOL = "ConcurrentInvocationLimitExceeded"

Share = Literal["pool", "reserved", "provisioned"]  # what a running invocation counts against


@dataclass(slots=True)
class _Busy:
    """Running invocations of a function, and of each of its versions."""

    total: int = 0
    versions: dict[str, int] = field(default_factory=dict)
    provisioned: dict[str, int] = field(default_factory=dict)  # those on a provisioned environment's share


@dataclass(slots=True)
class Slot:
    """The right to run one invocation; give it back with `Slots.release`."""

    key: Key
    version: str
    share: Share


class Slots:
    """The counters of every account and region."""

    def __init__(self, limit: int, functions: Mapping[Key, Function]) -> None:
        self.limit = limit
        self._functions = functions
        self._busy: dict[Key, _Busy] = {}
        self._pool_used: dict[tuple[str, str], int] = {}
        self._pool_size: dict[tuple[str, str], int] = {}  # limit minus reserved and provisioned shares
        self._provisioned: dict[Key, dict[str, int]] = {}  # ready environments by version
        self.released: Callable[[Key], None] | None = None

    def refresh(self) -> None:
        """Work out the pools again, after functions or their shares changed."""
        taken: dict[tuple[str, str], int] = {}
        self._provisioned = {}
        for function in list(self._functions.values()):
            if function.provisioned:
                self._provisioned[function.key] = self._ready(function)
            share = function.reserved if function.reserved is not None else function.provisioned_total
            if share:
                place = (function.account, function.region)
                taken[place] = taken.get(place, 0) + share
        self._pool_size = {place: max(0, self.limit - share) for place, share in taken.items()}

    @staticmethod
    def _ready(function: Function) -> dict[str, int]:
        ready: dict[str, int] = {}
        for qualifier, config in function.provisioned.items():
            if config["status"] == "READY" and function.exists(qualifier):
                version = function.version(qualifier).version
                ready[version] = ready.get(version, 0) + int(config["requested"])
        return ready

    def take(self, function: Function, version: str) -> Slot:
        """A slot for one invocation. Raises 429 with AWS's reason."""
        share = self._check(function, version)
        if isinstance(share, AwsError):
            raise share
        busy = self._busy.get(function.key)
        if busy is None:
            busy = self._busy[function.key] = _Busy()
        busy.total += 1
        busy.versions[version] = busy.versions.get(version, 0) + 1
        if share == "pool":
            place = (function.account, function.region)
            self._pool_used[place] = self._pool_used.get(place, 0) + 1
        elif share == "provisioned":
            busy.provisioned[version] = busy.provisioned.get(version, 0) + 1
        return Slot(function.key, version, share)

    def free(self, function: Function, version: str) -> bool:
        """Whether `take` would succeed."""
        return not isinstance(self._check(function, version), AwsError)

    def release(self, slot: Slot) -> None:
        """Give a slot back."""
        busy = self._busy[slot.key]
        busy.total -= 1
        if busy.versions[slot.version] == 1:
            del busy.versions[slot.version]
        else:
            busy.versions[slot.version] -= 1
        if not busy.total:
            del self._busy[slot.key]
        if slot.share == "pool":
            self._pool_used[slot.key[0], slot.key[1]] -= 1
        elif slot.share == "provisioned":
            busy.provisioned[slot.version] -= 1
        if self.released is not None:
            self.released(slot.key)

    def running(self, key: Key) -> int:
        """How many invocations of a function are running."""
        busy = self._busy.get(key)
        return busy.total if busy else 0

    def running_on(self, key: Key, version: str) -> int:
        """How many invocations of one version are running."""
        busy = self._busy.get(key)
        return busy.versions.get(version, 0) if busy else 0

    def _check(self, function: Function, version: str) -> Share | AwsError:
        """What one more invocation would count against, or the refusal."""
        busy = self._busy.get(function.key)
        ready = self._provisioned.get(function.key, {}).get(version, 0)
        if function.reserved is not None:
            if (busy is not None and busy.total >= function.reserved) or not function.reserved:
                return errors.throttled(RESERVED)
            return "reserved"
        if ready and (busy.provisioned.get(version, 0) if busy is not None else 0) < ready:
            return "provisioned"
        place = (function.account, function.region)
        if self._pool_used.get(place, 0) >= self._pool_size.get(place, self.limit):
            return errors.throttled(POOL)
        return "pool"
