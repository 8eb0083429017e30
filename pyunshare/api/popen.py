"""Programs in new namespaces, started from Python as with the subprocess module.

There are three ways to start one:

- by a thread, which makes the namespaces of its own and starts the program with vfork(2). All but a
  user namespace are a matter of the thread that makes them and of the children that it starts, so
  the calling process stays as it is. This is the fastest way, at any size;
- by a copy of this process. That is safe in a process with one thread, and fast where there is
  little memory to copy the page tables of;
- by another process: a new interpreter, or a copy of the one that a Launcher keeps. What it is to
  do, and the files of the program, go over a socket.

In the last two a process of ours does the launch, reports over a socket how that goes, and becomes
the program or its parent: :mod:`pyunshare.api.intermediate`.
"""

from __future__ import annotations

import _socket
import _thread
import contextlib
import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from subprocess import PIPE, CalledProcessError, CompletedProcess, TimeoutExpired
from typing import TYPE_CHECKING, Any, Callable

from ..lines import waits
from .caller import can_be_copied, own_status
from .copies import begin as begin_in_copy
from .copies import call_and_become_program
from .exceptions import LaunchError, launch_error, launch_errors
from .hint import find_hint
from .interpreter import begin as begin_in_interpreter
from .job import job_and_files, receive, wait_for
from .original import SubprocessPopen
from .plan import Plan
from .processes import children, kill_tree
from .spawn import a_thread_can_do, start_by_thread
from .status import (
    EXECUTING,
    FAILED,
    FORKED,
    REFUSED,
    STARTED,
    UnavailableError,
    fields_of,
    make_channel,
)
from .threads import (
    LONG_INTERVAL,
    call_uninterrupted,
    signals_blocked,
    stay_until_end,
    wait_for_thread,
)

if TYPE_CHECKING:
    from .launcher import Launcher

_code = SubprocessPopen._execute_child.__code__  # type: ignore[attr-defined]
EXECUTE_CHILD = _code.co_varnames[1 : _code.co_argcount]  # its parameters
PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")  # of these

PEEK = int(_socket.MSG_PEEK | _socket.MSG_DONTWAIT)

# The signals that the program is not to ignore. Python does ignore the last two, from its start;
# subprocess takes that back unless it is told not to.
SET_BACK_ALWAYS = (signal.SIGCHLD,)
SET_BACK = (*SET_BACK_ALWAYS, signal.SIGPIPE, signal.SIGXFSZ)

# What has another process begin a job
Begin = Callable[
    ["Popen", Plan, dict[str, Any], list[int], _socket.socket, _socket.socket],
    None,
]


