"""Registries of schemas."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.pagination import BadToken, page
from undercast.store.store import Store
from undercast.store.tables.schemas import SchemaRegistry, SchemaVersion


def find_registry(session: Session, call: Call, name: str) -> SchemaRegistry:
    """The registry of a name. Raises NotFoundException."""
    found = session.get(SchemaRegistry, (call.account, call.region, name))
    if found is None:
        raise AwsError("NotFoundException", f"Registry with name {name} does not exist.", 404)
    return found


def paged(items: list[Result], member: str, key: str, params: Params) -> Result:
    """One page of a list, sorted by `key`."""
    try:
        shown, token = page(
            sorted(items, key=lambda one: str(one[key])),
            lambda one: str(one[key]),
            params.get("NextToken"),
            params.get("Limit", 100),
        )
    except BadToken as error:
        raise AwsError("BadRequestException", "Invalid NextToken.") from error
    return {member: shown} | ({"NextToken": token} if token is not None else {})


class Registries:
    """The operations on registries. https://docs.aws.amazon.com/eventbridge/latest/schema-reference/"""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create_registry(self, call: Call, params: Params) -> Result:
        name = params["RegistryName"]
        with self._store.write() as session:
            if session.get(SchemaRegistry, (call.account, call.region, name)) is not None:
                raise AwsError("ConflictException", f"Registry with name {name} already exists.", 409)
            registry = SchemaRegistry(
                account=call.account,
                region=call.region,
                name=name,
                description=params.get("Description", ""),
                tags=params.get("Tags", {}),
            )
            session.add(registry)
        return _described(call, registry)

    def describe_registry(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            return _described(call, find_registry(session, call, params["RegistryName"]))

    def list_registries(self, call: Call, params: Params) -> Result:
        prefix = params.get("RegistryNamePrefix", "")
        query = select(SchemaRegistry).where(
            SchemaRegistry.account == call.account, SchemaRegistry.region == call.region
        )
        with self._store.read() as session:
            found = [_described(call, one) for one in session.scalars(query) if one.name.startswith(prefix)]
        return paged(found, "Registries", "RegistryName", params)

    def delete_registry(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            registry = find_registry(session, call, params["RegistryName"])
            inside = select(SchemaVersion.name).where(
                SchemaVersion.account == call.account,
                SchemaVersion.region == call.region,
                SchemaVersion.registry_name == registry.name,
            )
            if session.scalars(inside).first() is not None:
                raise AwsError("BadRequestException", f"Registry {registry.name} is not empty.")
            session.delete(registry)
        return {}


def _described(call: Call, registry: SchemaRegistry) -> Result:
    result: Result = {
        "RegistryName": registry.name,
        "RegistryArn": call.arn("schemas", f"registry/{registry.name}"),
        "Tags": registry.tags,
    }
    return result | ({"Description": registry.description} if registry.description else {})
