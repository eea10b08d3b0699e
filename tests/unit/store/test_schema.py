"""The tables: pinned, and the same whether made new or migrated."""

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable

from labctl.errors import StoreError
from labctl.store import migrate, schema
from labctl.store.connect import writer_engine

PINNED = Path(__file__).parent / "schema.sql"
MIGRATIONS = Path(schema.__file__).parent / "migrations"


def alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def tables(engine: Engine) -> str:
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type = 'view', name")
        ).scalars()
        return ";\n\n".join(line.replace("\t", "  ").replace(" \n", "\n").strip() for line in found) + ";\n"


def shape(engine: Engine) -> dict[str, object]:
    """Every table's columns in order with kind, null, default and key; whether it has row numbers; indexes and views as text."""
    with engine.connect() as connection:

        def asked(sql: str) -> list[tuple[object, ...]]:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

        names = [str(row[0]) for row in asked("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
        found: dict[str, object] = {name: asked(f"PRAGMA table_xinfo({name})") for name in names}
        found["row numbers"] = asked("SELECT name, wr FROM pragma_table_list WHERE type = 'table' ORDER BY 1")
        found["the rest"] = asked("SELECT name, sql FROM sqlite_master WHERE type <> 'table' ORDER BY 1")
        return found


def migrated(file: Path) -> Engine:
    engine = writer_engine(file)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        migrate.run_migrations(connection, alembic())
        connection.exec_driver_sql("COMMIT")
    return engine


def fresh(file: Path) -> Engine:
    engine = writer_engine(file)
    assert migrate.bring_up_to_date(engine, file) is None
    return engine


def test_a_fresh_database_has_the_pinned_tables(tmp_path: Path) -> None:
    engine = fresh(tmp_path / "a.db")
    found = tables(engine)
    engine.dispose()
    assert found == PINNED.read_text(encoding="utf-8"), "the schema changed: add a migration and pin the new tables"


def test_a_migrated_database_equals_a_fresh_one(tmp_path: Path) -> None:
    one, other = fresh(tmp_path / "a.db"), migrated(tmp_path / "b.db")
    assert shape(other) == shape(one)
    for engine in (one, other):
        with engine.connect() as connection:
            version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
            assert version == schema.SCHEMA_VERSION
        engine.dispose()


def test_the_newest_migration_is_the_schema_s_version() -> None:
    assert ScriptDirectory.from_config(alembic()).get_current_head() == schema.SCHEMA_VERSION


def test_an_up_to_date_database_is_left_alone(tmp_path: Path) -> None:
    engine = fresh(tmp_path / "a.db")
    assert migrate.bring_up_to_date(engine, "a.db") == schema.SCHEMA_VERSION
    engine.dispose()


def test_a_database_of_a_newer_labctl_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    engine = fresh(tmp_path / "a.db")
    with engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    before = tables(engine)
    with pytest.raises(
        StoreError, match=rf"newer labctl: its schema is 9999, this labctl knows up to {schema.SCHEMA_VERSION}"
    ):
        migrate.bring_up_to_date(engine, "a.db")
    with engine.connect() as connection:
        assert not connection.connection.driver_connection.in_transaction  # type: ignore[union-attr]
    assert tables(engine) == before
    engine.dispose()


def test_tables_of_somebody_else_are_refused(tmp_path: Path) -> None:
    engine = writer_engine(tmp_path / "a.db")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE samples (x)")
    with pytest.raises(StoreError, match="not labctl's"):
        migrate.bring_up_to_date(engine, "a.db")
    engine.dispose()


def test_both_databases_have_the_same_columns() -> None:
    for table in schema.metadata.sorted_tables:
        lite = str(CreateTable(table).compile(dialect=sqlite.dialect()))
        big = str(CreateTable(table).compile(dialect=postgresql.dialect()))
        for column in table.columns:
            assert f"\t{column.name} " in lite.replace('"', "")
            assert f"\t{column.name} " in big.replace('"', "")


def test_the_view_has_every_column_of_the_battery_data_format() -> None:
    wanted = ["test_time_second", "voltage_volt", "current_ampere", "unix_time_second", "cycle_count", "step_count"]
    wanted += ["record_index", "step_id", "step_type", "step_time_second", "surface_temperature_celsius", "power_watt"]
    wanted += [
        f"{scope}{kind}_capacity_ah"
        for scope in ("", "step_", "cycle_")
        for kind in ("charging", "discharging", "net", "cumulative")
    ]
    for name in wanted:
        assert f".{name}" in schema.V_SAMPLES or f"AS {name}" in schema.V_SAMPLES
