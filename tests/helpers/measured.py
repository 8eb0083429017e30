"""The command under test where coverage is measured: pyunshare, watched by coverage.py.

A launch never ends as Python programs do. It forks, becomes another program and ends by calls of
``posix``, where coverage.py does not look; by then it may have another root directory, other ids
and no way to any file. So every process opens a file at its start, while it can, and writes down
there what it has reached each time that it might be about to go.

``measuring.py`` puts this file into a directory that all users may read, with all it needs: the
packages ``coverage`` and ``pyunshare``, and a directory ``reached`` that all users may write to.
"""

from __future__ import annotations

import sys

HERE = __file__.rpartition("/")[0]
sys.path.insert(0, HERE)  # started with -I and -S, as the installed command is

import contextlib  # noqa: E402
import fcntl  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import posix  # noqa: E402
from typing import Any, Callable  # noqa: E402

import coverage  # noqa: E402

PACKAGE = f"{HERE}/pyunshare"
REACHED = f"{HERE}/reached"
OUT_OF_THE_WAY = 900  # descriptors below are what tests open, close and look at


class Record:
    """The steps from line to line that this process has made in the package, on file."""

    def __init__(self) -> None:
        self._coverage = coverage.Coverage(
            data_file=None, config_file=False, branch=True, include=[f"{PACKAGE}/*"]
        )
        # The way to measure that does not read sources as it goes: they may be out of reach.
        self._coverage.set_option("run:core", "ctrace")
        self._descriptor = -1
        self._open()
        # In a child process coverage goes on by itself; only the file is another one.
        os.register_at_fork(after_in_child=self._open)

    def start(self) -> None:
        """Begin to measure."""
        self._coverage.start()

    def save(self) -> None:
        """Write down, in a line of its own, all that was reached so far.

        Whatever keeps us from it (a full table, a limit of the test's) is no matter of the test's.
        """
        data = self._coverage.get_data()
        steps = {os.path.relpath(path, HERE): data.arcs(path) for path in data.measured_files()}
        line = f"{json.dumps(steps)}\n".encode()
        with contextlib.suppress(OSError):
            # No write(2), which tests have strace(1) fail.
            self._length += posix.pwrite(self._descriptor, line, self._length)

    def _open(self) -> None:
        """Begin a file of this process's own, under a name that nobody else has."""
        if self._descriptor >= 0:
            posix.close(self._descriptor)
            self._descriptor = -1
        path = f"{REACHED}/{posix.urandom(16).hex()}"
        descriptor = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL, 0o600)
        with contextlib.suppress(OSError):  # a limit of the test's: then nothing is measured
            self._descriptor = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, OUT_OF_THE_WAY)
        posix.close(descriptor)
        self._length = 0  # of what stands in the file

    def saving_before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return what saves and then makes the call."""

        def save_and_call(*arguments: object) -> Any:
            self.save()
            return call(*arguments)

        return save_and_call

    def opening_after(self, fork: Callable[..., int]) -> Callable[..., int]:
        """Return what copies this process without telling Python, and begins a file in the copy."""

        def fork_and_open(*arguments: int) -> int:
            pid = fork(*arguments)
            if pid == 0:
                self._open()
            return pid

        return fork_and_open


def main() -> None:
    """Be the command, measured from its first import on."""
    record = Record()
    for name in ("_exit", "execv", "execve", "kill"):
        setattr(posix, name, record.saving_before(getattr(posix, name)))
    record.start()
    if sys.argv[0] == "-c":  # the intermediate process of a launch from Python
        from pyunshare.api import intermediate

        intermediate.clone = record.opening_after(intermediate.clone)
        intermediate.main()
    sys.argv[0] = "pyunshare"
    import pyunshare.__main__  # noqa: F401  # python3 -m pyunshare, which does not return


main()
