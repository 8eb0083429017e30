"""Launches by a copy of the calling process, which is to have one thread."""

from __future__ import annotations

import _signal
import _socket
import gc
from typing import TYPE_CHECKING, Any, NoReturn

from ..messages import run_and_exit
from .caller import ignored_signals, open_files, own_status
from .intermediate import copy_process, do_job, load_all
from .job import STANDARD_FILES, job_and_files
from .plan import Plan
from .status import Reporter, UnavailableError

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
    others = open_files()
    collects = gc.isenabled()
    gc.disable()  # what becomes garbage in the copy is none
    try:
        pid = copy_process()
        if pid == 0:
            run_and_exit(reporter, do_job, job, plan.request, files, others, reporter)
        process.pid, process._child_created = pid, True
    except RuntimeError:
        raise UnavailableError from None
    finally:
        if collects:
            gc.enable()


def call_and_become_program(plan: Plan, channel: int, parent: int) -> NoReturn:
    """Do the launch in a child that subprocess has made: it calls this as a ``preexec_fn``.

    From then on the child does what execve(2) would: it closes files, subprocess's pipe for errors
    among them, and resets signals, which are blocked until then.
    """
    _signal.pthread_sigmask(_signal.SIG_SETMASK, plan.blocked)
    plan.preexec_fn()  # what it raises is subprocess's to report
    plan.blocked = [*_signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())]
    reporter = Reporter(channel)
    run_and_exit(reporter, _become_program, plan, reporter, parent)


def _become_program(plan: Plan, reporter: Reporter, parent: int) -> int:
    plan.ignored = ignored_signals(own_status())
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
    return do_job(job, plan.request, files, open_files(), reporter)
