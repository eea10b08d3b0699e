CREATE TABLE alembic_version (
  version_num VARCHAR(32) NOT NULL,
  CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE analyses (
  run_id INTEGER NOT NULL,
  analysis VARCHAR NOT NULL,
  options VARCHAR NOT NULL,
  version VARCHAR NOT NULL,
  record_index BIGINT,
  unix_time_second DOUBLE,
  inputs TEXT NOT NULL,
  figures TEXT NOT NULL,
  flags TEXT NOT NULL,
  data TEXT,
  PRIMARY KEY (run_id, analysis, options, version)
);

CREATE TABLE archives (
  run_id INTEGER NOT NULL,
  file TEXT NOT NULL,
  hash TEXT NOT NULL,
  last_record BIGINT NOT NULL,
  test_time_second DOUBLE NOT NULL,
  PRIMARY KEY (run_id)
);

CREATE TABLE attempts (
  run_id INTEGER NOT NULL,
  attempt_id INTEGER NOT NULL,
  step_count INTEGER,
  cycle_count INTEGER,
  step_id INTEGER,
  step_type TEXT,
  begun_test_time_second DOUBLE,
  step_time_second DOUBLE,
  charging_capacity_ah DOUBLE,
  discharging_capacity_ah DOUBLE,
  step_begin_charging_ah DOUBLE,
  step_begin_discharging_ah DOUBLE,
  cycle_begin_charging_ah DOUBLE,
  cycle_begin_discharging_ah DOUBLE,
  charging_energy_wh DOUBLE,
  discharging_energy_wh DOUBLE,
  step_begin_charging_wh DOUBLE,
  step_begin_discharging_wh DOUBLE,
  cycle_begin_charging_wh DOUBLE,
  cycle_begin_discharging_wh DOUBLE,
  cycles_completed INTEGER,
  PRIMARY KEY (run_id, attempt_id)
);

CREATE TABLE auxiliary (
  run_id INTEGER NOT NULL,
  record_index BIGINT NOT NULL,
  name VARCHAR NOT NULL,
  value DOUBLE NOT NULL,
  PRIMARY KEY (run_id, record_index, name)
)
 WITHOUT ROWID;

CREATE TABLE cells (
  hash TEXT NOT NULL,
  name TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (hash)
);

CREATE TABLE channels (
  channel TEXT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (channel)
);

CREATE TABLE checkpoints (
  run_id INTEGER NOT NULL,
  commit_id BIGINT NOT NULL,
  record_index BIGINT NOT NULL,
  state BLOB NOT NULL,
  source BLOB,
  PRIMARY KEY (run_id)
);

CREATE TABLE commit_runs (
  commit_id BIGINT NOT NULL,
  run_id INTEGER NOT NULL,
  first_record BIGINT,
  last_record BIGINT,
  first_event INTEGER,
  last_event INTEGER,
  first_input INTEGER,
  last_input INTEGER,
  digest BLOB NOT NULL,
  PRIMARY KEY (commit_id, run_id)
)
 WITHOUT ROWID;

CREATE TABLE commits (
  commit_id BIGINT NOT NULL,
  unix_time_second DOUBLE NOT NULL,
  chain BLOB NOT NULL,
  version INTEGER DEFAULT 1 NOT NULL,
  under_way BLOB,
  PRIMARY KEY (commit_id)
);

CREATE TABLE cursors (
  reader VARCHAR NOT NULL,
  commit_id BIGINT NOT NULL,
  chain BLOB,
  PRIMARY KEY (reader)
);

CREATE TABLE cycles (
  run_id INTEGER NOT NULL,
  cycle_count INTEGER NOT NULL,
  kind TEXT,
  begin_test_time_second DOUBLE,
  end_test_time_second DOUBLE,
  charging_capacity_ah DOUBLE,
  discharging_capacity_ah DOUBLE,
  charging_energy_wh DOUBLE,
  discharging_energy_wh DOUBLE,
  coulombic_efficiency DOUBLE,
  retention DOUBLE,
  first_record BIGINT,
  last_record BIGINT,
  complete INTEGER,
  end_reason TEXT,
  end_text TEXT,
  efficiency_cycle INTEGER,
  cycles_completed INTEGER,
  PRIMARY KEY (run_id, cycle_count)
);

CREATE TABLE events (
  run_id INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  record_index BIGINT NOT NULL,
  test_time_second DOUBLE NOT NULL,
  kind TEXT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (run_id, seq)
);

CREATE TABLE inputs (
  run_id INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  record_index BIGINT NOT NULL,
  kind TEXT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (run_id, seq)
);

CREATE TABLE journal (
  generation INTEGER NOT NULL,
  uuid TEXT NOT NULL,
  machine TEXT NOT NULL,
  began_commit_id BIGINT NOT NULL,
  unix_time_second DOUBLE NOT NULL,
  origin TEXT,
  detail TEXT,
  PRIMARY KEY (generation)
);

CREATE UNIQUE INDEX one_active_run_a_channel ON runs (journal, channel) WHERE ended_unix_time_second IS NULL;

CREATE TABLE orders (
  channel VARCHAR NOT NULL,
  order_id VARCHAR NOT NULL,
  verb VARCHAR NOT NULL,
  run_id INTEGER,
  unix_time_second DOUBLE NOT NULL,
  request TEXT NOT NULL,
  reply TEXT,
  PRIMARY KEY (channel, order_id, verb)
);

CREATE TABLE plans (
  run_id INTEGER NOT NULL,
  version INTEGER NOT NULL,
  "plan" TEXT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (run_id, version)
);

CREATE TABLE protocols (
  hash TEXT NOT NULL,
  name TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (hash)
);

CREATE TABLE queue (
  uuid VARCHAR NOT NULL,
  channel TEXT NOT NULL,
  position INTEGER NOT NULL,
  begin_unix_time_second DOUBLE,
  queued_unix_time_second DOUBLE NOT NULL,
  queued_by TEXT NOT NULL,
  after_commit_id BIGINT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (uuid)
);

CREATE TABLE results (
  run_id INTEGER NOT NULL,
  name VARCHAR NOT NULL,
  cycle_count INTEGER NOT NULL,
  value DOUBLE,
  unit TEXT,
  record_index BIGINT,
  cycles_completed INTEGER,
  method TEXT,
  version TEXT,
  flags TEXT,
  PRIMARY KEY (run_id, name, cycle_count)
);

CREATE TABLE runs (
  run_id INTEGER NOT NULL,
  uuid TEXT NOT NULL,
  journal TEXT NOT NULL,
  channel TEXT,
  protocol TEXT NOT NULL,
  cell TEXT NOT NULL,
  protocol_hash TEXT,
  cell_hash TEXT,
  activity TEXT NOT NULL,
  why TEXT NOT NULL,
  unblock TEXT NOT NULL,
  began_unix_time_second DOUBLE NOT NULL,
  ended_unix_time_second DOUBLE,
  end_reason TEXT,
  end_why TEXT,
  started_by TEXT NOT NULL,
  resumed_from INTEGER,
  options TEXT NOT NULL,
  software TEXT NOT NULL,
  created_commit_id BIGINT NOT NULL,
  texts TEXT,
  PRIMARY KEY (run_id),
  UNIQUE (uuid)
);

CREATE TABLE samples (
  run_id INTEGER NOT NULL,
  record_index BIGINT NOT NULL,
  attempt_id INTEGER NOT NULL,
  test_time_second DOUBLE NOT NULL,
  voltage_volt DOUBLE,
  current_ampere DOUBLE,
  charging_capacity_ah DOUBLE NOT NULL,
  discharging_capacity_ah DOUBLE NOT NULL,
  surface_temperature_celsius DOUBLE,
  quality SMALLINT NOT NULL,
  charging_energy_wh DOUBLE,
  discharging_energy_wh DOUBLE,
  PRIMARY KEY (run_id, record_index)
)
 WITHOUT ROWID;

CREATE TABLE spectra (
  run_id INTEGER NOT NULL,
  spectrum INTEGER NOT NULL,
  attempt_id INTEGER,
  step_count INTEGER,
  cycle_count INTEGER,
  begin_test_time_second DOUBLE,
  end_test_time_second DOUBLE,
  points INTEGER,
  complete INTEGER,
  cycles_completed INTEGER,
  PRIMARY KEY (run_id, spectrum)
);

CREATE TABLE spectrum_points (
  run_id INTEGER NOT NULL,
  attempt_id INTEGER NOT NULL,
  point INTEGER NOT NULL,
  test_time_second DOUBLE NOT NULL,
  frequency_hertz DOUBLE NOT NULL,
  real_impedance_ohm DOUBLE,
  imaginary_impedance_ohm DOUBLE,
  voltage_volt DOUBLE,
  current_ampere DOUBLE,
  PRIMARY KEY (run_id, attempt_id, point)
)
 WITHOUT ROWID;

CREATE TABLE steps (
  run_id INTEGER NOT NULL,
  step_count INTEGER NOT NULL,
  step_id INTEGER,
  step_type TEXT,
  step_name TEXT,
  cycle_count INTEGER,
  begin_test_time_second DOUBLE,
  end_test_time_second DOUBLE,
  step_time_second DOUBLE,
  end_reason TEXT,
  end_text TEXT,
  charging_capacity_ah DOUBLE,
  discharging_capacity_ah DOUBLE,
  charging_energy_wh DOUBLE,
  discharging_energy_wh DOUBLE,
  first_voltage_volt DOUBLE,
  last_voltage_volt DOUBLE,
  last_current_ampere DOUBLE,
  late_second DOUBLE,
  overshoot DOUBLE,
  bend_angle_degree DOUBLE,
  bend_radius_meter DOUBLE,
  chamber_temperature_celsius DOUBLE,
  applied_pressure_pa DOUBLE,
  first_record BIGINT,
  last_record BIGINT,
  blind_charge_low_ah DOUBLE,
  blind_charge_high_ah DOUBLE,
  complete INTEGER,
  cycles_completed INTEGER,
  PRIMARY KEY (run_id, step_count)
);

CREATE TABLE under_way (
  name VARCHAR NOT NULL,
  commit_id BIGINT NOT NULL,
  sum BLOB NOT NULL,
  PRIMARY KEY (name)
);

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
LEFT JOIN attempts a ON a.run_id = s.run_id AND a.attempt_id = s.attempt_id;

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
LEFT JOIN attempts a ON a.run_id = p.run_id AND a.attempt_id = p.attempt_id;
