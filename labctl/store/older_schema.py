"""Read a journal of an older labctl as it is, without changing it: what it lacks is shown as null by temporary views."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Table

from labctl.errors import StoreError
from labctl.store.schema import SCHEMA_VERSION, VIEWS, metadata


def show_as_today(connection: sqlite3.Connection, file: Path) -> None:
    """Lay views of today's columns over the tables of an older journal, for this connection alone.

    Only the journal's writer changes a file to the newest schema; whoever reads an old one, on a read-only disk perhaps, sees
    the columns that it lacks as null, or as their default.

    Args:
        connection: That reads the journal.
        file: For messages.

    Raises:
        StoreError: The journal was written by a newer labctl.
    """
    version = _version(connection)
    if version is None or version == SCHEMA_VERSION:
        return
    if version > SCHEMA_VERSION:
        raise StoreError(newer(file, version))
    connection.execute("PRAGMA temp_store = MEMORY")
    for table in metadata.sorted_tables:
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")}
        if missing := [name for name in table.columns.keys() if name not in columns]:  # noqa: SIM118 - a collection of columns
            shown = ", ".join(_shown(table, missing))
            source = f"FROM main.{table.name}" if columns else "WHERE 0"  # a table that is not there has no rows
            connection.execute(f"CREATE TEMP VIEW {table.name} AS SELECT {shown} {source}")
    for view in VIEWS:
        connection.execute(view.replace("CREATE VIEW", "CREATE TEMP VIEW", 1))


def _version(connection: sqlite3.Connection) -> str | None:
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if there else None
    return None if row is None else str(row[0])


def _shown(table: Table, missing: list[str]) -> Iterator[str]:
    for column in table.columns:
        if column.name not in missing:
            yield column.name
        else:
            default = column.server_default
            yield f"{'NULL' if default is None else default.arg} AS {column.name}"  # type: ignore[attr-defined]


def newer(where: Path | str, version: str) -> str:
    """Return what is said of a database that a newer labctl wrote."""
    return (
        f"{where} was written by a newer labctl: its schema is {version}, this labctl knows up to {SCHEMA_VERSION}; nothing "
        "was changed. Install the newer labctl again, or open a backup that was made before it"
    )
