"""New namespaces for the calling process itself, without a program."""

from __future__ import annotations

import _signal
import _thread
import contextlib
import errno
import os
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from ..errors import Failure
from ..launch.steps import enter
from ..syscalls import CLONE_NEWUSER
from .exceptions import LaunchError, launch_error, launch_errors
from .hint import find_hint
from .intermediate import set_signals
from .kwargs import KEYWORDS, given_options, request_for
from .status import LONGEST_RECORD, Reporter, fields_of, make_channel
from .threads import count_threads

# What is about a program
NOT_FOR_A_CALLER = frozenset(
    {"fork", "kill_child", "forward_signals", "clear_env", "whitelist_env"}
)

# By keyword, the files of /proc/thread-self/ns
NAMESPACES = {
    "mount": "mnt",
    "uts": "uts",
    "ipc": "ipc",
    "net": "net",
    "pid": "pid_for_children",
    "user": "user",
    "cgroup": "cgroup",
    "time": "time_for_children",
}

# In seconds
PATIENCE = 1.0  # for threads that have ended for Python, but not yet for the kernel
INTERVAL = 0.001


def unshare(**keywords: Any) -> None:
    """Move the calling process into new namespaces, with maps, mounts and ids as asked for.

    The keywords are those of Popen but for what is about a program. As with unshare(2) itself, a
    process with threads moves its calling thread only, and cannot have a new user namespace; and
    new PID and time namespaces are for the children. Where a later step fails, those before it
    have been done: the error's ``entered`` has the namespaces among them. Raises LaunchError,
    UsageError and TypeError as Popen does.
    """
    for keyword in keywords:
        if keyword not in KEYWORDS or keyword in NOT_FOR_A_CALLER:
            raise TypeError(f"unshare() got an unexpected keyword argument {keyword!r}")
    options = given_options(keywords)
    before = _own_namespaces()
    try:
        with launch_errors():
            request = request_for(options)
            if request.flags & CLONE_NEWUSER:
                _check_threads()
            with _reporter() as reporter, _own_children():
                enter(request, reporter)
    except LaunchError as error:
        error.find_hint = partial(find_hint, options, [])
        after = _own_namespaces()
        error.entered = tuple(name for name in before if after.get(name) != before[name])
        raise


unshare.__module__ = "pyunshare"


def _own_namespaces() -> dict[str, str]:
    """Return which namespaces this thread has, or has for its children, as far as /proc tells."""
    found = {}
    for name, file in NAMESPACES.items():
        with contextlib.suppress(OSError):
            found[name] = os.readlink(f"/proc/thread-self/ns/{file}")
    return found


def _check_threads() -> None:
    """Raise LaunchError where the kernel would refuse a new user namespace for more threads."""
    deadline = time.monotonic() + PATIENCE
    threads = count_threads()
    while threads and threads > 1:
        # Those that Python knows do not end soon.
        if threads == 1 + _thread._count() or time.monotonic() > deadline:
            raise launch_error(
                f"unshare failed: no new user namespace for a process with {threads} threads",
                errno.EINVAL,
                "unshare",
            )
        time.sleep(INTERVAL)
        threads = count_threads()


@contextlib.contextmanager
def _own_children() -> Iterator[None]:
    """Have helpers be waited for by this thread, whatever the process does about SIGCHLD."""
    blocked = _signal.pthread_sigmask(_signal.SIG_BLOCK, [_signal.SIGCHLD])
    is_ignored = _signal.getsignal(_signal.SIGCHLD) == _signal.SIG_IGN
    try:
        if is_ignored:
            set_signals([_signal.SIGCHLD], _signal.SIG_DFL)
        yield
    finally:
        if is_ignored:
            set_signals([_signal.SIGCHLD], _signal.SIG_IGN)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)


@contextlib.contextmanager
def _reporter() -> Iterator[Reporter]:
    """Provide what helpers report to, and raise what they do: not all have come to this process."""
    ours, theirs = make_channel()
    with contextlib.closing(ours), contextlib.closing(theirs):
        try:
            yield Reporter(theirs.fileno())
        except Failure as failure:
            if not failure.reported:
                raise
            ours.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                number, step, path, message = fields_of(ours.recv(LONGEST_RECORD))
                raise Failure(
                    message or "",
                    int(number) if number else None,
                    step=step or "launch",
                    path=path,
                ) from None
            message = f"writing the id maps failed with status {failure.status}"
            raise Failure(message, step="helper") from None
