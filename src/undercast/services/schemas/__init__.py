"""EventBridge Schemas, as far as shareable test events of functions need it.

The console and `sam remote test-event` keep them in the registry `lambda-testevent-schemas`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete
from sqlalchemy.orm import Session

from undercast.services.base import Service
from undercast.services.schemas.registries import Registries
from undercast.services.schemas.schemas import Schemas
from undercast.store.tables.schemas import SchemaRegistry, SchemaVersion

if TYPE_CHECKING:
    from undercast.cloud import Cloud


class SchemasService(Service):
    """The service `schemas`."""

    def reset(self, session: Session, account: str) -> None:
        session.execute(delete(SchemaVersion).where(SchemaVersion.account == account))
        session.execute(delete(SchemaRegistry).where(SchemaRegistry.account == account))


def build(cloud: Cloud) -> Service:
    """The service `schemas`."""
    return SchemasService("schemas", [Registries(cloud.store), Schemas(cloud.store)])
