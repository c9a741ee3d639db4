"""Every EC2 resource: one row each, described by a JSON document."""

from __future__ import annotations

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from undercast.store.store import Base, Json


class Ec2Resource(Base):
    """One EC2 resource. `kind` is AWS's resource type ("instance", "security-group", ...).

    EC2 has dozens of kinds and filters over almost every member of each, so nothing is searched by SQL: the
    service holds all documents in memory and this table is what it is loaded from.
    """

    __tablename__ = "ec2_resources"

    account: Mapped[str] = mapped_column(String(12), primary_key=True)
    region: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(48), primary_key=True)
    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    body: Mapped[dict[str, object]] = mapped_column(Json)

    __table_args__ = (Index("ec2_resources_kind", "kind"),)
