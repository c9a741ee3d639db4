"""Layers and their versions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Float, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from undercast.store.store import Base, Json


class LambdaLayer(Base):
    """A layer's counter: version numbers are never used twice, not even after every version was deleted."""

    __tablename__ = "lambda_layers"

    account: Mapped[str] = mapped_column(String(12), primary_key=True)
    region: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(140), primary_key=True)
    next_version: Mapped[int] = mapped_column(Integer, default=1)


class LambdaLayerVersion(Base):
    """One version of a layer.

    A deleted version that functions still use stays: it is only hidden, as on AWS.
    """

    __tablename__ = "lambda_layer_versions"

    account: Mapped[str] = mapped_column(String(12), primary_key=True)
    region: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(140), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    created: Mapped[float] = mapped_column(Float)
    description: Mapped[str] = mapped_column(String(256), default="")
    license: Mapped[str | None] = mapped_column(String(512), default=None)
    runtimes: Mapped[list[str]] = mapped_column(Json, default=list)
    architectures: Mapped[list[str]] = mapped_column(Json, default=list)
    code: Mapped[str] = mapped_column(String(64))  # SHA-256, hexadecimal
    code_size: Mapped[int] = mapped_column(BigInteger)
    unzipped_size: Mapped[int] = mapped_column(BigInteger)
    statements: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)
    policy_revision: Mapped[str] = mapped_column(String(36), default="")
    deleted: Mapped[bool] = mapped_column(default=False)
