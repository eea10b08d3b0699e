"""The executable: find the verb, import its file alone, run it, and turn errors into exit codes.

Exit code 0 is done, 1 refused or failed with a message on stderr, 2 wrong usage. Nothing is imported before it is
needed, so that `labctl --help` answers at once.
"""

import importlib
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from labctl import __version__
from labctl.control.order_table import ORDERS

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

VERBS: dict[str, dict[str, str]] = {
    "See it work": {
        "demo": "the protocol library on simulated cells, live; --crash kills the daemon half-way and resumes",
        "models": "the simulated cells to practise on",
        "emulate": "an instrument to practise on, in a process of its own",
        "bench": "the figures the project promises, measured here as ratios",
    },
    "Write a protocol": {
        "new": "write a commented protocol, cell or station file to start from",
        "check": "find every error of a file: file, line, column, caret, hint",
        "plan": "expanded steps in amperes, limits, duration, charge, rows, finish date, warnings",
        "simulate": "the dry run on a simulated cell into a database",
        "fmt": "write a protocol in its usual form",
        "schema": "JSON Schema for an editor's completion",
        "explain": "what an error code means",
    },
    "Run it": {
        "serve": "the daemon",
        **{verb: order.about for verb, order in ORDERS.items()},
        "web": "the pages: every channel and run in a browser",
        "notify": "alarms that reach a person; --test tries every route",
        "sentry": "watch another station's pages, and tell people when they fall silent",
        "ack": "say that somebody has seen an alarm",
        "people": "who may see the pages and give orders there",
        "watch": "a live table of channels, fed from MQTT",
        "drivers": "the instrument drivers that are installed",
        "doctor": "what is wrong around the station, and the command that mends it",
    },
    "Afterwards": {
        "runs": "what is in the journal",
        "show": "steps, cycles and results of a run",
        "analyse": "figures of merit of a run",
        "import": "other makers' files as runs: BDF, Neware, EC-Lab, Maccor",
        "export": "BDF CSV, BDF Parquet or plain CSV",
        "report": "a page with the plots of a run",
        "replay": "fold a stored run again and compare every bit",
        "verify": "check the journal: hash chain, gaps, counters",
        "backup": "copy the journal while the daemon goes on, and check the copy",
        "archive": "move the rows of an ended run to a Parquet file, or back",
        "reproduce": "a paper's measurements on simulated cells",
    },
}


QUANTITIES = frozenset({"--mass", "--active-mass", "--area", "--film-thickness"})
NUMBER = re.compile(r"[+-]?[\d.]+([eE][+-]?\d+)?")
WRONG_USAGE = 2
LINEAR_ALGEBRA = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    hold_to_one_thread()
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:2] == ["cell", "correct"]:
        words = words[1:]
    if not words or words[0] in {"-h", "--help", "help"}:
        return told(overview())
    if words[0] in {"-V", "--version"}:
        return told(f"labctl {__version__}")
    command = find(words[0])
    if command is None:
        return unknown(words[0])
    return guarded(lambda: command(words[1:]))


def told(text: str) -> int:
    """Print a text that somebody asked for and return 0, also where a pipe behind it has seen enough."""
    return guarded(lambda: print(text) or 0)


def hold_to_one_thread() -> None:
    """Have linear algebra use one thread in this process and those it starts, unless the environment says otherwise.

    Its libraries read this as numpy is imported. Our matrices are small: a second thread saves nothing, and where the
    cores are taken, one waits for the other at every product, which makes a fit of a spectrum ten times slower.
    """
    for name in LINEAR_ALGEBRA:
        os.environ.setdefault(name, "1")


def overview() -> str:
    """Return the verbs, grouped by what a person is about to do."""
    lines = [f"labctl {__version__}: run battery protocols on instruments and simulated cells", ""]
    lines += ["usage: labctl VERB ...          labctl VERB --help tells more", ""]
    there = available()
    for title, verbs in VERBS.items():
        lines.append(title)
        lines += [f"  {verb:<10} {text}" for verb, text in verbs.items() if verb in there]
        lines.append("")
    return "\n".join([*lines, "First steps: labctl demo, then labctl new protocol mine.yaml"])


def available() -> set[str]:
    """Return the verbs whose file or entry point is installed."""
    return own() | set(installed())


def own() -> set[str]:
    """Return the verbs that have a file beside this one, and the orders, which are made from their table."""
    folder = os.path.dirname(__file__)  # noqa: PTH120 - pathlib costs a tenth of the start-up time
    files = {name[:-3] for name in os.listdir(folder) if name.endswith(".py")}  # noqa: PTH208
    return files - {"__init__", "main", "orders"} | set(ORDERS)


