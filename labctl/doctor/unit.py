"""The service file of systemd that starts the daemon with the machine, and again when it ends."""

import sys
from importlib.resources import files
from pathlib import Path

FILE = "labctl.service"
_THERE = "/opt/labctl/bin/labctl"  # as the how-to installs it


def unit_text(program: Path | None = None) -> str:
    """Return the service file for a program, by default the labctl that runs now where it is installed as one."""
    chosen = program or Path(sys.executable).with_name("labctl")
    text = files("labctl.doctor").joinpath(FILE).read_text(encoding="utf-8")
    return text.replace(_THERE, str(chosen)) if chosen.is_file() else text
