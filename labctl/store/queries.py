"""Questions to the journal that other rooms ask through `Reader.query`: SQL stands in this room alone.

Parameters are named (`:run`). All of them are answered by a journal and by its copy in PostgreSQL alike.
"""

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import TextClause, text


@lru_cache(512)
def prepared(sql: str) -> TextClause:
    """Return a question as SQLAlchemy has it: its parameters are looked for once, however often it is asked."""
    return text(sql)


# --- of one run, as people read it ------------------------------------------------------------------------------------

STEPS = """
SELECT step_count, cycle_count, step_type, step_name, begin_test_time_second, step_time_second, end_reason, end_text,
  charging_capacity_ah, discharging_capacity_ah, first_voltage_volt, last_voltage_volt, last_current_ampere, late_second,
  overshoot, first_record, last_record
FROM steps WHERE run_id = :run ORDER BY step_count"""
CYCLES = """
SELECT cycle_count, kind, complete, charging_capacity_ah, discharging_capacity_ah, charging_energy_wh, discharging_energy_wh,
  coulombic_efficiency, retention, end_reason, end_text, first_record, last_record
FROM cycles WHERE run_id = :run ORDER BY cycle_count"""
RESULTS = """
SELECT name, cycle_count, value, unit FROM results AS r WHERE run_id = :run AND (name NOT LIKE '%: %' OR
  cycle_count = (SELECT max(cycle_count) FROM results WHERE run_id = :run AND name = r.name))
ORDER BY name, cycle_count"""  # what an analysis told of a run as it went on, ANALYSIS: FIGURE, is the newest alone
SPECTRA = """
SELECT spectrum, step_count, cycle_count, points, complete, begin_test_time_second
FROM spectra WHERE run_id = :run ORDER BY spectrum"""

NEWEST_ATTEMPTS = """
SELECT attempt_id, cycle_count, cycles_completed, step_count, step_id, step_type, begun_test_time_second, step_time_second
FROM attempts WHERE run_id = :run ORDER BY attempt_id DESC LIMIT 3"""

LAST_RECORD = "SELECT max(record_index) FROM samples WHERE run_id = :run"

# --- of one run, as an analysis wants it ------------------------------------------------------------------------------

RESULT_VALUES = "SELECT name, value, cycle_count FROM results WHERE run_id = :run"
COMPLETE_SPECTRA = """
SELECT x.spectrum, x.attempt_id, x.step_count, x.cycle_count, x.begin_test_time_second, s.chamber_temperature_celsius
FROM spectra x LEFT JOIN steps s ON s.run_id = x.run_id AND s.step_count = x.step_count
WHERE x.run_id = :run AND x.complete = 1 ORDER BY x.spectrum"""
IMPEDANCES = """
SELECT frequency_hertz, real_impedance_ohm, imaginary_impedance_ohm, voltage_volt FROM spectrum_points
WHERE run_id = :run AND attempt_id = :attempt AND real_impedance_ohm IS NOT NULL AND imaginary_impedance_ohm IS NOT NULL
ORDER BY point"""

# --- for those who follow by cursor -----------------------------------------------------------------------------------

POINTS_OF_SPECTRUM = """
SELECT p.frequency_hertz, p.real_impedance_ohm, p.imaginary_impedance_ohm FROM spectrum_points p
JOIN spectra s ON s.run_id = p.run_id AND s.attempt_id = p.attempt_id
WHERE s.run_id = :run AND s.spectrum = :number ORDER BY p.point"""
EVENTFUL = """
SELECT commit_id, run_id, first_event, last_event FROM commit_runs
WHERE commit_id > :after AND commit_id <= :upto AND first_event IS NOT NULL ORDER BY commit_id, run_id"""
NEXT_EVENTFUL = "SELECT min(commit_id) FROM commit_runs WHERE commit_id > :after AND first_event IS NOT NULL"

# --- for alarms -------------------------------------------------------------------------------------------------------

NOTICEABLE = """
SELECT c.commit_id, c.unix_time_second, e.kind, e.data, r.channel, r.protocol, r.cell
FROM commit_runs p JOIN commits c ON c.commit_id = p.commit_id JOIN runs r ON r.run_id = p.run_id
JOIN events e ON e.run_id = p.run_id AND e.seq BETWEEN p.first_event AND p.last_event
WHERE p.commit_id > :after AND p.commit_id <= :upto AND e.kind IN ('activity', 'gap', 'run_ended')
ORDER BY c.commit_id, e.run_id, e.seq"""
ENDED_SINCE = """
SELECT run_id, channel, protocol, cell, end_reason, end_why FROM runs WHERE ended_unix_time_second >= :since
ORDER BY ended_unix_time_second LIMIT :most"""
HEAD = "SELECT commit_id, chain FROM commits ORDER BY commit_id DESC LIMIT 1"
FIRST_COMMIT_AFTER = "SELECT COALESCE(min(commit_id), 0) FROM commits WHERE unix_time_second >= :time"

# --- for pages --------------------------------------------------------------------------------------------------------

CHANNEL_NAMES = "SELECT channel FROM channels"
CHANNEL_OF = "SELECT COALESCE(channel, '') FROM runs WHERE run_id = :run"
LAST_LABEL = "SELECT unix_time_second FROM commits ORDER BY commit_id DESC LIMIT 1"
ROW = """
SELECT record_index, test_time_second, voltage_volt, current_ampere, surface_temperature_celsius, charging_capacity_ah,
  discharging_capacity_ah, charging_energy_wh, discharging_energy_wh
FROM samples WHERE run_id = :run AND record_index = :record"""
ROWS_AT_ONCE = (10, 100)  # so many rows in one question: texts that stay the same are read once by who answers


