"""Questions to a journal's file or to its copy in PostgreSQL, answered as plain rows with names.

A journal's file is asked through SQLite's own driver: with SQLAlchemy between, a small question took several times as long.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, PoolProxiedConnection

from labctl.store import queries
from labctl.store.connect import reader_engine, told


class Questions:
    """A connection for reading, opened with the first question.

    Attributes:
        dialect: `sqlite` or `postgresql`.
        held: All questions see the store as it was at the first of them, see `snapshot`.
    """

    def __init__(self, where: Path | str) -> None:
        """Ask a journal's file, or a PostgreSQL URL."""
        self._where = where
        self._engine = reader_engine(where)
        self.dialect = self._engine.dialect.name
        self._pooled: PoolProxiedConnection | None = None
        self._snapshot: Connection | None = None

    def close(self) -> None:
        """Close; safe to repeat."""
        if self._pooled is not None:
            self._pooled.close()
            self._pooled = None
        self._engine.dispose()

    def rows(self, sql: str, values: Mapping[str, object]) -> list[Any]:
        """Return all rows of a query with named parameters (`:name`), each a tuple whose fields are named after the columns."""
        with self.cursor(sql, values) as cursor:
            return list(map(_row(tuple(column[0] for column in cursor.description)), cursor))

    @contextmanager
    def cursor(self, sql: str, values: Mapping[str, object]) -> Iterator[Any]:
        """Give the driver's cursor over the rows of a query.

        Raises:
            StoreError: The store does not answer.
        """
        with told(self._where):
            if self.dialect == "sqlite":
                yield self._driver().execute(sql, values)
            elif self._snapshot is not None:
                yield self._snapshot.execute(queries.prepared(sql), values).cursor
            else:
                with self._engine.connect() as connection:
                    yield connection.execute(queries.prepared(sql), values).cursor

    @property
    def held(self) -> bool:
        """Tell whether a snapshot is looked at."""
        return self._snapshot is not None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all questions of a block see the store as it is at the first; for a moment, since its log grows meanwhile."""
        with told(self._where), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            self._snapshot = connection
            try:
                yield
            finally:
                self._snapshot = None
                connection.exec_driver_sql("COMMIT")

    def _driver(self) -> sqlite3.Connection:
        if self._pooled is None:
            self._pooled = self._engine.raw_connection()  # the only one there is: a snapshot is of the same
        return cast(sqlite3.Connection, self._pooled.driver_connection)


@lru_cache(512)
def _row(names: tuple[str, ...]) -> Callable[[Iterable[object]], Any]:
    """Return what makes a tuple with these names; one that is no name, as `count(*)`, is reached by its place alone."""
    kind = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # noqa: PYI024 - known as it is asked
    return partial(tuple.__new__, kind)
