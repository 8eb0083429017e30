"""What coverage.py has seen of the package in one process, and in those that are copies of it.

A launch never ends as Python programs do. It forks, becomes another program and ends by calls of
``posix``, where coverage.py does not look; by then it may have another root directory, other ids
and no way to any file. So a process opens a file at its start, while it can, and it and its copies
write down there what they have reached each time that they might be about to go.
"""

from __future__ import annotations

import contextlib
import json
import os
import posix
from pathlib import Path
from typing import Any, Callable

import coverage

OUT_OF_THE_WAY = 900  # descriptors below are what tests open, close and look at

# What a process may end by, and where it is called
ENDS = ("_exit", "execv", "execve", "kill")


class Record:
    """The steps from line to line that this process has made in the package, on file."""

    def __init__(self, place: str, directory: str) -> None:
        """Measure the ``pyunshare`` in one directory, and write to another."""
        self._place = place
        self._is_watching = False
        self._coverage = coverage.Coverage(
            data_file=None, config_file=False, branch=True, include=[f"{place}/pyunshare/*"]
        )
        # The way to measure that does not read sources as it goes: they may be out of reach.
        self._coverage.set_option("run:core", "ctrace")
        # Most processes have reached nothing new when another one is made.
        self._coverage.set_option("run:disable_warnings", ["no-data-collected"])
        path = f"{directory}/{posix.urandom(16).hex()}"
        flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_APPEND
        descriptor = posix.open(path, flags, 0o600)
        with contextlib.suppress(OSError):  # a limit of the test's: then nothing is measured
            # No fcntl(2), which tests have strace(1) fail.
            posix.dup2(descriptor, OUT_OF_THE_WAY, inheritable=False)
        posix.close(descriptor)
        os.listdir = _hiding(os.listdir)
        self._coverage.start()

    def flush(self) -> coverage.CoverageData:
        """Return all that was reached so far. A copy made later begins with nothing."""
        return self._coverage.get_data()

    def save(self) -> None:
        """Write down, in a line of its own, all that was reached so far.

        Whatever keeps us from it (a full table, a limit of the test's) is no matter of the test's.
        """
        with contextlib.suppress(Exception):
            data = self.flush()
            steps = {
                os.path.relpath(path, self._place): data.arcs(path)
                for path in data.measured_files()
            }
            # Another process may have been killed in the middle of its line.
            line = f"\n{json.dumps(steps)}\n".encode()
            # At the end: open(2). No write(2), which tests have strace(1) fail.
            posix.pwrite(OUT_OF_THE_WAY, line, 0)

    def save_at_ends(self) -> None:
        """Save before each call that may end this process."""
        if not self._is_watching:
            self._is_watching = True
            for name in ENDS:
                for module in (posix, os):
                    setattr(module, name, self.saving_before(getattr(module, name)))

    def saving_before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return what saves and then makes the call."""

        def save_and_call(*arguments: object) -> Any:
            self.save()
            return call(*arguments)

        return save_and_call

    def watching_copies(self, clone: Callable[..., int]) -> Callable[..., int]:
        """Return what copies this process without telling Python, and saves at the copy's ends."""

        def clone_and_watch(*arguments: int) -> int:
            pid = clone(*arguments)
            if pid == 0:
                self.save_at_ends()
            return pid

        return clone_and_watch


def _hiding(listdir: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Return what leaves our file out: a process of a launch closes all that it finds."""

    def others(*arguments: Any) -> list[Any]:
        found = listdir(*arguments)
        if arguments == ("/proc/self/fd",):
            return [name for name in found if name != str(OUT_OF_THE_WAY)]
        return found

    return others


def steps_in(directory: Path) -> dict[str, set[tuple[int, int]]]:
    """Return what all processes have written to a directory: steps, by file of the package."""
    found: dict[str, set[tuple[int, int]]] = {}
    for path in directory.iterdir():
        for line in path.read_text().splitlines():
            with contextlib.suppress(ValueError):  # killed at it, or by a limit not written whole
                for name, steps in json.loads(line).items():
                    found.setdefault(name, set()).update((start, end) for start, end in steps)
    return found