class Popen(SubprocessPopen):  # type: ignore[type-arg]
    """A program started in new namespaces: subprocess.Popen with the options of unshare(1).

    Every keyword of subprocess.Popen is there but ``user``, which is the user namespace. Raises
    LaunchError if the program was not started, UsageError or TypeError for what could never be,
    and what subprocess.Popen raises for what it was asked.
    """

    __module__ = "pyunshare"

    # The program, where the process that we started is one that waits for it
    _program: int | None = None
    # The thread that such a process is a child of, if it is another one and stays for that
    _keeper: int | None = None
    # While a launch goes on: where it reports, who does it, until when, and who is to have it
    _channel: _socket.socket | None = None
    _is_cancelled = False
    _deadline: float | None = None  # of time.monotonic()
    _launcher: Launcher | None = None
    # What was killed: what came from the process that we started may be left to this one
    _killed: tuple[int, ...] = ()
    # What is done in the place of subprocess's own start of a child
    _begin: Callable[[dict[str, Any]], None] | None = None
    # subprocess's own
    _child_created: bool
    _waitpid_lock: _thread.LockType

    def __init__(self, args: Any, *positional: Any, **keywords: Any) -> None:
        plan = Plan.__new__(Plan)
        try:
            with launch_errors(), _lines_awaited_by(partial(self._wait_for, event=select.POLLIN)):
                plan.__init__(args, positional, keywords)  # type: ignore[misc]
            with launch_errors():
                self._start(plan)
            self.args = args
        except BaseException as error:
            self._kill_and_reap()
            if isinstance(error, LaunchError):
                error.find_hint = partial(find_hint, plan.options, plan.argv)
            raise

    def send_signal(self, sig: int) -> None:
        """Send a signal to the program, also where a process of ours waits for it."""
        if self._program is None:
            super().send_signal(sig)
        elif self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._program, sig)
                if sig in (signal.SIGCONT, signal.SIGKILL):
                    super().send_signal(signal.SIGCONT)  # it may be stopped as the program is

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the program's end and return its status: subprocess.Popen.wait()."""
        status = super().wait(timeout)
        if self._keeper is not None:
            wait_for_thread(self._keeper)
            self._keeper = None
        return status

    # ---- ways to start it -----------------------------------------------------------------------

    def _start(self, plan: Plan) -> None:
        if plan.preexec_fn:  # which nobody but a copy of this process can call
            self._start_after_preexec_fn(plan)
            return
        if a_thread_can_do(plan) and start_by_thread(self, plan):
            return
        # As subprocess does for what it executes itself
        sys.audit("subprocess.Popen", plan.name, plan.argv, plan.keywords.get("cwd"), plan.env)
        with signals_blocked() as blocked:  # so that no handler's exception leaves a file open
            plan.blocked, status = [*blocked], own_status()
        restores = plan.keywords.get("restore_signals", True)
        plan.take_status(status, SET_BACK if restores else SET_BACK_ALWAYS)
        ways = [
            *([self._launcher.begin] if self._launcher else []),
            *([begin_in_copy] if can_be_copied(status) else []),
            begin_in_interpreter,
        ]
        while not self._start_by_other(plan, ways.pop(0)):
            pass

    def _start_by_other(self, plan: Plan, begin: Begin) -> bool:
        """Have another process do the launch. Returns False where it cannot be had that way."""
        keep = None
        if plan.request.kill_child is not None and begin is begin_in_interpreter:
            keep = self._wait_for_end
        ours, theirs = make_channel()
        with contextlib.closing(ours):
            self._channel = ours
            with contextlib.closing(theirs):
                self._begin = partial(self._begin_job, plan, begin, ours, theirs)
                start = partial(self._start_child, plan.argv, plan.keywords)
                try:
                    self._keeper = call_uninterrupted(start, self._give_up, keep)
                except UnavailableError:
                    return False
                finally:
                    self._begin = None
            self._wait_for_program(plan, ours, STARTED if begin is begin_in_copy else b"")
        return True

    def _start_child(self, argv: list[Any], keywords: Mapping[str, Any]) -> None:
        """Have subprocess start a child, perhaps once more after a try that failed."""
        vars(self).pop("_devnull", None)  # which that has closed
        SubprocessPopen.__init__(self, argv, **keywords)

    def _execute_child(self, *arguments: Any) -> None:
        """Start the child: subprocess calls this when it has made the pipes."""
        if self._begin:
            self._begin(dict(zip(EXECUTE_CHILD, arguments)))
        else:
            super()._execute_child(*arguments)  # type: ignore[misc]

    def _begin_job(
        self,
        plan: Plan,
        begin: Begin,
        ours: _socket.socket,
        theirs: _socket.socket,
        given: dict[str, Any],
    ) -> None:
        """Have another process begin the launch, with what subprocess has made of the keywords."""
        begin(self, plan, *job_and_files(plan, given), ours, theirs)
        self._close_pipe_fds(*(given[name] for name in PIPES))  # type: ignore[attr-defined]

    def _start_after_preexec_fn(self, plan: Plan) -> None:
        """Have subprocess make a copy of this process and call a function in it, as it does."""
        plan.check_bytes()
        ours, theirs = make_channel()
        with contextlib.closing(ours):
            self._channel = ours
            with contextlib.closing(theirs):
                fd = fcntl.fcntl(theirs, fcntl.F_DUPFD_CLOEXEC, 3)  # no standard one
            try:
                with signals_blocked() as blocked:
                    plan.blocked = [*blocked]
                    become = partial(call_and_become_program, plan, fd, os.getpid())
                    keywords = {**plan.keywords, "executable": plan.name, "env": plan.env}
                    self._start_child(plan.argv, {**keywords, "preexec_fn": become})
            finally:
                os.close(fd)
            # Like subprocess, take it for the program that the function ends, or closes the socket
            self._wait_for_program(plan, ours, EXECUTING)

    def _wait_for_end(self) -> None:
        """Stay the parent of a process that is to die with this one, not with a thread of it."""
        stay_until_end(self.pid)

    # ---- how a launch goes ----------------------------------------------------------------------

    def _wait_for_program(self, plan: Plan, channel: _socket.socket, last: bytes) -> None:
        """Wait until the program is executed. Raises what has kept it from that.

        ``last`` is the kind of the last record that is known of.
        """
        self._wait_until_closed(channel)
        failure, last = self._read_status(channel, last)
        if failure is None and last == EXECUTING:
            self._channel = None  # from now on it is the program that is killed
            return
        status = self.wait()  # it ends by itself, as the command does
        if failure is None:
            raise launch_error(_ended_early(last, status))
        kind, fields = failure[:1], fields_of(failure)
        number = int(fields[0]) if fields[0] else None
        if kind == REFUSED:
            path = () if fields[1] is None else (plan.keywords["cwd"],)  # as it was given
            raise OSError(number, os.strerror(number or 0), *path)
        raise launch_error(fields[3] or "", number, fields[1] or "launch", fields[2])

    def _wait_until_closed(self, channel: _socket.socket) -> None:
        """Wait until nobody has the other end any more, and for nothing else that could be read."""
        self._wait_for(channel, 0)

    def _wait_for(self, file: Any, event: int, blocked: Iterable[int] | None = None) -> None:
        """Wait for an event of a file: one of select.poll().

        Raises what gives the launch up: TimeoutExpired when the deadline is over, LaunchError where
        another thread cancels it, and what signal handlers raise, while no signals but those
        ``blocked`` are.
        """
        left: float = 0
        with signals_blocked(blocked) if blocked is not None else contextlib.nullcontext():
            while not wait_for(file, event, left):
                left = self._time_to_wait()

    def _time_to_wait(self) -> float:
        """Return for how long to wait, in seconds, before this is asked again."""
        if self._is_cancelled:
            raise launch_error("the launch was cancelled")
        if self._deadline is None:
            return LONG_INTERVAL
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutExpired("", self._deadline)
        return min(LONG_INTERVAL, left)

    def _read_status(self, channel: _socket.socket, last: bytes) -> tuple[bytes | None, bytes]:
        """Return what failed first, if anything did, and the kind of the last record.

        A record is taken away only when it has been seen to, for an exception can come between.
        """
        failure: bytes | None = None
        while True:
            try:
                record = receive(channel, PEEK)
            except BlockingIOError:
                return failure, last
            kind, content = record[:1], record[1:]
            if not kind:
                return failure, last
            last = kind
            if kind == FORKED:
                self._program = int(content) if content else self._only_child()
            elif kind in (FAILED, REFUSED) and failure is None:  # others are its consequences
                failure = record
            channel.recv(1)

    def _only_child(self) -> int | None:
        """Return the child of the process that we started, by the id that we know it by."""
        found = children(self.pid)
        return found[0] if len(found) == 1 else None

    # ---- how it is ended ------------------------------------------------------------------------

    def _cancel_start(self) -> None:
        """Have a launch fail that another thread waits for."""
        self._is_cancelled = True

    def _give_up(self) -> None:
        """Have a launch end that another thread begins."""
        self._cancel_start()
        self._kill()

    def _kill(self) -> None:
        """Kill what has been started so far."""
        if not self._child_created or self.poll() is not None:
            return
        if self._channel:
            killed: list[int] = []
            try:
                kill_tree(self.pid, killed)
            finally:
                self._killed = *self._killed, *reversed(killed)
        elif not self._kill_program():
            super().send_signal(signal.SIGKILL)

    def _kill_program(self) -> bool:
        """Kill the program that another process waits for, which then ends by itself."""
        if self._program is None:
            return False
        try:
            os.kill(self._program, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return False
        super().send_signal(signal.SIGCONT)  # it may be stopped as the program was
        return True

    def _kill_and_reap(self) -> None:
        """Leave nothing of a launch that failed or was interrupted."""
        try:
            self._kill_and_reap_once()
        except BaseException:  # after a timeout, say, a signal handler's
            self._kill_and_reap_once()
            raise

    def _kill_and_reap_once(self) -> None:
        if self._child_created:
            if self.returncode is None:
                # An exception can have left the old one locked.
                self._waitpid_lock = _thread.allocate_lock()
                self._kill()
                self.wait()
                for pid in (each for each in self._killed if each != self.pid):
                    with contextlib.suppress(ChildProcessError):  # it was not left to this process
                        os.waitpid(pid, 0)
            for stream in (self.stdin, self.stdout, self.stderr):
                if stream:
                    stream.close()


def run(
    args: Any,
    *positional: Any,
    input: Any = None,
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    _launcher: Launcher | None = None,
    **keywords: Any,
) -> CompletedProcess[Any]:
    """Run a program in new namespaces and wait for it: subprocess.run() with unshare's options.

    Raises what Popen does, TimeoutExpired, and CalledProcessError if ``check`` is given.
    """
    if input is not None:
        if keywords.get("stdin") is not None:
            raise ValueError("stdin and input arguments may not both be used.")
        keywords["stdin"] = PIPE
    if capture_output:
        if keywords.get("stdout") is not None or keywords.get("stderr") is not None:
            raise ValueError("stdout and stderr arguments may not be used with capture_output.")
        keywords["stdout"] = keywords["stderr"] = PIPE
    process = Popen.__new__(Popen)
    if _launcher:
        process._launcher = _launcher
    left = timeout
    if timeout is not None:
        process._deadline = time.monotonic() + timeout
    try:  # so that an exception finds the process, whenever it comes
        process.__init__(args, *positional, **keywords)  # type: ignore[misc]
        if process._deadline is not None:
            left = process._deadline - time.monotonic()
        stdout, stderr = process.communicate(input, left)
        status = process.poll()
    except BaseException as error:
        process._kill_and_reap()
        if isinstance(error, TimeoutExpired) and (
            error.cmd is args or error.timeout is process._deadline
        ):  # else a signal handler has raised it, about another program
            error.cmd, error.timeout = error.args = args, timeout or 0
        raise
    assert status is not None
    if check and status:
        raise CalledProcessError(status, args, output=stdout, stderr=stderr)
    return CompletedProcess(args, status, stdout, stderr)


run.__module__ = "pyunshare"


@contextlib.contextmanager
def _lines_awaited_by(wait: Callable[[int], None]) -> Iterator[None]:
    """Have this thread wait in a way of its own for a file that others write."""
    thread = _thread.get_ident()
    before = waits.get(thread)
    waits[thread] = wait
    try:
        yield
    finally:
        del waits[thread]
        if before:
            waits[thread] = before


def _ended_early(last: bytes, status: int) -> str:
    """Return what to say of a launch that has ended without a word."""
    if not last:
        return (
            f"the launch did not begin: {sys.executable} ended with status {status}; if Python or"
            " pyunshare has been removed or replaced, start this process again"
        )
    if status < 0:
        return f"the launch was killed by signal {-status}"
    return f"the launch ended with status {status}"