@lru_cache(maxsize=len(ROWS_AT_ONCE))
def rows_of(count: int) -> str:
    """Return the question for a row of each of several runs: `:run0` and `:record0`, `:run1` ... say which."""
    pairs = ", ".join(f"(:run{at}, :record{at})" for at in range(count))
    return (
        f"WITH wanted (run_id, record_index) AS (VALUES {pairs}) "  # noqa: S608 - numbers of ours
        f"SELECT s.run_id, {', '.join(f's.{name}' for name in columns_of(ROW))} FROM wanted w "
        "JOIN samples s ON s.run_id = w.run_id AND s.record_index = w.record_index"
    )


LAST_ATTEMPT = """
SELECT attempt_id, step_id, step_count, step_type, cycle_count FROM attempts WHERE run_id = :run
ORDER BY attempt_id DESC LIMIT 1"""
STEPS_WITHIN = """
SELECT step_count, step_type, step_name, begin_test_time_second, end_test_time_second, end_text FROM steps
WHERE run_id = :run AND begin_test_time_second <= :end
AND (end_test_time_second IS NULL OR end_test_time_second >= :begin) ORDER BY step_count DESC LIMIT :most"""
CYCLE_OF = """
SELECT cycle_count, first_record, last_record, kind FROM cycles WHERE run_id = :run AND cycle_count = :cycle"""
CYCLE_BEGINS = """
SELECT record_index, data FROM events WHERE run_id = :run AND kind = 'cycle_began' ORDER BY seq DESC LIMIT 3"""
EVENTS_BEFORE = """
SELECT seq, kind, record_index, test_time_second, data FROM events WHERE run_id = :run AND seq < :before
AND kind IN ('run_began', 'run_ended', 'tripped', 'asked', 'diverged', 'order', 'note', 'mark', 'gap', 'fault', 'quality', 'late')
ORDER BY seq DESC LIMIT :most"""
EVENTS_OF_ALL = """
SELECT e.run_id, e.seq, e.kind, e.test_time_second, e.data, r.began_unix_time_second, r.channel, r.uuid, r.protocol, r.cell
FROM events e JOIN runs r ON r.run_id = e.run_id
WHERE e.kind IN ('run_began', 'run_ended', 'tripped', 'asked', 'diverged', 'order', 'note', 'mark', 'gap', 'fault')
AND (e.run_id < :run OR (e.run_id = :run AND e.seq < :seq)) ORDER BY e.run_id DESC, e.seq DESC LIMIT :most"""
CELLS = """
SELECT r.cell, count(*) AS runs, max(r.run_id) AS last_run, min(r.began_unix_time_second) AS first_time,
  max(r.cell_hash) AS cell_hash
FROM runs r GROUP BY r.cell ORDER BY max(r.run_id) DESC LIMIT :most"""
PROTOCOL_TEXT = "SELECT text FROM protocols WHERE hash = :hash"

# --- of runs ----------------------------------------------------------------------------------------------------------

LAST_OF_CHANNELS = "r.run_id IN (SELECT max(run_id) FROM runs WHERE channel IS NOT NULL GROUP BY channel)"


def runs_where(condition: str, *, limited: bool = False) -> str:
    """Return the question for runs, the newest first, each with its last row's number and time (null where it has none).

    Args:
        condition: On the table `runs` as `r`, "" for all.
        limited: At most `:most` of them.
    """
    last = "FROM samples s WHERE s.run_id = r.run_id ORDER BY s.record_index DESC LIMIT 1"
    return (
        f"SELECT r.*, COALESCE((SELECT s.record_index {last}), a.last_record) AS last_record, "  # noqa: S608 - ours
        f"COALESCE((SELECT s.test_time_second {last}), a.test_time_second) AS last_time "
        f"FROM runs r LEFT JOIN archives a ON a.run_id = r.run_id{' WHERE ' if condition else ''}{condition} "
        f"ORDER BY r.run_id DESC{' LIMIT :most' if limited else ''}"
    )


# --- of a channel -----------------------------------------------------------------------------------------------------


def all_of(table: str, order: str) -> str:
    """Return the question for all rows of one run in a table, in the order of a column; both names are the schema's."""
    return f"SELECT * FROM {table} WHERE run_id = :run ORDER BY {order}"  # noqa: S608 - names are ours


def columns_of(question: str) -> list[str]:
    """Return the names of the columns that a question asks for, where it names each plainly."""
    return [name.strip() for name in question.partition("FROM")[0].strip().removeprefix("SELECT ").split(",")]


KNOWN_ANALYSIS = """\
SELECT inputs, figures, flags FROM analyses
WHERE run_id = :run AND analysis = :analysis AND options = :options AND version = :version"""
ANALYSES_OF_RUN = """\
SELECT analysis, options, version, record_index, unix_time_second, inputs, figures, flags FROM analyses
WHERE run_id = :run ORDER BY analysis, options, unix_time_second"""
MACHINES = "SELECT machine FROM journal ORDER BY generation"


def samples_of(columns: Sequence[str]) -> str:
    """Return the question for columns of `samples` in a range of records of a run, in their order."""
    return (
        f"SELECT {', '.join(columns)} FROM samples "  # noqa: S608 - names are ours
        "WHERE run_id = :run AND record_index >= :first AND record_index <= :last ORDER BY record_index"
    )


PLAN = "SELECT plan FROM plans WHERE run_id = :run AND version <= :version ORDER BY version DESC LIMIT 1"
CELL_TEXT = "SELECT c.text FROM cells c JOIN runs r ON r.cell_hash = c.hash WHERE r.run_id = :run"
CORRECTIONS = "SELECT data FROM events WHERE run_id = :run AND kind = 'cell_corrected' ORDER BY seq"
