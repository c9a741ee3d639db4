"""Functions as the hot path knows them: immutable, in memory, replaced whole on every write."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from undercast.functions.function import FunctionSpec
from undercast.services.lambda_ import errors
from undercast.services.lambda_.names import LATEST, function_arn, is_version

Key = tuple[str, str, str]  # account, region, name


@dataclass(frozen=True, slots=True)
class Version:
    """`$LATEST` or a published version. `config` holds what the caller set, with defaults filled in."""

    version: str
    key: str
    config: Mapping[str, Any]
    revision_id: str
    last_modified: float  # Unix time
    code: str  # SHA-256 of the archive, hexadecimal; empty for hot reload
    code_size: int
    unzipped_size: int
    hot_reload: str | None
    state: str
    state_reason: str | None
    state_reason_code: str | None
    spec: FunctionSpec

    @property
    def snap_start(self) -> bool:
        """Whether published versions of this configuration start from a snapshot."""
        return bool(self.config["SnapStart"]["ApplyOn"] == "PublishedVersions")


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for a version; `weights` are the shares (0..1) that go to other versions."""

    name: str
    version: str
    description: str
    weights: Mapping[str, float]
    revision_id: str

    def pick(self) -> str:
        """The version that serves one invocation."""
        if self.weights:
            point = random.random()  # noqa: S311 - traffic shares, not secrets
            for version, weight in self.weights.items():
                if point < weight:
                    return version
                point -= weight
        return self.version


@dataclass(frozen=True, slots=True)
class Function:
    """A function with everything that belongs to it. The attachments are keyed by qualifier."""

    account: str
    region: str
    name: str
    created: float
    next_version: int
    published_key: str
    reserved: int | None
    recursive_loop: str
    tags: Mapping[str, str]
    versions: Mapping[str, Version]  # $LATEST first, then ascending
    aliases: Mapping[str, Alias]
    policies: Mapping[str, Mapping[str, Any]]
    event_invoke: Mapping[str, Mapping[str, Any]]
    urls: Mapping[str, Mapping[str, Any]]
    provisioned: Mapping[str, Mapping[str, Any]]
    runtime_management: Mapping[str, Mapping[str, Any]]

    @property
    def key(self) -> Key:
        return (self.account, self.region, self.name)

    @property
    def arn(self) -> str:
        return function_arn(self.account, self.region, self.name)

    @property
    def latest(self) -> Version:
        return self.versions[LATEST]

    def exists(self, qualifier: str | None) -> bool:
        """Whether the qualifier is one of the function's versions or aliases."""
        return qualifier is None or qualifier in self.versions or qualifier in self.aliases

    def version(self, qualifier: str | None) -> Version:
        """The version a qualifier leads to (of an alias: its main one). Raises 404."""
        if qualifier is None:
            return self.latest
        if (alias := self.aliases.get(qualifier)) is not None:
            qualifier = alias.version
        if (found := self.versions.get(qualifier)) is None:
            raise errors.function_missing(f"{self.arn}:{qualifier}")
        return found

    def serving(self, qualifier: str | None) -> Version:
        """The version that serves one invocation: an alias with weights picks one by chance. Raises 404."""
        if qualifier is None:
            return self.latest
        if (alias := self.aliases.get(qualifier)) is not None:
            qualifier = alias.pick()
        if (found := self.versions.get(qualifier)) is None:
            raise errors.function_missing(f"{self.arn}:{qualifier}")
        return found

    def revision_of(self, qualifier: str) -> str:
        """The revision id that guards a version's or alias's policy."""
        if not is_version(qualifier) and (alias := self.aliases.get(qualifier)) is not None:
            return alias.revision_id
        return self.versions[qualifier].revision_id

    @property
    def provisioned_total(self) -> int:
        """Provisioned concurrency of all versions and aliases together."""
        return sum(int(config["requested"]) for config in self.provisioned.values())


@dataclass(frozen=True, slots=True)
class LayerVersion:
    """One version of a layer."""

    account: str
    region: str
    name: str
    version: int
    created: float
    description: str
    license: str | None
    runtimes: tuple[str, ...]
    architectures: tuple[str, ...]
    code: str  # SHA-256, hexadecimal
    code_size: int
    unzipped_size: int
    statements: tuple[Mapping[str, Any], ...]
    policy_revision: str
    deleted: bool

    @property
    def layer_arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:layer:{self.name}"

    @property
    def arn(self) -> str:
        return f"{self.layer_arn}:{self.version}"
