"""What another process is told of a launch that it is to do, and the files that go with it.

The other end of this is in :mod:`pyunshare.api.intermediate`. Both are of one version: a line at
the beginning names it, and its two numbers are how many bytes follow, and how many files there are.
"""

from __future__ import annotations

import _socket
import array
import marshal
import os
import posix
import select
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable

from ..version import __version__
from .caller import environment_entries, is_inheritable, open_files
from .intermediate import LONGEST_PART, MOST_FILES
from .kwargs import as_argv
from .plan import Plan
from .status import LONGEST_RECORD

MARSHAL_VERSION = 2  # which all versions of CPython have

Wait = Callable[[_socket.socket, int], object]

LARGEST_INT = (1 << 31) - 1
LARGEST_GID = (1 << 32) - 1
MOST_GROUPS = 1 << 16  # NGROUPS_MAX, <linux/limits.h>

# The names that subprocess has for what becomes the standard descriptors, or -1
STANDARD_FILES = ("p2cread", "c2pwrite", "errwrite")


def job_and_files(plan: Plan, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[int]]:
    """Return a job, and the descriptors of this process that belong to it.

    ``given`` is what subprocess has made of its keywords. Raises what subprocess would.
    """
    plan.check_bytes()
    cwd = given["cwd"]
    files: dict[int, int] = {}
    for target, name in enumerate(STANDARD_FILES):
        if given[name] != -1:
            files[target] = given[name]
        elif is_inheritable(target):
            files[target] = target
    if given["close_fds"]:
        fds = [*map(int, given["pass_fds"])]
        if any(not 0 <= fd <= LARGEST_INT for fd in fds):
            raise ValueError("bad value(s) in fds_to_keep")
        files = {**{fd: fd for fd in fds}, **files}
    else:
        files.update((fd, fd) for fd in open_files() if fd > 2 and is_inheritable(fd))
    for fd in files.values():
        os.fstat(fd)
    if (given["gid"] or 0) > LARGEST_GID:
        raise OverflowError("gid is greater than maximum")
    groups = given["gids"] or ()
    if len(groups) > MOST_GROUPS:
        raise ValueError("too many groups")
    if any(gid > LARGEST_GID for gid in groups):
        raise ValueError("invalid group id")
    # Raises for what is no C int
    umask, process_group = array.array("i", [given["umask"], given.get("process_group", -1)])
    job = {
        "options": as_argv(plan.options),
        "argv": plan.argv,
        "env": plan.env,
        "name": plan.name,
        "fds": list(files),
        "cwd": None if cwd is None else os.fsencode(cwd),
        "umask": umask,
        "session": bool(given["start_new_session"]),
        "process_group": process_group,
        "group": given["gid"],
        "groups": given["gids"],
        "ignored": plan.ignored,
        "reset": plan.reset,
        "blocked": plan.blocked,
        "parent": os.getpid(),
    }
    return job, list(files.values())


def records_of(
    job: Mapping[str, Any], files: list[int], first: Iterable[int] = ()
) -> Iterator[tuple[bytes, list[int]]]:
    """Yield what to send for a job, with the environment of this process.

    The ``first`` of the files are for whom it is sent by.
    """
    entries = environment_entries() if job.get("env") is None else None
    given = {**job, "environ": dict(posix.environ), "entries": entries}
    data = marshal.dumps(given, MARSHAL_VERSION)
    data = f"{__version__} {len(data)} {len(files)}\n".encode() + data
    files = [*first, *files]
    while data or files:
        yield data[:LONGEST_PART], files[:MOST_FILES]
        data, files = data[LONGEST_PART:], files[MOST_FILES:]


def is_sent(channel: _socket.socket, data: bytes, files: list[int]) -> bool:
    """Send a record, where there is room for it.

    Raises OSError, BrokenPipeError where the other process has ended.
    """
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", files))
    try:
        channel.sendmsg([data or b"\n"], [rights] if files else [], _socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    return True


def wait_for(file: Any, event: int, seconds: float | None = None) -> bool:
    """Return whether a file has an event, one of select.poll(), within some seconds if given."""
    poll = select.poll()
    poll.register(file, event)
    return bool(poll.poll(None if seconds is None else 1000 * seconds))


def send(
    channel: _socket.socket, records: Iterable[tuple[bytes, list[int]]], wait: Wait = wait_for
) -> None:
    """Send records. Raises OSError as is_sent() does, and what ``wait`` raises."""
    for record in records:
        while not is_sent(channel, *record):
            wait(channel, select.POLLOUT)


def receive(channel: _socket.socket, flags: int) -> bytes:
    """Return the next record, and nothing if there are no more."""
    while True:
        try:
            return channel.recv(LONGEST_RECORD, flags)
        except ConnectionResetError:  # said once, before all else, if it did not read all of ours
            pass
