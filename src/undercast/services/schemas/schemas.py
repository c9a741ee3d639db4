"""Schemas and their versions."""

from __future__ import annotations

import datetime as dt
import time

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.schemas.registries import find_registry, paged
from undercast.store.store import Store
from undercast.store.tables.schemas import SchemaVersion


class Schemas:
    """The operations on schemas. https://docs.aws.amazon.com/eventbridge/latest/schema-reference/"""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create_schema(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            find_registry(session, call, params["RegistryName"])
            if _versions(session, call, params):
                raise AwsError(
                    "ConflictException", f"Schema with name {params['SchemaName']} already exists.", 409
                )
            schema = _new(call, params, 1, params["Type"])
            schema.tags = params.get("Tags", {})
            session.add(schema)
        return _described(call, schema)

    def update_schema(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            latest = _find(session, call, params)
            schema = _new(call, params, latest.version + 1, params.get("Type", latest.kind))
            schema.content = params.get("Content", latest.content)
            schema.description = params.get("Description", latest.description)
            schema.tags = latest.tags
            session.add(schema)
        return _described(call, schema)

    def describe_schema(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            schema = _find(session, call, params)
        return {**_described(call, schema), "Content": schema.content}

    def list_schemas(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            find_registry(session, call, params["RegistryName"])
            rows = session.scalars(_query(call, params)).all()
        newest = {row.name: row for row in sorted(rows, key=lambda row: row.version)}
        found = [
            {
                "SchemaName": row.name,
                "SchemaArn": _arn(call, row),
                "LastModified": _when(row.created),
                "VersionCount": row.version,
                "Tags": row.tags,
            }
            for row in newest.values()
            if row.name.startswith(params.get("SchemaNamePrefix", ""))
        ]
        return paged(found, "Schemas", "SchemaName", params)

    def delete_schema(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            schema = _find(session, call, params)
            session.execute(
                delete(SchemaVersion).where(
                    SchemaVersion.account == call.account,
                    SchemaVersion.region == call.region,
                    SchemaVersion.registry_name == schema.registry_name,
                    SchemaVersion.name == schema.name,
                )
            )
        return {}


def _query(call: Call, params: Params) -> Select[SchemaVersion]:
    return select(SchemaVersion).where(
        SchemaVersion.account == call.account,
        SchemaVersion.region == call.region,
        SchemaVersion.registry_name == params["RegistryName"],
    )


def _versions(session: Session, call: Call, params: Params) -> list[SchemaVersion]:
    query = _query(call, params).where(SchemaVersion.name == params["SchemaName"])
    return list(session.scalars(query.order_by(SchemaVersion.version)))


def _find(session: Session, call: Call, params: Params) -> SchemaVersion:
    versions = _versions(session, call, params)
    wanted = params.get("SchemaVersion")
    found = [one for one in versions if wanted is None or str(one.version) == wanted]
    if not found:
        raise AwsError("NotFoundException", f"Schema with name {params['SchemaName']} does not exist.", 404)
    return found[-1]


def _new(call: Call, params: Params, version: int, kind: str) -> SchemaVersion:
    return SchemaVersion(
        account=call.account,
        region=call.region,
        registry_name=params["RegistryName"],
        name=params["SchemaName"],
        version=version,
        kind=kind,
        description=params.get("Description", ""),
        content=params.get("Content", ""),
        created=time.time(),
        tags={},
    )


def _arn(call: Call, schema: SchemaVersion) -> str:
    return call.arn("schemas", f"schema/{schema.registry_name}/{schema.name}")


def _when(unix: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(unix), dt.UTC)


def _described(call: Call, schema: SchemaVersion) -> Result:
    return {
        "SchemaName": schema.name,
        "SchemaArn": _arn(call, schema),
        "SchemaVersion": str(schema.version),
        "Type": schema.kind,
        "Description": schema.description,
        "LastModified": _when(schema.created),
        "VersionCreatedDate": _when(schema.created),
        "Tags": schema.tags,
    }
