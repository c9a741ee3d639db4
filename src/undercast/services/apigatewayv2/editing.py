"""Changing an API: one transaction, then whatever serves requests learns of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from undercast.services.apigatewayv2 import deploying, records
from undercast.services.apigatewayv2.serving.directory import Directory
from undercast.services.base import Call
from undercast.store.store import Store
from undercast.store.tables.apigatewayv2 import HttpApi


class Editing:
    """The way every resource reads and changes an API."""

    def __init__(self, store: Store, directory: Directory) -> None:
        self.store = store
        self.directory = directory

    @contextmanager
    def read(self, call: Call, api_id: str) -> Iterator[tuple[Session, HttpApi]]:
        """A session and the caller's API. Raises NotFoundException."""
        with self.store.read() as session:
            yield session, records.api(session, call, api_id)

    @contextmanager
    def change(self, call: Call, api_id: str, *, deploys: bool = True) -> Iterator[tuple[Session, HttpApi]]:
        """A session that is committed at the end. `deploys`: stages with AutoDeploy follow the change."""
        with self.store.write() as session:
            api = records.api(session, call, api_id)
            yield session, api
            if deploys:
                deploying.automatically(session, api)
        self.directory.refresh(api_id)
