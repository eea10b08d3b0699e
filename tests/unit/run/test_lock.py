import os
import signal
import subprocess
import sys

import pytest

from labctl.errors import StoreBusy, StoreError
from labctl.run.lock import Lock

HOLD = "import sys; from pathlib import Path; from labctl.run.lock import Lock; lock = Lock(Path(sys.argv[1])).take(); print('held', flush=True); sys.stdin.read()"


def test_a_second_holder_is_refused_with_the_name_of_the_first(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "daemon.lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline().strip() == b"held"
        with pytest.raises(StoreBusy, match=f"in use by process {holder.pid} on"):
            Lock(tmp_path / "daemon.lock").take()
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        Lock(tmp_path / "daemon.lock").take().release()


def test_a_released_lock_is_free(tmp_path):
    Lock(tmp_path / "a").take().release()
    Lock(tmp_path / "a").take().release()


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(StoreError, match="No such file"):
        Lock(tmp_path / "missing" / "a").take()
