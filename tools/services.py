"""Install what the tests use, where that is possible: a C compiler, Mosquitto, PostgreSQL, nginx and Chromium, of Debian.

The tests start their own, on free loopback ports in temporary folders. Where one cannot be had, its tests are counted as
skipped in the last line.
"""

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

PACKAGES = {
    "gcc": lambda: found("cc") or found("gcc") or importlib.util.find_spec("ziglang") is not None,
    "mosquitto": lambda: found("mosquitto", "/usr/sbin/mosquitto"),
    "mosquitto-clients": lambda: found("mosquitto_sub"),
    "chromium": lambda: found("chromium"),
    "chromium-driver": lambda: found("chromedriver"),
    "nginx-light": lambda: found("nginx", "/usr/sbin/nginx"),
    "postgresql": lambda: any(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")) or found("initdb"),
}


def found(program: str, *places: str) -> bool:
    """Tell whether a program is on the path or in one of the places."""
    return shutil.which(program) is not None or any(pathlib.Path(place).exists() for place in places)


def main() -> None:
    """Install what is missing with apt-get when run as root; say what is left out otherwise."""
    missing = [name for name, there in PACKAGES.items() if not there()]
    if not missing:
        return
    if os.name == "posix" and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing {', '.join(missing)}", flush=True)
        install(missing)
        missing = [name for name, there in PACKAGES.items() if not there()]
    if missing:
        print(f"not found: {', '.join(missing)}; install them with: sudo apt-get install {' '.join(missing)}")


def install(packages: list[str]) -> None:
    """Install Debian packages without starting their services."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        done = subprocess.run(["apt-get", *words], env=quiet, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.stderr.write(done.stdout + done.stderr)
            return


if __name__ == "__main__":
    main()
