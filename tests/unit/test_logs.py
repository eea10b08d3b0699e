"""The log is bounded and nobody else writes lines of it."""

import json
import logging
import sys

from labctl.logs import OFTEN, PERIOD, Plain, Seldom, Structured, log_to


def record(message, *values, level=logging.WARNING):
    return logging.LogRecord("labctl", level, "file", 1, message, values, None)


def test_a_flood_of_one_kind_is_counted_and_not_written():
    now = [0.0]
    seldom = Seldom(lambda: now[0])
    written = [seldom.filter(record("rejected %s", number)) for number in range(1000)]
    assert sum(written) == OFTEN
    assert seldom.filter(record("something else"))
    now[0] = PERIOD
    last = record("rejected %s", 1000)
    assert seldom.filter(last)
    assert last.getMessage() == f"rejected 1000 (990 more like this in the last {PERIOD:g} s)"
    after = record("rejected %s", 1001)
    assert seldom.filter(after)
    assert after.getMessage() == "rejected 1001"


def test_control_characters_are_shown():
    line = Plain("%(message)s").format(record("note %s", "a\x1b[2J\nERROR forged"))
    assert line == "note a\\x1b[2J\\nERROR forged"


def test_the_file_is_rotated(tmp_path, monkeypatch):
    monkeypatch.setattr("labctl.logs.LARGEST", 2000)
    root = logging.getLogger()
    before, level, raising = list(root.handlers), root.level, logging.raiseExceptions
    try:
        log_to(tmp_path)
        for number in range(200):
            logging.getLogger("labctl.test").warning(f"line {number} " + "x" * 100)  # noqa: G003 - each a kind of its own
    finally:
        for handler in [each for each in root.handlers if each not in before]:
            root.removeHandler(handler)
            handler.close()
        root.setLevel(level)
        logging.raiseExceptions = raising
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["daemon.log", *(f"daemon.log.{n}" for n in range(1, 5))]
    assert sum(file.stat().st_size for file in files) <= 5 * 2000


def test_a_structured_line_is_one_json_object_whatever_the_text(tmp_path):
    try:
        int("a\nb")
    except ValueError:
        failed = logging.LogRecord(
            "labctl.run", logging.ERROR, "file", 1, "note %s", ("\x1b[2J\nERROR µ",), sys.exc_info()
        )
    failed.created = 1_795_255_200.25
    (line,) = Structured().format(failed).split("\n")
    told = json.loads(line)
    assert (told["time"], told["level"], told["room"]) == ("2026-11-21T10:00:00.250Z", "error", "labctl.run")
    assert told["message"] == "note \x1b[2J\nERROR µ"
    assert "ValueError: invalid literal" in told["trace"]
