"""The tables, on SQLite and PostgreSQL alike, and the view that has every column of the Battery Data Format.

Names and units are the Battery Data Format's where it has one. Times are seconds, labels are UTC. Text columns named
`data`, `detail`, `figures`, `flags`, `inputs`, `options`, `texts`, `plan`, `request` and `reply` hold JSON. Columns that came
with a later version stand last in their table, as a migration adds them.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

SCHEMA_VERSION = "0003"  # the newest migration

metadata = MetaData()


def _run() -> Column[int]:
    return Column("run_id", Integer, primary_key=True, autoincrement=False)


def _real(name: str, *, null: bool = True) -> Column[float]:
    return Column(name, Double, nullable=null)


def _integer(name: str, *, null: bool = True) -> Column[int]:
    return Column(name, Integer, nullable=null)


def _text(name: str, *, null: bool = True) -> Column[str]:
    return Column(name, Text, nullable=null)


def _key(name: str, kind: type[Integer] = Integer) -> Column[int]:
    return Column(name, kind, primary_key=True, autoincrement=False)


journal = Table(
    "journal", metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    _text("uuid", null=False), _text("machine", null=False),
    Column("began_commit_id", BigInteger, nullable=False), _real("unix_time_second", null=False),
    _text("origin"), _text("detail"),
)  # fmt: skip
channels = Table("channels", metadata, Column("channel", Text, primary_key=True), _text("data", null=False))
cells = Table(
    "cells", metadata,
    Column("hash", Text, primary_key=True), _text("name", null=False), _text("text", null=False),
)  # fmt: skip
protocols = Table(
    "protocols", metadata,
    Column("hash", Text, primary_key=True), _text("name", null=False), _text("text", null=False),
)  # fmt: skip
runs = Table(
    "runs", metadata,
    Column("run_id", Integer, primary_key=True),
    Column("uuid", Text, nullable=False, unique=True), _text("journal", null=False),
    _text("channel"), _text("protocol", null=False), _text("cell", null=False),
    _text("protocol_hash"), _text("cell_hash"),
    _text("activity", null=False), _text("why", null=False), _text("unblock", null=False),
    _real("began_unix_time_second", null=False), _real("ended_unix_time_second"),
    _text("end_reason"), _text("end_why"), _text("started_by", null=False), _integer("resumed_from"),
    _text("options", null=False), _text("software", null=False),
    Column("created_commit_id", BigInteger, nullable=False), _text("texts"),
)  # fmt: skip
plans = Table(
    "plans", metadata,
    _run(), _key("version"), _text("plan", null=False), _text("hash", null=False),
)  # fmt: skip
samples = Table(
    "samples", metadata,
    _run(), _key("record_index", BigInteger), _integer("attempt_id", null=False),
    _real("test_time_second", null=False), _real("voltage_volt"), _real("current_ampere"),
    _real("charging_capacity_ah", null=False), _real("discharging_capacity_ah", null=False),
    _real("surface_temperature_celsius"), Column("quality", SmallInteger, nullable=False),
    _real("charging_energy_wh"), _real("discharging_energy_wh"),
    sqlite_with_rowid=False,
)  # fmt: skip
auxiliary = Table(
    "auxiliary", metadata,
    _run(), _key("record_index", BigInteger), Column("name", String, primary_key=True), _real("value", null=False),
    sqlite_with_rowid=False,
)  # fmt: skip
attempts = Table(
    "attempts", metadata,
    _run(), _key("attempt_id"), _integer("step_count"), _integer("cycle_count"), _integer("step_id"),
    _text("step_type"), _real("begun_test_time_second"), _real("step_time_second"),
    _real("charging_capacity_ah"), _real("discharging_capacity_ah"),
    _real("step_begin_charging_ah"), _real("step_begin_discharging_ah"),
    _real("cycle_begin_charging_ah"), _real("cycle_begin_discharging_ah"),
    _real("charging_energy_wh"), _real("discharging_energy_wh"),
    _real("step_begin_charging_wh"), _real("step_begin_discharging_wh"),
    _real("cycle_begin_charging_wh"), _real("cycle_begin_discharging_wh"), _integer("cycles_completed"),
)  # fmt: skip
steps = Table(
    "steps", metadata,
    _run(), _key("step_count"), _integer("step_id"), _text("step_type"), _text("step_name"), _integer("cycle_count"),
    _real("begin_test_time_second"), _real("end_test_time_second"), _real("step_time_second"),
    _text("end_reason"), _text("end_text"),
    _real("charging_capacity_ah"), _real("discharging_capacity_ah"),
    _real("charging_energy_wh"), _real("discharging_energy_wh"),
    _real("first_voltage_volt"), _real("last_voltage_volt"), _real("last_current_ampere"),
    _real("late_second"), _real("overshoot"),
    _real("bend_angle_degree"), _real("bend_radius_meter"),
    _real("chamber_temperature_celsius"), _real("applied_pressure_pa"),
    Column("first_record", BigInteger), Column("last_record", BigInteger),
    _real("blind_charge_low_ah"), _real("blind_charge_high_ah"),
    _integer("complete"), _integer("cycles_completed"),
)  # fmt: skip
cycles = Table(
    "cycles", metadata,
    _run(), _key("cycle_count"), _text("kind"),
    _real("begin_test_time_second"), _real("end_test_time_second"),
    _real("charging_capacity_ah"), _real("discharging_capacity_ah"),
    _real("charging_energy_wh"), _real("discharging_energy_wh"),
    _real("coulombic_efficiency"), _real("retention"),
    Column("first_record", BigInteger), Column("last_record", BigInteger),
    _integer("complete"), _text("end_reason"), _text("end_text"), _integer("efficiency_cycle"),
    _integer("cycles_completed"),
)  # fmt: skip
spectra = Table(
    "spectra", metadata,
    _run(), _key("spectrum"), _integer("attempt_id"), _integer("step_count"), _integer("cycle_count"),
    _real("begin_test_time_second"), _real("end_test_time_second"), _integer("points"), _integer("complete"),
    _integer("cycles_completed"),
)  # fmt: skip
spectrum_points = Table(
    "spectrum_points", metadata,
    _run(), _key("attempt_id"), _key("point"), _real("test_time_second", null=False),
    _real("frequency_hertz", null=False), _real("real_impedance_ohm"), _real("imaginary_impedance_ohm"),
    _real("voltage_volt"), _real("current_ampere"),
    sqlite_with_rowid=False,
)  # fmt: skip
events = Table(
    "events", metadata,
    _run(), _key("seq"), Column("record_index", BigInteger, nullable=False), _real("test_time_second", null=False),
    _text("kind", null=False), _text("data", null=False),
)  # fmt: skip
inputs = Table(
    "inputs", metadata,
    _run(), _key("seq"), Column("record_index", BigInteger, nullable=False), _text("kind", null=False),
    _text("data", null=False),
)  # fmt: skip
results = Table(
    "results", metadata,
    _run(), Column("name", String, primary_key=True), _key("cycle_count"), _real("value"), _text("unit"),
    Column("record_index", BigInteger), _integer("cycles_completed"),
    _text("method"), _text("version"), _text("flags"),
)  # fmt: skip
analyses = Table(
    "analyses", metadata,
    _run(), Column("analysis", String, primary_key=True), Column("options", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("record_index", BigInteger), _real("unix_time_second"),
    _text("inputs", null=False), _text("figures", null=False), _text("flags", null=False), _text("data"),
)  # fmt: skip
checkpoints = Table(
    "checkpoints", metadata,
    _run(), Column("commit_id", BigInteger, nullable=False), Column("record_index", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False), Column("source", LargeBinary),
)  # fmt: skip
archives = Table(
    "archives", metadata,
    _run(), _text("file", null=False), _text("hash", null=False), Column("last_record", BigInteger, nullable=False),
    _real("test_time_second", null=False),
)  # fmt: skip
orders = Table(
    "orders", metadata,
    Column("channel", String, primary_key=True), Column("order_id", String, primary_key=True),
    Column("verb", String, primary_key=True), _integer("run_id"), _real("unix_time_second", null=False),
    _text("request", null=False), _text("reply"),
)  # fmt: skip
queue = Table(
    "queue", metadata,
    Column("uuid", String, primary_key=True), _text("channel", null=False), _integer("position", null=False),
    _real("begin_unix_time_second"), _real("queued_unix_time_second", null=False), _text("queued_by", null=False),
    Column("after_commit_id", BigInteger, nullable=False), _text("data", null=False),
)  # fmt: skip
under_way = Table(
    "under_way", metadata,
    Column("name", String, primary_key=True), Column("commit_id", BigInteger, nullable=False),
    Column("sum", LargeBinary, nullable=False),
)  # fmt: skip
cursors = Table(
    "cursors", metadata,
    Column("reader", String, primary_key=True), Column("commit_id", BigInteger, nullable=False),
    Column("chain", LargeBinary),
)  # fmt: skip
commits = Table(
    "commits", metadata,
    _key("commit_id", BigInteger), _real("unix_time_second", null=False), Column("chain", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")), Column("under_way", LargeBinary),
)  # fmt: skip
commit_runs = Table(
    "commit_runs", metadata,
    _key("commit_id", BigInteger), _run(),
    Column("first_record", BigInteger), Column("last_record", BigInteger),
    _integer("first_event"), _integer("last_event"), _integer("first_input"), _integer("last_input"),
    Column("digest", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)  # fmt: skip

V_SAMPLES = """\
CREATE VIEW v_samples AS
SELECT
  s.run_id,
  s.record_index,
  s.test_time_second,
  r.began_unix_time_second + s.test_time_second AS unix_time_second,
  s.voltage_volt,
  s.current_ampere,
  a.cycle_count,
  a.cycles_completed,
  a.step_count,
  a.step_id,
  a.step_type,
  a.step_time_second + (s.test_time_second - a.begun_test_time_second) AS step_time_second,
  s.surface_temperature_celsius,
  s.voltage_volt * s.current_ampere AS power_watt,
  s.charging_capacity_ah,
  s.discharging_capacity_ah,
  s.charging_capacity_ah - s.discharging_capacity_ah AS net_capacity_ah,
  s.charging_capacity_ah + s.discharging_capacity_ah AS cumulative_capacity_ah,
  s.charging_capacity_ah - a.step_begin_charging_ah AS step_charging_capacity_ah,
  s.discharging_capacity_ah - a.step_begin_discharging_ah AS step_discharging_capacity_ah,
  (s.charging_capacity_ah - a.step_begin_charging_ah)
    - (s.discharging_capacity_ah - a.step_begin_discharging_ah) AS step_net_capacity_ah,
  (s.charging_capacity_ah - a.step_begin_charging_ah)
    + (s.discharging_capacity_ah - a.step_begin_discharging_ah) AS step_cumulative_capacity_ah,
  s.charging_capacity_ah - a.cycle_begin_charging_ah AS cycle_charging_capacity_ah,
  s.discharging_capacity_ah - a.cycle_begin_discharging_ah AS cycle_discharging_capacity_ah,
  (s.charging_capacity_ah - a.cycle_begin_charging_ah)
    - (s.discharging_capacity_ah - a.cycle_begin_discharging_ah) AS cycle_net_capacity_ah,
  (s.charging_capacity_ah - a.cycle_begin_charging_ah)
    + (s.discharging_capacity_ah - a.cycle_begin_discharging_ah) AS cycle_cumulative_capacity_ah,
  s.charging_energy_wh,
  s.discharging_energy_wh,
  s.charging_energy_wh - s.discharging_energy_wh AS net_energy_wh,
  s.charging_energy_wh + s.discharging_energy_wh AS cumulative_energy_wh,
  s.charging_energy_wh - a.step_begin_charging_wh AS step_charging_energy_wh,
  s.discharging_energy_wh - a.step_begin_discharging_wh AS step_discharging_energy_wh,
  (s.charging_energy_wh - a.step_begin_charging_wh)
    - (s.discharging_energy_wh - a.step_begin_discharging_wh) AS step_net_energy_wh,
  (s.charging_energy_wh - a.step_begin_charging_wh)
    + (s.discharging_energy_wh - a.step_begin_discharging_wh) AS step_cumulative_energy_wh,
  s.charging_energy_wh - a.cycle_begin_charging_wh AS cycle_charging_energy_wh,
  s.discharging_energy_wh - a.cycle_begin_discharging_wh AS cycle_discharging_energy_wh,
  (s.charging_energy_wh - a.cycle_begin_charging_wh)
    - (s.discharging_energy_wh - a.cycle_begin_discharging_wh) AS cycle_net_energy_wh,
  (s.charging_energy_wh - a.cycle_begin_charging_wh)
    + (s.discharging_energy_wh - a.cycle_begin_discharging_wh) AS cycle_cumulative_energy_wh,
  s.attempt_id,
  s.quality,
  r.uuid AS run_uuid,
  r.channel,
  r.cell,
  r.protocol
