"""CloudWatch metrics: what functions and instances did, by the minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete
from sqlalchemy.orm import Session

from undercast.services.base import Service
from undercast.services.cloudwatch.metrics import Metrics
from undercast.services.cloudwatch.recorder import MetricRecorder
from undercast.store.store import Store
from undercast.store.tables.metrics import MetricMinute

if TYPE_CHECKING:
    from undercast.cloud import Cloud

__all__ = ["MetricRecorder", "build"]


class CloudWatchService(Service):
    """The service `cloudwatch`."""

    def __init__(self, store: Store, recorder: MetricRecorder) -> None:
        self._recorder = recorder
        super().__init__("cloudwatch", [Metrics(store, recorder)])

    async def start(self) -> None:
        await self._recorder.start()

    async def stop(self) -> None:
        await self._recorder.stop()

    def reset(self, session: Session, account: str) -> None:
        session.execute(delete(MetricMinute).where(MetricMinute.account == account))


def build(cloud: Cloud) -> Service:
    """The service, and `cloud.metrics`."""
    cloud.metrics = MetricRecorder(cloud.store)
    return CloudWatchService(cloud.store, cloud.metrics)
