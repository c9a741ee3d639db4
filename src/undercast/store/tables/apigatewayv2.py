"""HTTP APIs: the APIs, their parts, custom domain names and what these lead to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, deferred, mapped_column

from undercast.store.store import Base, Json


class HttpApi(Base):
    """One API. `members` is what GetApi shows and does not follow from the other columns."""

    __tablename__ = "http_apis"

    api_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    account: Mapped[str] = mapped_column(String(12))
    region: Mapped[str] = mapped_column(String(32))
    created: Mapped[float] = mapped_column(Float)
    members: Mapped[dict[str, Any]] = mapped_column(Json)
    tags: Mapped[dict[str, str]] = mapped_column(Json, default=dict)

    __table_args__ = (Index("http_apis_account", "account", "region"),)


class HttpApiPart(Base):
    """A route, integration, authorizer, stage or deployment of an API.

    `name` is unique among the parts of a kind: a route's key, a stage's or authorizer's name, else the id.
    """

    __tablename__ = "http_api_parts"

    api_id: Mapped[str] = mapped_column(ForeignKey("http_apis.api_id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    account: Mapped[str] = mapped_column(String(12))
    region: Mapped[str] = mapped_column(String(32))
    created: Mapped[float] = mapped_column(Float)
    name: Mapped[str] = mapped_column(String(1100))
    members: Mapped[dict[str, Any]] = mapped_column(Json)
    # What a deployment serves. Read by nothing but deploying and serving.
    snapshot: Mapped[dict[str, Any] | None] = deferred(mapped_column(Json, default=None))

    __table_args__ = (UniqueConstraint("api_id", "kind", "name"),)


class HttpDomainName(Base):
    """A custom domain name. One name belongs to one account and region."""

    __tablename__ = "http_domain_names"

    domain_name: Mapped[str] = mapped_column(String(512), primary_key=True)
    account: Mapped[str] = mapped_column(String(12))
    region: Mapped[str] = mapped_column(String(32))
    created: Mapped[float] = mapped_column(Float)
    members: Mapped[dict[str, Any]] = mapped_column(Json)
    tags: Mapped[dict[str, str]] = mapped_column(Json, default=dict)

    __table_args__ = (Index("http_domain_names_account", "account", "region"),)


class HttpApiMapping(Base):
    """A path of a custom domain name and the stage it leads to."""

    __tablename__ = "http_api_mappings"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    domain_name: Mapped[str] = mapped_column(
        ForeignKey("http_domain_names.domain_name", ondelete="CASCADE"), index=True
    )
    account: Mapped[str] = mapped_column(String(12))
    region: Mapped[str] = mapped_column(String(32))
    created: Mapped[float] = mapped_column(Float)
    key: Mapped[str] = mapped_column(String(512))
    api_id: Mapped[str] = mapped_column(String(16), index=True)
    stage: Mapped[str] = mapped_column(String(128))

    __table_args__ = (UniqueConstraint("domain_name", "key"),)
