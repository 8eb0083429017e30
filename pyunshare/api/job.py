"""What another process is told of a launch that it is to do, and the files that go with it.

The other end of this is in :mod:`pyunshare.api.intermediate`. Both are of one version: the first
record names it, and its two numbers are the sizes of what follows.
"""

from __future__ import annotations

import array
import contextlib
import marshal
import os
import socket
from collections.abc import Mapping
from typing import Any

from ..version import __version__
from .intermediate import LONGEST_PART, MOST_FILES
from .plan import Plan
from .status import LONGEST_RECORD

MARSHAL_VERSION = 2  # which all versions of CPython have

LARGEST_GID = (1 << 32) - 1

# The names that subprocess has for what becomes the standard descriptors, or -1
STANDARD_FILES = ("p2cread", "c2pwrite", "errwrite")


def job_and_files(plan: Plan, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[int]]:
    """Return what to send: a job, and descriptors of this process.

    ``given`` is what subprocess has made of its keywords. Raises what subprocess would.
    """
    plan.check_bytes()
    cwd = given["cwd"]
    files = {}
    for target, name in enumerate(STANDARD_FILES):
        if given[name] != -1:
            files[target] = given[name]
        elif is_inheritable(target):
            files[target] = target
    if given["close_fds"]:
        files.update((int(fd), int(fd)) for fd in given["pass_fds"])
    else:
        files.update((fd, fd) for fd in open_files() if fd > 2 and is_inheritable(fd))
    for fd in files.values():
        os.fstat(fd)
    if (given["gid"] or 0) > LARGEST_GID:
        raise OverflowError("gid is greater than maximum")
    if any(gid > LARGEST_GID for gid in given["gids"] or ()):
        raise ValueError("invalid group id")
    job = {
        "options": plan.options,
        "argv": plan.argv,
        "env": plan.env,
        "name": plan.name,
        "environ": dict(os.environb),
        "entries": environment_entries() if plan.env is None else None,
        "fds": list(files),
        "cwd": None if cwd is None else os.fsencode(cwd),
        "has_directory": False,
        "umask": given["umask"],
        "session": bool(given["start_new_session"]),
        "process_group": given.get("process_group", -1),
        "group": given["gid"],
        "groups": given["gids"],
        "ignored": plan.ignored_signals(),
        "blocked": plan.blocked,
        "parent": os.getpid(),
    }
    return job, list(files.values())


def send_job(channel: socket.socket, job: Mapping[str, Any], files: list[int]) -> None:
    """Send a job. Raises OSError, BrokenPipeError where the other process has ended."""
    data = marshal.dumps(dict(job), MARSHAL_VERSION)
    channel.send(f"{__version__} {len(data)} {len(files)}".encode())
    while data or files:
        part, data = data[:LONGEST_PART] or b"\n", data[LONGEST_PART:]
        group, files = files[:MOST_FILES], files[MOST_FILES:]
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", group))
        channel.sendmsg([part], [rights] if group else [])


def receive(channel: socket.socket, flags: int) -> bytes:
    """Return the next record, and nothing if there are no more."""
    while True:
        try:
            return channel.recv(LONGEST_RECORD, flags)
        except ConnectionResetError:  # said once, before all else, if it did not read all of ours
            pass


def environment_entries() -> list[bytes] | None:
    """Return the entries of this process's environment where os.environ cannot have them all.

    A variable may be there twice, and an entry may have no equals sign: environ(7).
    """
    try:
        import ctypes

        environ = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    except (ImportError, ValueError):
        return None
    entries: list[bytes] = []
    while environ and (entry := environ[len(entries)]) is not None:
        entries.append(entry)
    is_whole = entries == [name + b"=" + value for name, value in os.environb.items() if name]
    return None if is_whole else entries


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
