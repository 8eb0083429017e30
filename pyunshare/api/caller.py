"""The calling process as the kernel has it, which is what a program inherits."""

from __future__ import annotations

import _signal
import contextlib
import os
import posix
from functools import cache
from typing import Any

# Page tables of a process up to which it is faster to copy them than to start an interpreter
MOST_PAGE_TABLES = 512  # kB


def own_status() -> str:
    """Return what proc_pid_status(5) has of this thread, and nothing where there is no /proc."""
    try:
        with open("/proc/thread-self/status", "rb") as file:
            return os.fsdecode(file.read())
    except OSError:
        return ""


def field(status: str, name: str) -> str:
    """Return the first word of a field of proc_pid_status(5)."""
    words = status.partition(f"\n{name}:")[2].split(None, 1)
    return words[0] if words else ""


def can_be_copied(status: str) -> bool:
    """Return whether a copy of this process can be used, and is sooner made than another started.

    A copy has one thread only: what others of this process have locked would stay so.
    """
    is_alone = field(status, "Threads") == "1"
    is_small = int(field(status, "VmPTE") or 0) <= MOST_PAGE_TABLES
    return is_alone and is_small and _may_set_signals()


def _may_set_signals() -> bool:
    """Return whether Python lets this thread set signals: not in a subinterpreter."""
    try:
        _signal.signal(_signal.SIGKILL, _signal.SIG_DFL)
    except ValueError:
        return False
    except OSError:  # the kernel lets nobody
        pass
    return True


def ignored_signals(status: str) -> list[int]:
    """Return the signals that this process ignores."""
    ignored = field(status, "SigIgn")
    if ignored:
        return _numbers(ignored)
    return [
        number
        for number in map(int, _signal.valid_signals())
        if _signal.getsignal(number) == _signal.SIG_IGN
    ]


def caught_signals(status: str) -> list[int]:
    """Return the signals that this process has a handler for, which may be one in C."""
    caught = field(status, "SigCgt")
    return _numbers(caught) if caught else [*map(int, _signal.valid_signals())]


def _numbers(mask: str) -> list[int]:
    bits = int(mask, 16)
    return [number for number in range(1, bits.bit_length() + 1) if bits >> (number - 1) & 1]


def open_files() -> list[int]:
    """Return the descriptors of this process, and perhaps others."""
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return [*range(os.sysconf("SC_OPEN_MAX"))]


def is_inheritable(fd: int) -> bool:
    """Return whether a program that this process executed would have the descriptor."""
    with contextlib.suppress(OSError):
        return os.get_inheritable(fd)
    return False


def environment_entries() -> list[bytes] | None:
    """Return the entries of this process's environment where os.environ cannot have them all.

    A variable may be there twice, and an entry may have no equals sign: environ(7).
    """
    environ = _c_environ()
    if not environ:
        return None
    entries: list[bytes] = []
    while (entry := environ[len(entries)]) is not None:
        entries.append(entry)
    is_whole = entries == [b"=".join(variable) for variable in posix.environ.items() if variable[0]]
    return None if is_whole else entries


@cache
def _c_environ() -> Any:
    """Return the C library's pointer to the environment, or None."""
    try:
        import ctypes

        return ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    except (ImportError, ValueError):
        return None