FROM samples s
JOIN runs r ON r.run_id = s.run_id
LEFT JOIN attempts a ON a.run_id = s.run_id AND a.attempt_id = s.attempt_id"""

V_SPECTRUM_POINTS = """\
CREATE VIEW v_spectrum_points AS
SELECT
  p.run_id,
  x.spectrum,
  p.point,
  p.test_time_second,
  r.began_unix_time_second + p.test_time_second AS unix_time_second,
  p.frequency_hertz,
  p.real_impedance_ohm,
  p.imaginary_impedance_ohm,
  p.voltage_volt,
  p.current_ampere,
  x.cycle_count,
  x.cycles_completed,
  x.step_count,
  a.step_id,
  p.attempt_id
FROM spectrum_points p
JOIN runs r ON r.run_id = p.run_id
LEFT JOIN spectra x ON x.run_id = p.run_id AND x.attempt_id = p.attempt_id
LEFT JOIN attempts a ON a.run_id = p.run_id AND a.attempt_id = p.attempt_id"""

VIEWS = (V_SAMPLES, V_SPECTRUM_POINTS)
# As text, since SQLAlchemy's `postgresql_where` would load that dialect into every process that only reads a journal.
INDEXES = (
    "CREATE UNIQUE INDEX one_active_run_a_channel ON runs (journal, channel) WHERE ended_unix_time_second IS NULL",
)
SAMPLE_COLUMNS = tuple(column.name for column in samples.columns)
