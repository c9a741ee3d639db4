"""Functions with their versions, aliases and what is attached to those."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Float, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from undercast.store.store import Base, Json


class LambdaFunction(Base):
    """What belongs to the function as a whole."""

    __tablename__ = "lambda_functions"

    account: Mapped[str] = mapped_column(String(12), primary_key=True)
    region: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    created: Mapped[float] = mapped_column(Float)  # Unix time
    next_version: Mapped[int] = mapped_column(Integer, default=1)
    published_key: Mapped[str] = mapped_column(String(200), default="")  # $LATEST's key when last published
    reserved: Mapped[int | None] = mapped_column(Integer, default=None)  # concurrent executions
    recursive_loop: Mapped[str] = mapped_column(String(16), default="Terminate")
    tags: Mapped[dict[str, str]] = mapped_column(Json, default=dict)


class LambdaVersion(Base):
    """`$LATEST` or a published version: configuration and code."""

    __tablename__ = "lambda_versions"

    account: Mapped[str] = mapped_column(String(12), primary_key=True)
    region: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(String(32), primary_key=True)
    key: Mapped[str] = mapped_column(String(200))  # new with every change of code or configuration
    config: Mapped[dict[str, Any]] = mapped_column(Json)
    revision_id: Mapped[str] = mapped_column(String(36))
    last_modified: Mapped[float] = mapped_column(Float)
    code: Mapped[str] = mapped_column(String(64), default="")  # SHA-256, hexadecimal; empty for hot reload
    code_size: Mapped[int] = mapped_column(BigInteger, default=0)  # bytes of the archive
    unzipped_size: Mapped[int] = mapped_column(BigInteger, default=0)
    hot_reload: Mapped[str | None] = mapped_column(Text, default=None)  # the folder that is run as it is
    state: Mapped[str] = mapped_column(String(16), default="Active")
    state_reason: Mapped[str | None] = mapped_column(Text, default=None)
    state_reason_code: Mapped[str | None] = mapped_column(String(64), default=None)


class LambdaAlias(Base):
    """A name for a version, or for two with weights."""

    __tablename__ = "lambda_aliases"

    account: Mapped[str] = mapped_column(String(12), primary_key=True)
    region: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    alias: Mapped[str] = mapped_column(String(128), primary_key=True)
    version: Mapped[str] = mapped_column(String(32))
    description: Mapped[str] = mapped_column(String(256), default="")
    weights: Mapped[dict[str, float]] = mapped_column(Json, default=dict)
    revision_id: Mapped[str] = mapped_column(String(36))


class LambdaAttachment(Base):
    """A document attached to a function's `$LATEST`, version or alias.

    `kind`: "policy", "event-invoke", "url", "provisioned", "runtime-management".
    """

    __tablename__ = "lambda_attachments"

    account: Mapped[str] = mapped_column(String(12), primary_key=True)
    region: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    qualifier: Mapped[str] = mapped_column(String(128), primary_key=True)
    kind: Mapped[str] = mapped_column(String(24), primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(Json)
