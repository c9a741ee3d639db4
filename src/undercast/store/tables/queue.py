"""Messages that wait to be worked on."""

from __future__ import annotations

from sqlalchemy import BigInteger, Float, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from undercast.store.store import Base, Json


class QueuedMessage(Base):
    """One durable message. `due` and `leased_until` are Unix times in seconds."""

    __tablename__ = "queue"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    topic: Mapped[str] = mapped_column(String(64))
    account: Mapped[str] = mapped_column(String(12))
    region: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(String(512), default="")
    body: Mapped[bytes] = mapped_column(LargeBinary)
    attributes: Mapped[dict[str, object]] = mapped_column(Json, default=dict)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    created: Mapped[float] = mapped_column(Float)
    due: Mapped[float] = mapped_column(Float)
    leased_until: Mapped[float] = mapped_column(Float, default=0.0)

    __table_args__ = (Index("queue_due", "topic", "due"), Index("queue_account", "account"))
