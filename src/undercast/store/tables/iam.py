"""Accounts, principals, their keys and policies. IAM is global: `region` is always empty here."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from undercast.store.store import Base, Json


class Account(Base):
    """One AWS account of this cloud."""

    __tablename__ = "accounts"

    account: Mapped[str] = mapped_column(String(12), primary_key=True)
    region: Mapped[str] = mapped_column(String(32), default="")
    name: Mapped[str] = mapped_column(String(128))
    alias: Mapped[str | None] = mapped_column(String(63), default=None)
    created: Mapped[float] = mapped_column(Float)


class AccessKey(Base):
    """A long-lived access key: of a user, or of the account's root when `user` is empty."""

    __tablename__ = "iam_access_keys"

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    account: Mapped[str] = mapped_column(String(12), index=True)
    region: Mapped[str] = mapped_column(String(32), default="")
    user: Mapped[str] = mapped_column(String(64), default="")
    secret: Mapped[str] = mapped_column(String(128))
    status: Mapped[str] = mapped_column(String(8), default="Active")
    created: Mapped[float] = mapped_column(Float)


class IamEntity(Base):
    """A role, user, group, policy or instance profile.

    `kind` is one of "role", "user", "group", "policy", "instance-profile". `doc` holds the members AWS
    describes; `inline` maps policy names to documents, `attached` lists policy ARNs, `members` lists the
    users of a group or the roles of an instance profile.
    """

    __tablename__ = "iam_entities"

    account: Mapped[str] = mapped_column(String(12), primary_key=True)
    region: Mapped[str] = mapped_column(String(32), default="")
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    id: Mapped[str] = mapped_column(String(32))
    path: Mapped[str] = mapped_column(String(512), default="/")
    created: Mapped[float] = mapped_column(Float)
    doc: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    inline: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    attached: Mapped[list[str]] = mapped_column(Json, default=list)
    members: Mapped[list[str]] = mapped_column(Json, default=list)
    tags: Mapped[list[dict[str, str]]] = mapped_column(Json, default=list)

    __table_args__ = (Index("iam_entities_account", "account"),)

    @property
    def arn(self) -> str:
        """The ARN, from kind, path and name."""
        return f"arn:aws:iam::{self.account}:{self.kind}{self.path}{self.name}"