def installed() -> "Mapping[str, EntryPoint]":
    """Return the verbs that other packages bring; looking through all that is installed takes a while."""
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group="labctl.commands")}


def find(verb: str) -> Callable[[Sequence[str]], int] | None:
    """Return what runs a verb with its words, or None."""
    if verb in own():
        return lambda words: own_verb(verb, words)
    if entry := installed().get(verb):
        return lambda words: int(entry.load()(list(words)) or 0)
    return None


def own_verb(verb: str, words: Sequence[str]) -> int:
    """Import one verb's file, or make it from the table of orders, and run it with the words given."""
    import typer

    if verb in ORDERS and not ORDERS[verb].asks:
        from labctl.cli.orders import command_of

        function = command_of(verb)
    else:
        function = importlib.import_module(f"labctl.cli.{verb}").command
    application = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    application.command(name=verb, context_settings={"help_option_names": ["-h", "--help"]})(function)
    try:
        outcome = application(args=with_units(words), prog_name=f"labctl {verb}", standalone_mode=True)
    except SystemExit as ended:
        if ended.code == WRONG_USAGE:
            from labctl.cli.terminal.usage_hint import usage_hint

            known = {option for each in typer.main.get_command(application).params for option in each.opts}
            if hint := usage_hint(verb, words, known):
                print(hint, file=sys.stderr)
        raise
    return int(outcome or 0)


def with_units(words: Sequence[str]) -> list[str]:
    """Return the words with `12.3 mg` behind an option for a quantity as one word, quoted or not."""
    joined: list[str] = []
    for word in words:
        if len(joined) > 1 and joined[-2] in QUANTITIES and NUMBER.fullmatch(joined[-1]) and not word.startswith("-"):
            joined[-1] += f" {word}"
        else:
            joined.append(word)
    return joined


def guarded(run: Callable[[], int]) -> int:
    """Run a verb; print our own errors as messages and return their exit code."""
    try:
        code = ended_with(run)
        sys.stdout.flush()  # a full disk behind it is said here, not by the interpreter as it ends
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"the output cannot be written: {error.strerror or error}", file=sys.stderr)
        return 1
    return code


def ended_with(run: Callable[[], int]) -> int:
    """Run a verb and return its exit code; what it raised and labctl foresees is printed."""
    from labctl.errors import LabctlError

    try:
        return run()
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # the libraries that print end with 1 there, without a word
            raise ended.__context__ from None
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except LabctlError as error:
        from labctl.inputs import printable

        print(printable(str(error), lines=True), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except OSError as error:
        print(refused(error), file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - a defect is told in a line; where it lies goes to a file
        print(defect(error), file=sys.stderr)
        return 1


def refused(error: OSError) -> str:
    """Return what is said of a file that the system refuses; a folder that is missing is named, and how to make it."""
    from errno import EDQUOT, EFBIG, ENOSPC
    from shlex import quote

    if not error.filename:
        full = error.errno in {ENOSPC, EDQUOT, EFBIG}
        return f"the output cannot be written: {error.strerror}" if full else error.strerror or str(error)
    folder = os.path.dirname(str(error.filename))  # noqa: PTH120 - pathlib costs a tenth of the start-up time
    if isinstance(error, FileNotFoundError) and folder and not os.path.isdir(folder):  # noqa: PTH112
        return f"{error.filename}: wanted a folder {folder}, found none; `mkdir -p {quote(folder)}` makes it"
    return f"{error.filename}: {error.strerror or error}"


def defect(error: Exception) -> str:
    """Return what is said of an error that nobody foresaw, and write where it lies to a file that can be sent."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="labctl-", suffix=".txt", delete=False, encoding="utf-8") as file:
        file.write(f"labctl {__version__}, Python {sys.version}\n")
        traceback.print_exception(error, file=file)
    return f"a defect of labctl: {type(error).__name__}: {error}; please report it with {file.name}, which says where"


def unknown(verb: str) -> int:
    """Say that there is no such verb, and which one may have been meant."""
    from labctl.cli.terminal.usage_hint import verb_hint
    from labctl.inputs import printable

    hint = verb_hint(verb, sorted(available()))
    print(
        printable(f"labctl: wanted a verb, found {verb!r}{hint}\nlabctl --help lists them", lines=True), file=sys.stderr
    )
    return 2


if __name__ == "__main__":
    sys.exit(main())
