"""Launches by a copy of the calling process, which is to have one thread."""

from __future__ import annotations

import _signal
import _socket
import contextlib
import gc
import os
from typing import TYPE_CHECKING, Any, NoReturn

from ..messages import run_and_exit
from ..options.request import Request
from ..syscalls import CLONE_NEWTIME, clone
from .caller import open_files, own_status
from .intermediate import copy_process, do_job, load_all, needs_fork, placement
from .job import STANDARD_FILES, job_and_files
from .plan import Plan
from .status import STARTED, Reporter, UnavailableError

if TYPE_CHECKING:
    from .popen import Popen

load_all()  # a copy is to load nothing


def begin(
    process: Popen,
    plan: Plan,
    job: dict[str, Any],
    files: list[int],
    ours: _socket.socket,
    theirs: _socket.socket,
) -> None:
    """Have a copy of this process begin a job for ``process``, and report to a socket.

    Signals are blocked. Raises UnavailableError in a subinterpreter without ctypes.
    """
    reporter = Reporter(theirs.fileno())
    where = placement(files, job["fds"], open_files(), reporter.fd)
    collects = gc.isenabled()
    gc.disable()  # what becomes garbage in the copy is none
    try:
        pid, is_inside = _copy(plan.request, job)
        if pid == 0:
            run_and_exit(reporter, do_job, job, plan.request, where, reporter, is_inside)
        process.pid, process._child_created = pid, True
    except RuntimeError:
        raise UnavailableError from None
    finally:
        if collects:
            gc.enable()


def _copy(request: Request, job: dict[str, Any]) -> tuple[int, bool]:
    """Copy this process; return the id of the copy, 0 in that, and whether it is a forked one.

    Where all that is to be done in the old namespaces is to make new ones, the copy is made in
    those. Otherwise it needs a child, to be the program.
    """
    in_old_ones = (job["cwd"], job["groups"], job["group"], request.kill_child)
    if (
        needs_fork(request)
        and not request.flags & CLONE_NEWTIME
        and not request.needs_helper
        and not job["session"]
        and job["process_group"] < 0
        and all(each is None for each in in_old_ones)
        and request.users.owner is None
        and request.groups.owner is None
    ):
        with contextlib.suppress(OSError):  # what is the matter is found in the other way
            return clone(request.flags, _signal.SIGCHLD), True
    return copy_process(), False


def call_and_become_program(plan: Plan, channel: int, parent: int) -> NoReturn:
    """Do the launch in a child that subprocess has made: it calls this as a ``preexec_fn``.

    From then on the child does what execve(2) would: it closes files, subprocess's pipe for errors
    among them, and resets signals, which are blocked until then.
    """
    _signal.pthread_sigmask(_signal.SIG_SETMASK, plan.blocked)
    before = os.fstat(channel)
    plan.preexec_fn()  # what it raises is subprocess's to report
    plan.blocked = [*_signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())]
    reporter = Reporter(channel if _is_file(channel, before) else -1)
    run_and_exit(reporter, _become_program, plan, reporter, parent)


def _is_file(fd: int, status: os.stat_result) -> bool:
    """Return whether a descriptor still has this file, though a function may have closed many."""
    try:
        return os.path.samestat(os.fstat(fd), status)
    except OSError:
        return False


def _become_program(plan: Plan, reporter: Reporter, parent: int) -> int:
    reporter.send(STARTED)
    plan.take_status(own_status(), [_signal.SIGCHLD])
    given = {
        **dict.fromkeys(STANDARD_FILES, -1),
        **dict.fromkeys(("cwd", "gid", "gids"), None),
        "close_fds": plan.close_fds,
        "pass_fds": plan.pass_fds,
        "umask": -1,
        "start_new_session": False,
    }
    job, files = job_and_files(plan, given)
    job["parent"] = parent
    where = placement(files, job["fds"], open_files(), reporter.fd)
    return do_job(job, plan.request, where, reporter)
