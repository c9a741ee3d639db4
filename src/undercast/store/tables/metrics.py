"""Metrics, a row per metric and minute."""

from __future__ import annotations

from sqlalchemy import BigInteger, Float, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from undercast.store.store import Base, Json


class MetricMinute(Base):
    """What a metric was in one minute. `dimensions` is canonical JSON; `minute` a Unix time in minutes.

    `histogram` maps a bucket of `services.cloudwatch.statistics` to how many values fell into it.
    """

    __tablename__ = "metric_minutes"

    account: Mapped[str] = mapped_column(String(12), primary_key=True)
    region: Mapped[str] = mapped_column(String(32), primary_key=True)
    namespace: Mapped[str] = mapped_column(String(255), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    dimensions: Mapped[str] = mapped_column(String(4096), primary_key=True)
    minute: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    unit: Mapped[str] = mapped_column(String(32))
    count: Mapped[float] = mapped_column(Float)
    sum: Mapped[float] = mapped_column(Float)
    minimum: Mapped[float] = mapped_column(Float)
    maximum: Mapped[float] = mapped_column(Float)
    histogram: Mapped[dict[str, float]] = mapped_column(Json)

    __table_args__ = (Index("metric_minutes_age", "minute"),)
