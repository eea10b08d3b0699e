"""A process that can be ended later without ever ending another one that was given its number since."""

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
TERMINATE: Final = 0x0001  # PROCESS_TERMINATE of the Windows API


class ProcessHandle:
    """The process that has a number now, and no later one of the same number.

    Linux gives a descriptor for it, Windows a handle. Where there is neither (macOS), it is ended only while it is still the
    parent of this process, which a later process never becomes.
    """

    def __init__(self, pid: int) -> None:
        """Take hold of a process; it must be the parent of this one."""
        self.pid = pid
        self._descriptor: int | None = None
        if sys.platform == "win32":
            self._descriptor = _windows().OpenProcess(TERMINATE, 0, pid) or None
        elif hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self._descriptor = os.pidfd_open(pid)
            if self._descriptor is not None and os.getppid() != pid:  # it died first, and its number may be another's
                os.close(self._descriptor)
                self._descriptor = None

    def is_dead(self) -> bool:
        """Tell whether the process has been killed and only waits for the kernel, where the system tells (Linux).

        A thread that waits for a disk cannot be ended before the disk has answered, and keeps every pipe and socket of its
        process open until then.
        """
        if self._descriptor is None or not sys.platform.startswith("linux"):
            return False
        try:
            return (PROC / str(self.pid) / "stat").read_bytes().rpartition(b")")[2].split()[:1] in ([b"Z"], [b"X"])
        except (FileNotFoundError, ProcessLookupError):
            return PROC.joinpath(
                "self"
            ).exists()  # it has gone altogether; where nothing is mounted there, nobody knows
        except OSError:
            return False

    def end(self) -> bool:
        """End the process at once, whatever it does; tell whether it was still there to be ended."""
        if sys.platform == "win32":
            return self._descriptor is not None and bool(_windows().TerminateProcess(self._descriptor, 1))
        try:
            if self._descriptor is not None:
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
                return True
            if self.pid > 1 and os.getppid() == self.pid:
                os.kill(self.pid, signal.SIGKILL)
                return True
        except OSError:
            return False
        return False


if sys.platform == "win32":
    import ctypes

    def _windows() -> ctypes.WinDLL:
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = ctypes.c_void_p
        kernel.TerminateProcess.argtypes = (ctypes.c_void_p, ctypes.c_uint)
        return kernel
