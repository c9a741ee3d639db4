"""Log groups, streams and events. Times are Unix times in milliseconds, as CloudWatch Logs counts."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from undercast.store.store import Base, Json

_Id = BigInteger().with_variant(Integer, "sqlite")


class LogGroup(Base):
    """A log group. `retention_days` is None when events are kept for ever."""

    __tablename__ = "log_groups"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    account: Mapped[str] = mapped_column(String(12))
    region: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(512))
    created: Mapped[int] = mapped_column(BigInteger)
    retention_days: Mapped[int | None] = mapped_column(Integer, default=None)
    group_class: Mapped[str] = mapped_column(String(32), default="STANDARD")
    tags: Mapped[dict[str, str]] = mapped_column(Json, default=dict)

    __table_args__ = (UniqueConstraint("account", "region", "name"),)


class LogStream(Base):
    """A log stream; the times are None while it is empty."""

    __tablename__ = "log_streams"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("log_groups.id", ondelete="CASCADE"))
    account: Mapped[str] = mapped_column(String(12))
    region: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(512))
    created: Mapped[int] = mapped_column(BigInteger)
    first_event: Mapped[int | None] = mapped_column(BigInteger, default=None)
    last_event: Mapped[int | None] = mapped_column(BigInteger, default=None)
    last_ingestion: Mapped[int | None] = mapped_column(BigInteger, default=None)
    stored_bytes: Mapped[int] = mapped_column(BigInteger, default=0)

    __table_args__ = (UniqueConstraint("group_id", "name"),)


class LogEvent(Base):
    """One event."""

    __tablename__ = "log_events"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    stream_id: Mapped[int] = mapped_column(ForeignKey("log_streams.id", ondelete="CASCADE"))
    account: Mapped[str] = mapped_column(String(12))
    region: Mapped[str] = mapped_column(String(32))
    timestamp: Mapped[int] = mapped_column(BigInteger)
    ingestion: Mapped[int] = mapped_column(BigInteger)
    message: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index("log_events_order", "stream_id", "timestamp", "id"),)
