"""Schema registries: where shareable test events of functions are kept."""

from __future__ import annotations

from sqlalchemy import Float, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from undercast.store.store import Base, Json


class SchemaRegistry(Base):
    """A registry of schemas."""

    __tablename__ = "schema_registries"

    account: Mapped[str] = mapped_column(String(12), primary_key=True)
    region: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    description: Mapped[str] = mapped_column(String(256), default="")
    tags: Mapped[dict[str, str]] = mapped_column(Json, default=dict)


class SchemaVersion(Base):
    """One version of a schema. `created` is a Unix time."""

    __tablename__ = "schema_versions"

    account: Mapped[str] = mapped_column(String(12), primary_key=True)
    region: Mapped[str] = mapped_column(String(32), primary_key=True)
    registry_name: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(385), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    description: Mapped[str] = mapped_column(String(256), default="")
    content: Mapped[str] = mapped_column(Text)
    created: Mapped[float] = mapped_column(Float)
    tags: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
