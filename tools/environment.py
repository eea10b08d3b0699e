"""Make or refresh the project's one virtual environment, `.venv`, from the hashed lock files.

Other people's programs that ours are checked or measured against stay out of it: clients and simulators of instruments
live in `.venv-independent`, PyBaMM in `.venv-bench`.

Needs nothing but a Python 3.11 or newer and a package index: where the machine's Python has neither
`ensurepip` nor `pip` (Debian splits both off), pip is taken out of Debian's package, which needs no root.
Run by the Makefile as `python3 tools/environment.py run`, or `test`, `independent`, `bench`; quick when nothing has changed.
"""

import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
APART = {"independent", "bench"}
HOME = ROOT / "-".join([".venv", *APART.intersection(sys.argv)])
PYTHON = HOME / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def main(which: str) -> None:
    """Install the locked packages of `run`, `test` (which contains `run`), `independent` or `bench`, and this project, editable."""
    lock = ROOT / "requirements" / f"{which}.txt"
    enough = {stamp("run"), stamp("test")} if which == "run" else {stamp(which)}
    have = HOME / "labctl-stamp"
    if have.exists() and have.read_text() in enough:
        return
    print(f"Setting up {HOME.relative_to(ROOT)} ({which}), once: about a minute", flush=True)
    if not PYTHON.exists():
        venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(HOME)
    bootstrap()
    uv = [str(PYTHON), "-m", "uv", "--quiet", "pip", "install", "--python", str(PYTHON)]
    run([*uv, "--require-hashes", "-r", str(lock)])
    run([*uv, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    have.write_text(stamp(which))


def stamp(which: str) -> str:
    """Return a digest of everything that the environment is made from."""
    parts = [ROOT / "pyproject.toml", ROOT / "requirements" / f"{which}.txt", ROOT / "requirements" / "uv.txt"]
    return hashlib.sha256(b"".join(p.read_bytes() for p in parts) + sys.version.encode()).hexdigest()


def bootstrap() -> None:
    """Bring uv, which does the rest, into the environment."""
    with tempfile.TemporaryDirectory() as folder:
        pip = pip_command(pathlib.Path(folder))
        lock = ROOT / "requirements" / "uv.txt"
        run([*pip, "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(lock)])


def pip_command(folder: pathlib.Path) -> list[str]:
    """Return the words that run a pip on the environment's Python."""
    if subprocess.run([str(PYTHON), "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
        return [str(PYTHON), "-m", "pip"]
    if subprocess.run([str(PYTHON), "-m", "ensurepip"], capture_output=True, check=False).returncode == 0:
        return [str(PYTHON), "-m", "pip"]
    return [str(PYTHON), f"{debian_wheel(folder)}/pip"]


def debian_wheel(folder: pathlib.Path) -> pathlib.Path:
    """Return the pip that Debian ships as a wheel, downloaded and checked by apt, unpacked and not installed."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    ours = {"APT::Sandbox::User": "", "Dir::State::lists": folder / "lists", "Dir::Cache": folder / "cache"}
    apt = ["apt-get", "-qq", *(word for name, value in ours.items() for word in ("-o", f"{name}={value}"))]
    try:
        subprocess.run([*apt, "update"], cwd=folder, check=True)
        subprocess.run([*apt, "download", "python3-pip-whl"], cwd=folder, check=True)
        (package,) = folder.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", package.name, "."], cwd=folder, check=True)
        (wheel,) = folder.glob("usr/share/python-wheels/pip-*.whl")
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        sys.exit(
            f"this Python has neither pip nor ensurepip, and Debian's pip could not be fetched ({error}): install python3-venv"
        )
    return wheel


def run(words: list[str]) -> None:
    """Run a command, or stop with its exit code."""
    code = subprocess.run(words, cwd=ROOT, check=False).returncode
    if code:
        sys.exit(f"{' '.join(words)} ended with {code}")


if __name__ == "__main__":
    if sys.version_info < (3, 11):
        sys.exit(f"labctl needs Python 3.11 or newer, this is {sys.version.split()[0]}: make PYTHON=python3.12")
    main(sys.argv[1] if len(sys.argv) > 1 else "run")
