"""Brings a database to the current schema, at start: an empty one at once, an older one with Alembic."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, String, Table, inspect, text

from undercast.store.store import Base, Store

MIGRATIONS = Path(__file__).parent / "migrations"


def head() -> str:
    """The newest revision's id: the greatest number in `migrations/versions`."""
    return max(path.stem.split("_", 1)[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def migrate(store: Store) -> None:
    """Apply the migrations the database has not seen. With none, Alembic is not even imported.

    Raises whatever the database raises; every migration runs in a transaction of its own.
    """
    revision = _revision(store)
    if revision == head() or (revision is None and _made_at_once(store)):
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


def _made_at_once(store: Store) -> bool:
    """Make the newest schema in an empty database, in one transaction; False when it is not empty.

    Alembic would come to the same tables (a test compares them), a third of a second later.
    """
    with store.engine.begin() as connection:
        if inspect(connection).get_table_names():
            return False
        Base.metadata.create_all(connection, checkfirst=False)
        # As Alembic makes it.
        versions = Table(
            "alembic_version",
            MetaData(),
            Column("version_num", String(32), nullable=False),
            PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
        )
        versions.create(connection, checkfirst=False)
        connection.execute(versions.insert().values(version_num=head()))
    return True
