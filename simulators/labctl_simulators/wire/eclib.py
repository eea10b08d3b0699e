"""The shared library with EClib's C interface, built where it is wanted, from `eclib.c` beside this file."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("eclib.c")


def compiler() -> list[str]:
    """Return the words that run a C compiler: the system's, or that of the package `ziglang`.

    Raises:
        OSError: There is none.
    """
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return [found]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    raise OSError("wanted a C compiler, found none: apt-get install gcc, or pip install ziglang")


def build(folder: Path) -> Path:
    """Build the library in a folder and return its path; one that is newer than its source stays.

    Raises:
        OSError: There is no compiler, or it refuses.
    """
    library = folder / ("eclib.dylib" if sys.platform == "darwin" else "eclib.so")
    if library.exists() and library.stat().st_mtime > SOURCE.stat().st_mtime:
        return library
    draft = library.with_suffix(".part")
    words = [*compiler(), "-shared", "-fPIC", "-O1", "-o", str(draft), str(SOURCE)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - words of our own
    if done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")
    draft.replace(library)
    return library
