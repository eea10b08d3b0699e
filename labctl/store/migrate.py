"""Bring a journal, or its copy in PostgreSQL, to the schema of this labctl: all in one transaction, or not at all.

A new database is made from `store.schema` and stamped; an older one goes through the migrations of this package. That both
give the same tables is a test.
"""

from importlib.resources import as_file, files
from pathlib import Path

from sqlalchemy import Column, Connection, Engine, MetaData, PrimaryKeyConstraint, String, Table, inspect, text

from labctl.errors import StoreError
from labctl.store.older_schema import newer
from labctl.store.schema import INDEXES, SCHEMA_VERSION, VIEWS, metadata

UNDER_WAY = ("orders", "queue", "under_way")  # tables that belong to no run's record


def bring_up_to_date(engine: Engine, where: Path | str) -> str | None:
    """Make the tables, or change them to the newest schema, and return the version found before (None: there were none).

    Args:
        engine: Of a connection that may write.
        where: What it is, for messages.

    Raises:
        StoreError: The database is newer than this labctl, or is no journal.
    """
    with engine.connect() as connection:
        _begin(connection)
        version = _version(connection, where)
        if version is None:
            _create(connection)
        elif version != SCHEMA_VERSION:
            _upgrade(connection, version, where)
        connection.exec_driver_sql("COMMIT") if engine.dialect.name == "sqlite" else connection.commit()
    return version


def make_missing(engine: Engine) -> tuple[str, ...]:
    """Make those tables anew that hold what is under way and are gone, so that the runs can go on; return their names.

    Without them no commit with an order can be written. What was in them is not known: whoever opens the journal says so.
    """
    with engine.connect() as connection:
        there = set(inspect(connection).get_table_names())
        gone = tuple(name for name in UNDER_WAY if name not in there)
        for name in gone:
            metadata.tables[name].create(connection)
        connection.commit()
    return gone


def _begin(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:  # two labctl at once on one empty database
        connection.execute(text("SELECT pg_advisory_xact_lock(7106317)"))


def _version(connection: Connection, where: Path | str) -> str | None:
    names = set(inspect(connection).get_table_names())
    if "alembic_version" in names:
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())
    if names & set(metadata.tables):
        raise StoreError(f"{where} has tables of the same names that are not labctl's: {sorted(names)}")
    return None


def _create(connection: Connection) -> None:
    metadata.create_all(connection, checkfirst=False)  # `_version` has looked
    for line in (*INDEXES, *VIEWS):
        connection.execute(text(line))
    stamp = Table(
        "alembic_version", MetaData(), Column("version_num", String(32), nullable=False),
        PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
    )  # fmt: skip
    stamp.create(connection)
    connection.execute(stamp.insert(), {"version_num": SCHEMA_VERSION})


def _upgrade(connection: Connection, version: str, where: Path | str) -> None:
    from alembic.config import Config  # noqa: PLC0415 - a tenth of a second that only an upgrade pays
    from alembic.script import ScriptDirectory  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    with as_file(files("labctl.store") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder))
        try:
            ScriptDirectory.from_config(config).get_revision(version)
        except CommandError as error:
            raise StoreError(newer(where, version)) from error
        run_migrations(connection, config)


def run_migrations(connection: Connection, config: object) -> None:
    """Run Alembic's upgrade on a connection whose transaction is ours."""
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    assert isinstance(config, Config)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
