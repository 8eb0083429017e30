"""The end of a launch that is given up: all of its processes."""

from __future__ import annotations

import contextlib
import os
import signal
import time

# In seconds
PATIENCE = 1.0  # for a process to stop
INTERVAL = 0.001


def kill_tree(pid: int, killed: list[int]) -> None:
    """Kill a process of a launch and all that come from it: helpers, and what these wait for.

    Each is stopped before it is asked for its children, so that it starts no more, and reaps
    none: no id of theirs can become another process's. Add those that were killed, each before
    the one that it came from.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        try:
            os.kill(pid, signal.SIGSTOP)
            _wait_until_stopped(pid)
            for child in children(pid):
                kill_tree(child, killed)
        except BaseException:  # a signal handler's, say: none is to stay stopped, or to run on
            for child in children(pid):
                kill_tree(child, killed)
            raise
        finally:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)


def children(pid: int) -> list[int]:
    """Return the children of a process that has one thread, by the ids that we know them by."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except OSError:  # no such process, no /proc, or a kernel without such files
        return []


def _wait_until_stopped(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while _state(pid) not in "TtZX" and time.monotonic() < deadline:
        time.sleep(INTERVAL)


def _state(pid: int) -> str:
    """Return the letter that proc_pid_stat(5) has for the state of a process, X for none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0].decode()
    except OSError:
        return "X"
