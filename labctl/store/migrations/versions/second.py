"""The tables of labctl 0.2: columns that those of 0.1 lack. Frozen: journals of trials have them.

A new column stands last in its table, here and in `store.schema`, so that a migrated journal has its columns in the order of a
new one; it may be null or has a default, since the rows of before have none. The views are made anew after the tables.
"""

from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Column, Double, Integer, LargeBinary, MetaData, String, Table, Text, text

revision = "0002"
down_revision = "0001"

# table, column
COLUMNS: tuple[tuple[str, Column[Any]], ...] = (
    ("commits", Column("version", Integer, nullable=False, server_default=text("1"))),  # of the digests
    ("runs", Column("texts", Text)),  # names and digests of all texts that the run was made from
    ("journal", Column("origin", Text)),  # why this generation was begun
    ("journal", Column("detail", Text)),  # what is known of that, JSON
    ("cursors", Column("chain", LargeBinary)),  # of the journal at that commit, for a copy to know it again
    ("steps", Column("blind_charge_low_ah", Double)),  # that may have passed while nobody was reading
    ("steps", Column("blind_charge_high_ah", Double)),
    *((table, Column(f"{side}_energy_wh", Double))
      for table in ("samples", "attempts") for side in ("charging", "discharging")),
    *(("attempts", Column(f"{what}_begin_{side}_wh", Double))
      for what in ("step", "cycle") for side in ("charging", "discharging")),
    *((table, Column("complete", Integer)) for table in ("steps", "cycles")),
    ("cycles", Column("end_reason", Text)), ("cycles", Column("end_text", Text)),
    ("cycles", Column("efficiency_cycle", Integer)),  # whose charge is the denominator
    *((table, Column("cycles_completed", Integer)) for table in ("attempts", "steps", "cycles", "spectra", "results")),
    *(("results", Column(name, Text)) for name in ("method", "version", "flags")),  # of what an analysis gave
)  # fmt: skip
metadata = MetaData()
orders = Table(
    "orders", metadata,
    Column("channel", String, primary_key=True), Column("order_id", String, primary_key=True),
    Column("verb", String, primary_key=True), Column("run_id", Integer),
    Column("unix_time_second", Double, nullable=False), Column("request", Text, nullable=False), Column("reply", Text),
)  # fmt: skip
queue = Table(
    "queue", metadata,
    Column("uuid", String, primary_key=True), Column("channel", Text, nullable=False),
    Column("position", Integer, nullable=False), Column("begin_unix_time_second", Double),
    Column("queued_unix_time_second", Double, nullable=False), Column("queued_by", Text, nullable=False),
    Column("after_commit_id", BigInteger, nullable=False), Column("data", Text, nullable=False),
)  # fmt: skip
analyses = Table(
    "analyses", metadata,
    Column("run_id", Integer, primary_key=True, autoincrement=False), Column("analysis", String, primary_key=True),
    Column("options", String, primary_key=True), Column("version", String, primary_key=True),
    Column("record_index", BigInteger), Column("unix_time_second", Double),
    Column("inputs", Text, nullable=False), Column("figures", Text, nullable=False),
    Column("flags", Text, nullable=False), Column("data", Text),
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


def upgrade() -> None:
    """Add what 0.2 knows more."""
    for view in ("v_samples", "v_spectrum_points"):
        op.execute(f"DROP VIEW {view}")
    for table, column in COLUMNS:
        op.add_column(table, column)
    op.drop_table("orders")  # those of the last day: their ids were of no channel
    metadata.create_all(op.get_bind(), checkfirst=False)
    for view in VIEWS:
        op.execute(view)
