"""The EC2 service: its resources, wired together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from undercast.services.base import Service
from undercast.services.ec2.estate import Estate
from undercast.services.ec2.tags import Tags

if TYPE_CHECKING:
    from undercast.cloud import Cloud


class Ec2(Service):
    """Holds the estate and every resource module; the modules find each other through it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.estate = Estate(cloud.store)
        self.tags = Tags(self.estate)
        super().__init__("ec2", [self.tags])

    def reset(self, session: Session, account: str) -> None:
        self.estate.erase(session, account)

    async def after_reset(self, account: str) -> None:
        self.estate.forget(account)
