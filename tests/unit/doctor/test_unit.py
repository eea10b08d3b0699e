"""The service file: written for the program that runs, and hardened as far as systemd measures it."""

import re
import shutil
import subprocess

from labctl.cli.main import main
from labctl.doctor.unit import unit_text

EXPOSED_AT_MOST = 2.0  # of 10, as `systemd-analyze security` counts
WANTED = (
    "NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict", "ProtectHome=yes", "PrivateUsers=yes",
    "RestrictNamespaces=yes", "MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service", "DevicePolicy=closed",
    "WatchdogSec=10", "Restart=on-failure", "StartLimitBurst=3", "KillMode=process", "UMask=0077",
)  # fmt: skip


def test_the_service_file_is_written_for_a_program(tmp_path):
    program = tmp_path / "labctl"
    program.touch()
    lines = unit_text(program).splitlines()
    assert f"ExecStart={program} serve --station /etc/labctl/station.yaml --data /var/lib/labctl" in lines
    assert set(WANTED) <= set(lines)


def test_new_writes_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "service"]) == 0
    assert (tmp_path / "labctl.service").read_text() == unit_text()
    assert "systemctl enable --now labctl" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [tmp_path / "labctl.service"]


def test_systemd_counts_little_that_is_open(tmp_path):
    program = shutil.which("systemd-analyze")
    if program is None:  # what it would count stands in the file: the test above reads it
        return
    file = tmp_path / "labctl.service"
    file.write_text(unit_text())
    asked = [program, "security", "--offline=true", "--no-pager", str(file)]
    answer = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    if "unrecognized option" in answer.stderr:  # before systemd 250
        return
    level = re.search(r"exposure level for \S+: ([\d.]+)", answer.stdout)
    assert level is not None, answer.stdout + answer.stderr
    assert float(level.group(1)) <= EXPOSED_AT_MOST
