"""The durable queue: put inside a transaction, claimed under a lease, gone only when done.

A worker that dies leaves its lease behind; the message is claimed again when the lease has run out, or at
once when the server starts anew (`release_all`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from undercast.store.store import Store
from undercast.store.tables.queue import QueuedMessage


class Queue:
    """Messages of one topic."""

    def __init__(self, store: Store, topic: str) -> None:
        self.store = store
        self.topic = topic

    def put(
        self,
        session: Session,
        *,
        account: str,
        region: str,
        body: bytes,
        key: str = "",
        attributes: dict[str, Any] | None = None,
        delay_s: float = 0.0,
    ) -> QueuedMessage:
        """Add a message; durable when the caller's transaction commits."""
        now = time.time()
        message = QueuedMessage(
            topic=self.topic,
            account=account,
            region=region,
            key=key,
            body=body,
            attributes=attributes or {},
            created=now,
            due=now + delay_s,
        )
        session.add(message)
        return message

    def claim(self, limit: int, lease_s: float, exclude_keys: Sequence[str] = ()) -> list[QueuedMessage]:
        """Take up to `limit` due messages, oldest first, for `lease_s` seconds."""
        now = time.time()
        with self.store.write() as session:
            query = (
                select(QueuedMessage)
                .where(
                    QueuedMessage.topic == self.topic,
                    QueuedMessage.due <= now,
                    QueuedMessage.leased_until <= now,
                )
                .order_by(QueuedMessage.due, QueuedMessage.id)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            if exclude_keys:
                query = query.where(QueuedMessage.key.not_in(exclude_keys))
            messages = list(session.scalars(query))
            for message in messages:
                message.leased_until = now + lease_s
        return messages

    def done(self, *ids: int) -> None:
        """Delete messages that have been worked on."""
        with self.store.write() as session:
            session.execute(delete(QueuedMessage).where(QueuedMessage.id.in_(ids)))

    def retry(self, id: int, *, delay_s: float, count_attempt: bool = True) -> None:
        """Give a message back, due again after `delay_s` seconds."""
        with self.store.write() as session:
            values: dict[str, Any] = {"due": time.time() + delay_s, "leased_until": 0.0}
            if count_attempt:
                values["attempts"] = QueuedMessage.attempts + 1
            session.execute(update(QueuedMessage).where(QueuedMessage.id == id).values(**values))

    def release_all(self) -> None:
        """Void every lease: nobody else can be working on them when a server has just started."""
        with self.store.write() as session:
            session.execute(
                update(QueuedMessage)
                .where(QueuedMessage.topic == self.topic, QueuedMessage.leased_until > 0)
                .values(leased_until=0.0)
            )

    def next_due(self) -> float | None:
        """When the next unclaimed message is due (Unix time), or None when there is none."""
        with self.store.read() as session:
            return session.scalar(
                select(func.min(func.max(QueuedMessage.due, QueuedMessage.leased_until))).where(
                    QueuedMessage.topic == self.topic
                )
                if self.store.sqlite
                else select(func.min(func.greatest(QueuedMessage.due, QueuedMessage.leased_until))).where(
                    QueuedMessage.topic == self.topic
                )
            )
