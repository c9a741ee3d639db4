"""Every function and layer in memory: loaded at start, one entry replaced after each committed write.

Reads (and above all invocations) use nothing but these dictionaries. An entry is immutable and is swapped
by one assignment, so readers on the event loop and in worker threads need no lock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from undercast.functions.function import FunctionSpec
from undercast.services.lambda_ import errors
from undercast.services.lambda_.model import Alias, Function, Key, LayerVersion, Version
from undercast.services.lambda_.names import LATEST, Ref, function_arn
from undercast.store.store import Store
from undercast.store.tables.lambda_functions import (
    LambdaAlias,
    LambdaAttachment,
    LambdaFunction,
    LambdaVersion,
)
from undercast.store.tables.lambda_layers import LambdaLayerVersion

LayerKey = tuple[str, str, str, int]  # account, region, name, version


class Directory:
    """Functions, layer versions and function URLs by their names."""

    def __init__(self, store: Store, code_root: Path) -> None:
        self.store = store
        self.code_root = code_root
        self.functions: dict[Key, Function] = {}
        self.layers: dict[LayerKey, LayerVersion] = {}
        self.urls: dict[str, tuple[Key, str]] = {}  # URL id: function, qualifier
        self._swap = threading.Lock()

    def load(self) -> None:
        """Read everything from the store."""
        with self._swap, self.store.read() as session:
            self.layers = {
                (row.account, row.region, row.name, row.version): _layer(row)
                for row in session.scalars(select(LambdaLayerVersion))
            }
            self.functions, self.urls = {}, {}
            versions, aliases, attachments = (
                _grouped(session.scalars(select(table)))
                for table in (LambdaVersion, LambdaAlias, LambdaAttachment)
            )
            for row in session.scalars(select(LambdaFunction)):
                key = (row.account, row.region, row.name)
                mine = (versions.get(key, []), aliases.get(key, []), attachments.get(key, []))
                self._put(key, self._function(row, *mine))

    def reload(self, key: Key) -> Function | None:
        """Read one function again after a write to it was committed. `None` when it is gone.

        The lock spans reading and swapping: of two writers, the later commit is also the later swap.
        """
        with self._swap, self.store.read() as session:
            function = self._read(session, key)
            self._put(key, function)
        return function

    def reload_layer(self, key: LayerKey) -> LayerVersion | None:
        """Read one layer version again after a write to it was committed."""
        with self._swap, self.store.read() as session:
            row = session.get(LambdaLayerVersion, key)
            if row is None:
                self.layers.pop(key, None)
                return None
            self.layers[key] = found = _layer(row)
        return found

    def forget(self, account: str) -> list[Function]:
        """Drop everything of an account, after it was deleted from the store. Gives what was dropped."""
        with self._swap:
            gone = [function for key, function in self.functions.items() if key[0] == account]
            for function in gone:
                self._put(function.key, None)
            for key in [key for key in self.layers if key[0] == account]:
                del self.layers[key]
        return gone

    def get(self, ref: Ref) -> Function:
        """The function, whether or not the qualifier exists. Raises 404 naming what was asked for."""
        function = self.functions.get((ref.account, ref.region, ref.name))
        if function is None:
            raise errors.function_missing(ref.qualified_arn)
        return function

    def of(self, account: str, region: str) -> list[Function]:
        """The functions of one account and region, by name."""
        found = [f for key, f in list(self.functions.items()) if key[0] == account and key[1] == region]
        return sorted(found, key=lambda function: function.name)

    def layers_of(self, account: str, region: str) -> list[LayerVersion]:
        """The layer versions of one account and region that were not deleted, by name and version."""
        found = [
            layer
            for key, layer in list(self.layers.items())
            if key[0] == account and key[1] == region and not layer.deleted
        ]
        return sorted(found, key=lambda layer: (layer.name, layer.version))

    def code_in_use(self) -> set[str]:
        """The archives that a function or layer refers to."""
        used = {layer.code for layer in list(self.layers.values()) if not layer.deleted}
        for function in list(self.functions.values()):
            for version in function.versions.values():
                used.add(version.code)
                used.update(layer["code"] for layer in version.config.get("Layers") or ())
        return used

    def code_size(self, account: str, region: str) -> int:
        """Bytes of code stored for an account in a region, as its storage quota counts them."""
        functions = sum(v.code_size for f in self.of(account, region) for v in f.versions.values())
        return functions + sum(layer.code_size for layer in self.layers_of(account, region))

    def _put(self, key: Key, function: Function | None) -> None:
        old = self.functions.get(key)
        new = {str(url["id"]): q for q, url in function.urls.items()} if function else {}
        for url in old.urls.values() if old else ():
            if url["id"] not in new:
                self.urls.pop(str(url["id"]), None)
        self.urls.update({id: (key, qualifier) for id, qualifier in new.items()})
        if function is None:
            self.functions.pop(key, None)
        else:
            self.functions[key] = function

    def _read(self, session: Session, key: Key) -> Function | None:
        row = session.get(LambdaFunction, key)
        if row is None:
            return None

        def mine(table: Any) -> list[Any]:
            where = (table.account == key[0], table.region == key[1], table.name == key[2])
            return list(session.scalars(select(table).where(*where)))

        return self._function(row, mine(LambdaVersion), mine(LambdaAlias), mine(LambdaAttachment))

    def _function(
        self,
        row: LambdaFunction,
        versions: list[LambdaVersion],
        aliases: list[LambdaAlias],
        attachments: list[LambdaAttachment],
    ) -> Function:
        versions = sorted(versions, key=lambda v: 0 if v.version == LATEST else int(v.version))
        attached: dict[str, dict[str, Mapping[str, Any]]] = {}
        for attachment in attachments:
            attached.setdefault(attachment.kind, {})[attachment.qualifier] = attachment.document
        return Function(
            account=row.account,
            region=row.region,
            name=row.name,
            created=row.created,
            next_version=row.next_version,
            published_key=row.published_key,
            reserved=row.reserved,
            recursive_loop=row.recursive_loop,
            tags=row.tags,
            versions={version.version: self._version(version) for version in versions},
            aliases={alias.alias: _alias(alias) for alias in sorted(aliases, key=lambda a: a.alias)},
            policies=attached.get("policy", {}),
            event_invoke=attached.get("event-invoke", {}),
            urls=attached.get("url", {}),
            provisioned=attached.get("provisioned", {}),
            runtime_management=attached.get("runtime-management", {}),
        )

    def _version(self, row: LambdaVersion) -> Version:
        return Version(
            version=row.version,
            key=row.key,
            config=row.config,
            revision_id=row.revision_id,
            last_modified=row.last_modified,
            code=row.code,
            code_size=row.code_size,
            unzipped_size=row.unzipped_size,
            hot_reload=row.hot_reload,
            state=row.state,
            state_reason=row.state_reason,
            state_reason_code=row.state_reason_code,
            spec=self._spec(row),
        )

    def _spec(self, row: LambdaVersion) -> FunctionSpec:
        config = row.config
        logging = config["LoggingConfig"]
        return FunctionSpec(
            key=row.key,
            arn=function_arn(row.account, row.region, row.name),
            account=row.account,
            region=row.region,
            name=row.name,
            version=row.version,
            runtime=config["Runtime"],
            handler=config["Handler"],
            code=Path(row.hot_reload) if row.hot_reload else self.code_root / row.code / "files",
            layers=tuple(self.code_root / layer["code"] / "files" for layer in config.get("Layers") or ()),
            environment=config.get("Environment") or {},
            memory_mb=config["MemorySize"],
            timeout_s=config["Timeout"],
            tmp_mb=config["EphemeralStorage"]["Size"],
            log_group=logging["LogGroup"],
            log_format=logging["LogFormat"],
            application_log_level=logging.get("ApplicationLogLevel"),
            system_log_level=logging.get("SystemLogLevel"),
            role_arn=config["Role"],
            architecture=config["Architectures"][0],
            hot_reload=row.hot_reload is not None,
            snap_start=row.version != LATEST and config["SnapStart"]["ApplyOn"] == "PublishedVersions",
        )


def sorted_names(names: Iterable[str]) -> list[str]:
    """Version numbers and alias names in the order AWS lists them: `$LATEST`, numbers ascending, names."""
    return sorted(
        names, key=lambda n: (0, 0, "") if n == LATEST else (1, int(n), "") if n.isdigit() else (2, 0, n)
    )


def _grouped(rows: Iterable[Any]) -> dict[Key, list[Any]]:
    """Rows by the function they belong to."""
    groups: dict[Key, list[Any]] = {}
    for row in rows:
        groups.setdefault((row.account, row.region, row.name), []).append(row)
    return groups


def _alias(row: LambdaAlias) -> Alias:
    return Alias(row.alias, row.version, row.description, row.weights, row.revision_id)


def _layer(row: LambdaLayerVersion) -> LayerVersion:
    return LayerVersion(
        account=row.account,
        region=row.region,
        name=row.name,
        version=row.version,
        created=row.created,
        description=row.description,
        license=row.license,
        runtimes=tuple(row.runtimes),
        architectures=tuple(row.architectures),
        code=row.code,
        code_size=row.code_size,
        unzipped_size=row.unzipped_size,
        statements=tuple(row.statements),
        policy_revision=row.policy_revision,
        deleted=row.deleted,
    )
