"""A database made at once is the one that the migrations would have made."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

import undercast.store.tables  # noqa: F401 - fills the metadata
from undercast.store import migrate as migrating
from undercast.store.migrate import MIGRATIONS, head, migrate
from undercast.store.store import Store


def schema(store: Store) -> list[tuple[str, str]]:
    with store.engine.connect() as connection:
        rows = connection.execute(
            text("SELECT name, sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name")
        )
        return [(name, " ".join(sql.split())) for name, sql in rows]


def store(folder: Path, name: str) -> Store:
    return Store(f"sqlite:///{folder / name}.db")


def upgrade(database: Store, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = database.engine
    command.upgrade(config, revision)


def test_both_ways_lead_to_one_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stepwise, fresh = store(tmp_path, "stepwise"), store(tmp_path, "fresh")
    upgrade(stepwise, "head")
    # The quick way does without Alembic altogether.
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "alembic", None)
        migrate(fresh)
        migrate(fresh)
    assert schema(fresh) == schema(stepwise)
    assert len(schema(fresh)) > 10
    for database in (fresh, stepwise):
        with database.engine.connect() as connection:
            assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == head()
        migrate(database)  # nothing to do
        database.close()


def test_an_older_database_is_brought_up_with_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = store(tmp_path, "old")
    upgrade(database, "+1")
    with database.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO accounts (account, region, name, created) VALUES (1, '', 'a', 0)")
        )
    scripts = tmp_path / "migrations"
    scripts.mkdir()
    (scripts / "env.py").write_bytes((MIGRATIONS / "env.py").read_bytes())
    (scripts / "versions").mkdir()
    for one in (MIGRATIONS / "versions").glob("*.py"):
        (scripts / "versions" / one.name).write_bytes(one.read_bytes())
    (scripts / "versions" / "9999_later.py").write_text(
        f'from alembic import op\nrevision = "9999"\ndown_revision = "{head()}"\n'
        'def upgrade():\n    op.execute("ALTER TABLE accounts ADD COLUMN later INTEGER DEFAULT 7")\n'
    )
    monkeypatch.setattr(migrating, "MIGRATIONS", scripts)
    migrate(database)
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT name, later FROM accounts")).all() == [("a", 7)]
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"
    database.close()


def test_a_failure_leaves_the_database_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = store(tmp_path, "failed")
    with monkeypatch.context() as broken:
        broken.setattr(migrating, "head", lambda: None)  # NOT NULL fails after all tables were made
        with pytest.raises(Exception, match="NOT NULL"):
            migrating._made_at_once(database)
    assert schema(database) == []
    migrate(database)
    assert schema(database)
    database.close()
