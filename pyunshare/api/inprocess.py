"""New namespaces for the calling process itself, without a program."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

from ..errors import Failure, divert_reports
from ..launch.steps import enter
from ..syscalls import CLONE_NEWUSER
from .exceptions import launch_error, launch_errors, reported_error
from .kwargs import KEYWORDS, given_options, request_for
from .status import LONGEST_RECORD, Reporter, helper_failed

# What is about a program
NOT_FOR_A_CALLER = frozenset(
    {"fork", "kill_child", "forward_signals", "clear_env", "whitelist_env"}
)

_one_at_a_time = threading.Lock()


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
            )
    with _one_at_a_time, launch_errors(), _helpers_heard():
        enter(request, "pyunshare")


@contextlib.contextmanager
def _helpers_heard() -> Iterator[None]:
    """Raise what a helper process has to say, instead of having it printed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        divert_reports(Reporter(theirs.fileno()).report)
        try:
            yield
        except Failure as failure:
            if not failure.is_told:
                raise
            ours.setblocking(False)
            try:
                record = ours.recv(LONGEST_RECORD)
            except BlockingIOError:
                raise launch_error(helper_failed(failure)) from None
            raise reported_error(record) from None
        finally:
            divert_reports(None)
