"""How long a file takes to be checked, and how hostile files are answered."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Promised, at_most, cpu_seconds

STEP = "  - charge: {current: 0.1 mA/cm2, to: 4.1 V, for: 5 h, hold_until: current < 0.02 mA/cm2}\n"
HEAD = "labctl: 1\nname: Long\nlimits: {voltage: [3 V, 4.2 V]}\nsteps:\n"
HOSTILE = {
    "brackets": "labctl: 1\nsteps: " + "[" * 260_000,
    "aliases": "a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n",
    "NUL bytes": "labctl: 1\nname: a\0b\nsteps: []\n",
    "a number of 250 000 digits": f"labctl: 1\nsteps:\n  - rest: {'1' * 250_000} s\n",
    "a file too long": "#" * 2_000_000,
}


def figures() -> Iterator[Promised]:
    """Measure `check`, hostile files, and the command line's start."""
    from labctl.protocol.load import load  # noqa: PLC0415 - imported only when this case runs

    text = HEAD + STEP * 496
    yield at_most(
        "check of a 500-line file",
        100,
        1e3 * min(cpu_seconds(lambda: load(text, "long.yaml", lambda _: None), 1) for _ in range(5)),
        " ms CPU",
    )
    for name, hostile in HOSTILE.items():
        used, memory, code = checked(hostile)
        found = f"{used:.2f} s CPU, {memory:.0f} MB beyond a start, exit code {code}"
        met = used <= 1 and memory <= 100 and code == 1
        yield Promised(f"hostile file: {name}", "1 s CPU, 100 MB, refused", found, met)
    yield at_most("labctl --help", 0.3, least(["-m", "labctl", "--help"]) - least(["-c", "pass"]), " s CPU")


def checked(text: str) -> tuple[float, float, int]:
    """Return CPU time of `labctl check` in s, its peak memory beyond a bare start in MB, and its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hostile.yaml"
        path.write_text(text, encoding="utf-8")
        _, bare_memory, _ = child(["-m", "labctl", "--version"])
        used, memory, code = child(["-m", "labctl", "check", str(path)])
    return used, max(0.0, memory - bare_memory), code


def least(words: list[str]) -> float:
    """Return the least CPU time of three processes, s."""
    return min(child(words)[0] for _ in range(3))


def child(words: list[str]) -> tuple[float, float, int]:
    """Run Python and return its CPU time in s, which others on the machine do not add to, peak memory in MB and exit code."""
    probe = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], capture_output=True); "
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss, done.returncode)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, sys.executable, *words], capture_output=True, text=True, check=True
    )
    used, memory, code = done.stdout.split()
    return float(used), int(memory) / 1024, int(code)
