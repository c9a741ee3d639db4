"""Brings a database to the current schema with Alembic, at start."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text

from undercast.store.store import Store

MIGRATIONS = Path(__file__).parent / "migrations"


def head() -> str:
    """The newest revision's id: the greatest number in `migrations/versions`."""
    return max(path.stem.split("_", 1)[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def migrate(store: Store) -> None:
    """Apply the migrations the database has not seen. With none, Alembic is not even imported.

    Raises whatever the database raises; every migration runs in a transaction of its own.
    """
    if _revision(store) == head():
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = store.engine
    command.upgrade(config, "head")


def _revision(store: Store) -> str | None:
    with store.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
