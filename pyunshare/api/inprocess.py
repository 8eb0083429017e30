"""New namespaces for the calling process itself, without a program."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from ..errors import ReportedFailure
from ..launch.steps import enter
from ..syscalls import CLONE_NEWUSER
from .exceptions import LaunchError, error_of, launch_error, launch_errors, reported_error
from .kwargs import KEYWORDS, given_options, request_for
from .status import LONGEST_RECORD, Reporter

# What is about a program
NOT_FOR_A_CALLER = frozenset(
    {"fork", "kill_child", "forward_signals", "clear_env", "whitelist_env"}
)


def unshare(**keywords: Any) -> None:
    """Move the calling process into new namespaces, with maps, mounts and ids as asked for.

    The keywords are those of Popen but for what is about a program. As with unshare(2) itself, a
    process with threads moves its calling thread only, and cannot have a new user namespace; and
    new PID and time namespaces are for the children. Where a later step fails, those before it
    have been done. Raises LaunchError, UsageError and TypeError as Popen does.
    """
    for keyword in keywords:
        if keyword not in KEYWORDS or keyword in NOT_FOR_A_CALLER:
            raise TypeError(f"unshare() got an unexpected keyword argument {keyword!r}")
    request = request_for(given_options(keywords))
    if request.flags & CLONE_NEWUSER:
        threads = len(os.listdir("/proc/self/task"))
        if threads > 1:
            raise launch_error(
                f"unshare failed: no new user namespace for a process with {threads} threads",
                errno.EINVAL,
                "unshare",
            )
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, launch_errors():
        try:
            enter(request, Reporter(theirs.fileno()))
        except ReportedFailure as failure:
            raise _reported_error(ours, failure) from None


def _reported_error(reports: socket.socket, failure: ReportedFailure) -> LaunchError:
    """Return what a helper process has reported, or that it has failed."""
    reports.setblocking(False)
    try:
        return reported_error(reports.recv(LONGEST_RECORD))
    except BlockingIOError:
        return error_of(failure)
