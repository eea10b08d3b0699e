"""Rig M: safety checks are broken one by one, and the test that stands for each must fail.

    python -m tests.crash.mutants

Every mutation is made in a copy of the sources of its own; what is imported comes from there. A mutation that no test notices
is a check that could be lost without a word. `docs/reference/promises.md` lists them.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.crash.counted import FOLDER, now_and_here
from tests.crash.promises import write

ROOT = Path(__file__).parents[2]
PARTS = ("labctl", "drivers", "simulators", "benchmarks", "tests", "protocols", "docs", "pyproject.toml", "README.md")
WITHIN = 900.0  # s for one test beside other processes
KEPT = FOLDER / "mutants.json"
RUN = "tests/unit/run"
ENGINE = "tests/unit/engine"


@dataclass(frozen=True)
class Mutation:
    """One check that is lost.

    Attributes:
        name: What is lost, in a few words.
        text: As it stands in the sources, once: wherever it moves to.
        instead: What stands there instead.
        caught: The test that fails then.
    """

    name: str
    text: str
    instead: str
    caught: str


MUTATIONS = (
    # the guard
    Mutation("the guard ends with the signal that ends its daemon",
             "    outlive_signals()\n    aside", "    aside", f"{RUN}/test_guard_process.py::test_guard_sigterm"),
    Mutation("the guard waits its turn on a busy machine",
             "        come_first(process.pid)", "        come_first", f"{RUN}/test_guard_process.py"
             "::test_a_guard_comes_before_others_wherever_the_system_shares_out_the_processor"),
    Mutation("the guard gives up after one try",
             "while ward.channels and not self._relieved():", "if ward.channels and not self._relieved():",
             f"{RUN}/test_guard_process.py::test_guard_gives_up"),
    Mutation("the guard leaves a daemon that stands still",
             "            self._daemon.end()\n", "",
             f"{RUN}/test_guard_process.py::test_a_daemon_that_stands_still_is_ended_so_that_its_instrument_is_free"),
    Mutation("a guard that stands still is not replaced",
             "return self.standing < STANDS and unanswered * BEAT < STANDS_SURELY", "return True",
             f"{RUN}/test_guard_process.py::test_frozen_guard"),
    Mutation("what a guard wrote down is taken for any moment",
             "later = entry.monotonic >= monotonic", "later = True",
             f"{RUN}/test_guard_process.py::test_what_a_guard_did_is_a_record"),
    Mutation("a run whose daemon stood still goes on by itself",
             "stood = entry.why == STOOD_STILL", "stood = False",
             f"{RUN}/test_stood_still.py::test_a_run_whose_daemon_stood_still_asks"),
    Mutation("a death is noticed when the disk lets go of its pipes",
             "                if self._daemon.is_dead():\n", "                if False:\n",
             f"{RUN}/test_guard_process.py::test_a_daemon_that_died_while_a_disk_keeps_its_pipes_open_is_noticed"),
    # limits and watch
    Mutation("a voltage beyond its limit is no breach",
             '        (breach, "voltage"),\n', "",
             f"{ENGINE}/test_rows.py::test_a_cell_that_left_its_limits_again_while_a_command_is_out_trips"),
    Mutation("a current that was not set is not noticed",
             'hold = 0.0 if builder.phase == "running" and not settles else OFF_WITHIN', "hold = 1e9",
             f"{ENGINE}/test_rows.py::test_a_row_that_cannot_be_believed_hides_no_current_of_the_wrong_sign"),
    Mutation("the watch forgets the limits of voltage",
             '    shrinking.within("voltage", *envelope.voltage)\n', "",
             "tests/property/engine/test_fold.py::test_rows_inside_the_watch_say_nothing"),
    Mutation("rows that cannot be believed switch nothing off",
             "not (builder.bad.rows >= MOST_BAD or builder.time - since >= LONGEST_BAD)", "True",
             "tests/property/engine/test_fold.py::test_bad_rows_count_nothing_and_end_nothing_and_the_third_switches_off"),
    Mutation("what passed while rows could not be believed is taken for a number",
             "            take_unmeasured(builder, why)\n", "            pass\n",
             f"{RUN}/test_not_measured.py::"
             "test_what_passed_while_rows_could_not_be_believed_lies_inside_the_interval_of_its_step"),
    # the meter
    Mutation("charge is counted from the wrong side of the trapezoid",
             "up = np.maximum(earlier, 0.0) + np.maximum(later, 0.0)", "up = 2.0 * np.maximum(later, 0.0)",
             f"{ENGINE}/test_meter.py::test_charge_is_the_area_under_a_line_split_by_sign"),
    Mutation("the old current is not held until a confirmation",
             "if self._active[at] and not self._fresh[at]:", "if False:",
             f"{ENGINE}/test_meter.py::test_the_old_current_holds_until_the_confirmation"),
    # budgets
    Mutation("budgets forget what may have flowed unseen",
             "np.abs(net) * 3600.0 + scope.unseen", "np.abs(net) * 3600.0",
             "tests/property/engine/test_unseen_charge.py::"
             "test_the_true_charge_lies_inside_the_interval_of_every_step_and_no_budget_is_passed"),
    Mutation("a step that may be done is energised again",
             "    spent = _spent_end(builder)\n", "    spent = None\n",
             "tests/property/engine/test_unseen_charge.py::test_a_step_whose_budget_may_be_used_up_is_not_energised_again"),
    Mutation("blind time ends with the last reading",
             "seconds = max(gap.on_until - builder.time, 0.0)", "seconds = 0.0",
             f"{RUN}/test_stood_still.py::test_without_a_guard_the_output_may_have_been_on_until_it_is_read_back"),
    Mutation("run time 0 moves to where an instrument's own time says that it is",
             "late = max(0.0, moment - self.run_time(replied))", "late = 0.0",
             f"{RUN}/test_run_time.py::test_no_row_stands_later_than_its_reply_came"),
    Mutation("at a rest the current of the step before is counted on",
             "current = 0.0 if at_open_circuit(session.plan, state) else last.current or 0.0", "current = last.current or 0.0",
             f"{RUN}/test_stood_still.py::test_no_charge_is_counted_at_a_rest_of_which_no_row_was_read"),
    Mutation("a step that an instrument went on with by itself is done again",
             "if beyond[0] > WENT_ON * self._shared.clock.speed:", "if False:",
             "tests/system/test_cyclers.py::test_what_an_instrument_went_on_with_by_itself_is_not_done_again"),
    Mutation("a skip takes the step for the one that was seen last",
             'return order.verb in SAFE_FIRST or (order.verb == "skip" and', "return order.verb in SAFE_FIRST or (False and",
             "tests/system/test_cyclers.py::"
             "test_a_skip_of_a_step_that_had_ended_by_itself_books_nothing_on_it_and_skips_no_other"),
    # the executor
    Mutation("a stop waits for the journal before it switches off",
             "off = order.verb not in SAFE_FIRST or await",
             "await self._sink.flush()\n            off = order.verb not in SAFE_FIRST or await",
             f"{RUN}/test_executor.py::test_stop_switches_off_before_anything_is_written"),
    Mutation("a set-point is given before it is recorded",
             "return await self._recorded(run) and await", "return await",
             f"{RUN}/test_executor.py::test_what_led_to_a_set_point_is_committed_before_it_is_given"),
    Mutation("a defect of a driver leaves the output on",
             "            await self.switch_off(run)\n            safe = True\n        except Exception as off:",
             "            safe = True\n        except Exception as off:",
             f"{RUN}/test_executor.py::test_a_defect_of_a_driver_ends_its_run_alone_and_safely"),
    Mutation("the guard is not told what may be on",
             "        self._shared.guard.watch(self.given.name, ward)\n", "        del ward\n",
             f"{RUN}/test_executor.py::test_the_guard_knows_what_may_be_on"),
    Mutation("a set-point of somebody else goes on as ours",
             'state.phase == "running" and is_program_of(executor.journal, run, status) and', 'state.phase == "running" and',
             f"{RUN}/test_recovery.py::test_what_is_not_the_set_point_of_the_run_is_switched_off_before_anything_is_applied"),
    Mutation("a cell that cannot be measured is energised on",
             "return now - self.measured >= ", "return now - self.measured >= 1e9 + ",
             f"{RUN}/test_not_measured.py::test_unreadable_readings"),
    Mutation("a read that is seconds late is taken as it is",
             "        await read_back_all(self._executor, channels, (now - before) / self._clock.speed)\n        return True\n",
             "        return False\n",
             f"{RUN}/test_stood_still.py::test_a_read_that_comes_seconds_late_is_an_outage_of_a_set_point_that_held"),
    # orders
    Mutation("an id that was used is taken for another order", "    if before != request:\n", "    if False:\n",
             "tests/system/test_orders_refused.py::test_another_verb_or_content_under_a_used_id_is_refused_by_name"),
    Mutation("an order is obeyed again under the same id",
             "own = next((record for record in records if record.verb == key.verb), None)", "own, records = None, []",
             "tests/system/test_orders_once.py::test_an_order_is_obeyed_once_wherever_the_daemon_dies[note-over_http]"),
    Mutation("an answer without its body is an answer",
             "    if answer.length:\n", "    if False:\n",
             "tests/unit/control/test_client.py::test_an_answer_of_which_the_body_is_missing_is_asked_for_again"),
    # the store
    Mutation("a journal that lost its end opens without a word",
             "if last < known.commit_id:", "if False:", "tests/unit/store/test_head.py::test_wal_flip_silent"),
    Mutation("an order that somebody altered is taken for whole",
             "if not np.array_equal(sum_of(name, rows), sums[name]):", "if False:",
             "tests/unit/store/test_under_way.py::test_an_altered_order_is_found_and_stays_found"),
    Mutation("an altered order is forgotten with the next opening",
             "stored.get(table.name, sum_of(table.name, () if followed else rows_of(driver, table.name)))",
             "sum_of(table.name, rows_of(driver, table.name))",
             "tests/unit/store/test_under_way.py::test_an_altered_order_is_found_and_stays_found"),
    Mutation("a run goes on from a checkpoint that somebody altered",
             "if digest and made != digest:", "if False:",
             "tests/unit/run/test_resumed_from.py::test_what_was_altered_is_found_before_anything_is_applied[what the step has had]"),
    Mutation("a commit is acknowledged before it is on the disk",
             'connection.execute("PRAGMA synchronous = FULL")', 'connection.execute("PRAGMA synchronous = NORMAL")',
             "tests/unit/store/test_journal.py::test_the_database_is_as_the_promises_need_it"),
)  # fmt: skip


def places(mutation: Mutation, root: Path = ROOT) -> list[Path]:
    """Return the file, below a root, in which the text stands, once for each time that it does: one, if all is well."""
    files = sorted((root / "labctl").rglob("*.py"))
    return [file.relative_to(root) for file in files for _ in range(file.read_text("utf-8").count(mutation.text))]


def copy(folder: Path) -> None:
    """Copy the sources and tests into a folder."""
    skip = shutil.ignore_patterns("__pycache__", ".hypothesis", ".pytest_cache")
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=skip)
        else:
            shutil.copy(source, folder / name)


def put(file: Path, text: str) -> None:
    """Write a module, and forget what was compiled of it: by its time alone a second change could be missed."""
    file.write_text(text, "utf-8")
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
        compiled.unlink()


def caught(folder: Path, mutation: Mutation) -> tuple[bool, str]:
    """Break a copy of the sources; tell whether the test fails there, and what it said last."""
    (place,) = places(mutation, folder)
    file = folder / place
    whole = file.read_text("utf-8")
    put(file, whole.replace(mutation.text, mutation.instead))
    try:
        return _fails(folder, mutation.caught)
    finally:
        put(file, whole)


def _fails(folder: Path, test: str) -> tuple[bool, str]:
    paths = os.pathsep.join(str(folder / part) for part in ("", "drivers", "simulators"))
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
    done = subprocess.run(
        words, cwd=folder, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False,
        timeout=WITHIN,
    )  # fmt: skip
    return done.returncode == 1, done.stdout[-1500:]  # 1: a test failed; anything else is no answer


def known() -> dict[str, dict[str, object]]:
    """Return what came of each mutation when it was tried last."""
    return json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}


def keep(mutation: Mutation, *, ok: bool) -> None:
    """Note what came of one, and write the list of all."""
    date, commit = now_and_here()
    found = {**known(), mutation.name: {"caught": ok, "by": mutation.caught, "date": date, "commit": commit}}
    there = {each.name: found[each.name] for each in MUTATIONS if each.name in found}
    KEPT.write_text(json.dumps(there, indent=1) + "\n", "utf-8")
    write("mutants", written())


def written() -> str:
    """Return the list for the page of promises: what came of each the last time that it was tried."""
    found = known()
    lines = [
        f"{sum(bool(found.get(each.name, {}).get('caught')) for each in MUTATIONS)} of {len(MUTATIONS)} were caught.",
        "",
    ]
    lines += ["| what is lost | the test that fails | |", "|---|---|---|"]
    for each in MUTATIONS:
        tried = found.get(each.name)
        came = (
            "not tried"
            if tried is None or tried["by"] != each.caught
            else "caught"
            if tried["caught"]
            else "**missed**"
        )
        lines.append(f"| {each.name} | `{each.caught}` | {came} |")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Try every mutation; return the exit code."""
    asked = argparse.ArgumentParser(prog="python -m tests.crash.mutants", description=__doc__)
    asked.add_argument("--only", default="", help="part of a name")
    asked.add_argument("--after", type=int, default=0, help="leave out so many at the begin")
    asked.add_argument(
        "--write", action="store_true", help="keep what came of each in tests/crash/counted and in the page"
    )
    given = asked.parse_args(words)
    chosen = [each for each in MUTATIONS[given.after :] if given.only in each.name]
    results: list[tuple[Mutation, bool]] = []
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        copy(Path(name))
        for number, mutation in enumerate(chosen, 1):
            ok, last = caught(Path(name), mutation)
            results.append((mutation, ok))
            if given.write:
                keep(mutation, ok=ok)
            left = (time.monotonic() - begin) / number * (len(chosen) - number)
            print(f"{'caught' if ok else 'MISSED'}: {mutation.name} ({mutation.caught}), {left:.0f} s left", flush=True)
            if not ok:
                print(last)
    missed = sum(not ok for _, ok in results)
    print(f"{len(chosen) - missed} of {len(chosen)} mutations caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
