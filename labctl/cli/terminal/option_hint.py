"""What is said of an option that a verb does not take: what does that here."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

_FILE: Final = frozenset(
    {"--protocol", "--file", "--input", "--in", "-f", "-i", "-p", "--path", "--files", "--protocol-file"}
)
_OUTPUT: Final = frozenset(
    {"-o", "--output", "--out", "--outfile", "--csv", "--save", "--save-as", "--export", "--to-csv", "--xlsx"}
)
_CELLS: Final = frozenset({"-c", "-cell", "--cells", "--cell-file", "--model", "--battery", "--sample"})
_MORE: Final = frozenset({"-v", "-vv", "--verbose", "--debug", "--info", "--log-level"})
_LESS: Final = frozenset({"-q", "--quiet", "--silent", "--no-progress"})
_PLOTS: Final = frozenset({"--plot", "--plots", "--show", "--graph", "--figure", "--fig", "--html", "--pdf", "--png"})
_DRY: Final = frozenset({"--dry-run", "--dry", "-n", "--simulate", "--no-run", "--test"})
_FORCED: Final = frozenset({"-y", "--yes", "--force", "--no-confirm"})
_RUNS: Final = frozenset({"--run", "--run-id", "--uuid", "--number", "-r"})
_ANALYSES: Final = frozenset({"--analysis", "--analyses", "--analyse", "--analyze", "--name", "--names"})
_TIMES: Final = frozenset({"--speed", "--fast", "--clock", "--realtime", "--duration", "--time"})
_OF_PROTOCOLS: Final = frozenset({"check", "plan", "simulate", "start", "queue", "fmt"})
_OF_RUNS: Final = frozenset({"show", "analyse", "report", "export", "verify", "replay", "archive"})


def option_hint(verb: str, words: Sequence[str], known: Collection[str]) -> str:
    """Return what does here what an option was to do that a verb does not take; "" where all are taken, or none is near.

    Args:
        verb: As typed.
        words: Behind it.
        known: The options that it takes.
    """
    for at, word in enumerate(words):
        option, _, stuck = word.partition("=")
        if word == "--":
            return ""
        if dashed := re.match(r"[\u2010-\u2015\u2212]+(?=[A-Za-z])", option):
            return f"{dashed[0]} is a dash of print: write --{option[dashed.end() :]} with two hyphens"
        if not re.match(r"--?[A-Za-z]", option) or option in known:
            continue
        value = stuck or next((each for each in words[at + 1 : at + 2] if not each.startswith("-")), "")
        hints = (_two_hyphens, _own_parameter, _of_files, _of_answers, _of_running)
        if hint := next((hint for rule in hints if (hint := rule(verb, option, value, words, known))), ""):
            return hint
    return ""


def _two_hyphens(verb: str, option: str, value: str, words: Sequence[str], known: Collection[str]) -> str:
    """Find `-cell`, which is a c, an e and so on to a shell, and `--Cell`."""
    del verb, words
    right = next((each for each in known if each in {f"-{option}", option.lower(), option.replace("_", "-")}), "")
    return f"write {right} {value}".rstrip() if right else ""


def _own_parameter(verb: str, option: str, value: str, words: Sequence[str], known: Collection[str]) -> str:
    """Find an option that is named as a parameter of the protocol."""
    if verb not in _OF_PROTOCOLS or "--set" not in known:
        return ""
    name = option.lstrip("-").replace("-", "_")
    files = [word for word in words if word.endswith((".yaml", ".yml"))] or list(words[:1])
    return f"{name} is a parameter: write --set {name}={value or 'VALUE'}" if name in _parameters(files) else ""


def _parameters(files: Sequence[str]) -> set[str]:
    """Return the names of the parameters of the protocols among files."""
    from labctl.inputs import named_file, read_file
    from labctl.protocol.load import read

    names: set[str] = set()
    for file in files:
        try:
            source = read_file(named_file(Path(file)))
        except (OSError, ValueError):
            continue
        protocol = read(source, file).protocol
        names |= {parameter.name for parameter in protocol.parameters} if protocol is not None else set()
    return names


def _of_files(verb: str, option: str, value: str, words: Sequence[str], known: Collection[str]) -> str:
    """Find an option for what stands by itself: the protocol, the run, the analysis; and other names of `--cell`."""
    if verb == "fmt" and option in {"-i", "-w", "--write", "--inplace", "--in-place"}:
        return "leave it out: labctl fmt writes the file in its place; --check writes nothing"
    if verb in _OF_PROTOCOLS and option in _FILE:
        given = words[words.index("--cell") + 1 :][:1] if "--cell" in words else ["CELL"]
        cell = f" --cell {given[0]}" if given and "--cell" in known else ""
        return f"the file stands by itself: labctl {verb} {value or 'FILE'}{cell}"
    if option in _CELLS and "--cell" in known:
        return f"a cell is given with --cell: --cell {value or 'CELL'}"
    if verb in _OF_RUNS and option in _RUNS:
        return f"the run stands by itself: labctl {verb} {value or '1'}"
    if verb == "analyse" and option in _ANALYSES:
        return f"analyses stand by themselves behind the run: labctl analyse 1 {value or 'retention'}"
    if verb in {"start", "simulate"} and option == "--station":
        where = "the daemon knows its station: name the channel" if verb == "start" else "no station is needed"
        return f"{where}; labctl plan takes --channel and --station"
    if option == "--channel" and verb in {"simulate", "fmt"}:
        return f"labctl {verb} needs no channel; labctl plan and check take --channel"
    if option in {"--temperature", "-T", "--temp"}:
        degrees = f"{value} degC" if value.isdigit() else value or "25 degC"
        return f"a temperature is a step of the protocol: - temperature: {degrees}"
    return ""


def _of_answers(verb: str, option: str, value: str, words: Sequence[str], known: Collection[str]) -> str:
    """Find an option for how an answer is given: into a file, as a plot, with more or less words."""
    del words
    if option in _OUTPUT and verb == "simulate":
        return f"rows go into a database: --db FILE, labctl.db without; then labctl export 1 -o {value or 'out.csv'}"
    if option in _OUTPUT and verb in {"start", "queue", "import"}:
        return f"rows go into the journal; afterwards labctl export 1 -o {value or 'out.csv'}"
    if option in _OUTPUT and {"-o", "--output"} & set(known):
        return f"write -o {value or 'FILE'}"
    if option in _OUTPUT:
        asked = ", or --json for programs" if "--json" in known else ""
        return f"the answer is printed: labctl {verb} ... > {value or 'out.txt'} keeps it{asked}"
    if option in _PLOTS:
        return "labctl report 1 -o page.html makes a page with the plots of a run"
    if option in _MORE:
        asked = "; --json has all of it" if "--json" in known else ""
        return f"nothing is held back{asked}" + ("; --log sets what the daemon logs" if "--log" in known else "")
    return "> /dev/null takes the words away; the exit code tells whether it went well" if option in _LESS else ""


def _of_running(verb: str, option: str, value: str, words: Sequence[str], known: Collection[str]) -> str:
    """Find an option for whether something is really done, and how fast."""
    del words, value
    if option in _DRY and verb == "start":
        return "--check looks at everything and starts nothing; labctl simulate runs it on a simulated cell"
    if option in _DRY and verb in {"simulate", "check", "plan"}:
        return f"leave it out: labctl {verb} drives no instrument"
    if option in _FORCED and option not in known:
        return "leave it out: nothing is asked on the command line"
    if option in _TIMES and verb == "simulate":
        return "leave it out: a dry run goes as fast as it can; --clock belongs to labctl serve"
    return ""
