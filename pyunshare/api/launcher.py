"""A small process that does launches for a large one, or one with threads, at once."""

from __future__ import annotations

import _socket
import contextlib
import os
import resource
import select
import signal
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import Any

from ..launch.steps import require_c_library
from .caller import field, own_status
from .exceptions import launch_error, launch_errors
from .interpreter import start_interpreter
from .job import Wait, is_sent, receive, records_of, send, wait_for
from .original import SubprocessPopen
from .plan import Plan
from .popen import Popen, run
from .status import STARTED, UnavailableError, make_channel
from .threads import call_uninterrupted, stay_until_end, wait_for_thread

# In seconds
BEGINNING = 1.0  # for a process that begins a launch
PATIENCE = 10.0  # for one that ends

NAMESPACES = "/proc/thread-self/ns"
# What proc_pid_status(5) has of the rights of a thread and of where it runs
LIMITS = {value for name, value in vars(resource).items() if name.startswith("RLIMIT_")}
RIGHTS = ("Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp", "Cpus_allowed", "Mems_allowed")


class Launcher:
    """A process of ours that does launches, one copy of it each, for ``run()`` and ``Popen()``.

    It takes the place of the interpreter that other launches start where the calling process has
    threads or much memory. Programs are children of the calling process all the same. Where it
    cannot be used they are started without it: after a change of ids, namespaces, root directory,
    limits and the like, in a forked child, and with a kernel before 5.3.

    All threads may use one. It ends when it is closed, or with the calling process. Raises
    LaunchError where it cannot be started.
    """

    __module__ = "pyunshare"

    def __init__(self) -> None:
        with launch_errors():
            require_c_library()  # as the other process will
        self._owner = os.getpid()
        try:
            self._state = _own_state(own_status())
        except OSError as error:
            message = f"a Launcher needs {error.filename}"
            raise launch_error(message, error.errno, "open", error.filename) from None
        self._process: SubprocessPopen[bytes] | None = None
        # The thread that is the parent of all, if one stays for that, and whose end it waits for
        self._keeper: int | None = None
        self._kept: list[int] = []
        self._control, theirs = make_channel()

        def start() -> None:
            self._process = start_interpreter(theirs, "many")
            self._kept.append(self._process.pid)

        try:
            with contextlib.closing(theirs):
                self._keeper = call_uninterrupted(start, lambda: None, self._stay)
            if receive(self._control, 0) != str(self._owner).encode():
                raise launch_error("the Launcher did not begin")
        except BaseException:
            self.close()
            raise

    def run(self, args: Any, **keywords: Any) -> Any:
        """As pyunshare.run()."""
        return run(args, _launcher=self, **keywords)

    def Popen(self, args: Any, **keywords: Any) -> Popen:  # noqa: N802
        """As pyunshare.Popen()."""
        process = Popen.__new__(Popen)
        process._launcher = self
        process.__init__(args, **keywords)  # type: ignore[misc]
        return process

    def close(self) -> None:
        """End the process. Programs go on."""
        if self._owner == os.getpid():
            with contextlib.suppress(OSError):
                if self._process:
                    self._process.send_signal(signal.SIGCONT)
                self._control.shutdown(_socket.SHUT_WR)  # though forked children have it, too
                while wait_for(self._control, select.POLLIN, PATIENCE):
                    unused = receive(self._control, 0)
                    if not unused:
                        break
                    os.waitpid(int(unused), 0)  # a copy that no launch has taken
            if self._process:
                self._process.kill()  # unless it has ended by itself
                self._process.wait()
            if self._keeper is not None and len(self._kept) == 1:
                wait_for_thread(self._keeper)
                self._keeper = None
        self._control.close()

    def __enter__(self) -> Launcher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            if hasattr(self, "_control"):
                self.close()
        except (AttributeError, TypeError):
            pass  # Python ends, and has taken the modules away; the other process sees it end

    # ---- for Popen ------------------------------------------------------------------------------

    def begin(
        self,
        process: Any,
        plan: Plan,
        job: dict[str, Any],
        files: list[int],
        ours: _socket.socket,
        theirs: _socket.socket,
    ) -> None:
        """Have a copy of the process begin a job for ``process``, and report to a socket.

        Raises UnavailableError where the Launcher has ended, the kernel makes no copies, or they
        differ from this process in what a program inherits.
        """
        wait = partial(process._wait_for, blocked=plan.blocked)
        with self._own_directory(plan.status, job, files):
            first, *others = records_of(job, files, [theirs.fileno()])
            while not self._is_taken(*first):
                wait(self._control, select.POLLOUT)
            theirs.close()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # told later
                send(ours, others, wait)
            process.pid = self._pid_at(ours, plan, wait)
            process._child_created = True

    @contextlib.contextmanager
    def _own_directory(self, status: str, job: dict[str, Any], files: list[int]) -> Iterator[None]:
        """Put into a job what the program inherits, and a process of the Launcher does not have."""
        try:
            if (self._owner, self._state) != (os.getpid(), _own_state(status)):
                raise UnavailableError
            directory = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            raise UnavailableError from None
        try:
            job["directory"] = True
            files.append(directory)
            if job["umask"] < 0:
                job["umask"] = int(field(status, "Umask"), 8)
            yield
        finally:
            os.close(directory)

    def _is_taken(self, data: bytes, files: list[int]) -> bool:
        """Send the beginning of a job, where there is room for it."""
        try:
            return is_sent(self._control, data, files)
        except OSError:
            raise UnavailableError from None

    def _pid_at(self, ours: _socket.socket, plan: Plan, wait: Wait) -> int:
        """Return the id of the process at the other end.

        It comes at once, and nothing is to come between. The Launcher of which it does not come may
        be stopped, and is of no use any more when the launch is given up.
        """
        if not wait_for(ours, select.POLLIN, BEGINNING):
            try:
                wait(ours, select.POLLIN)
            except BaseException:
                if self._process:
                    self._process.kill()
                raise
        record = receive(ours, _socket.MSG_PEEK)
        if record[:1] != STARTED:
            raise UnavailableError
        pid = int(record[1:])
        if plan.request.kill_child is not None:
            self._kept.append(pid)
        return pid

    def _stay(self) -> None:
        """Stay the parent of what is to die with this process, and not with a thread of it."""
        for pid in self._kept:  # which may grow as long as the first one is there
            stay_until_end(pid)


def _own_state(status: str) -> tuple[Any, ...]:
    """Return what a program inherits from this process or thread by fork(2) alone.

    ``status`` is the thread's. Raises OSError without /proc.
    """
    return (
        *(os.readlink(f"{NAMESPACES}/{name}") for name in sorted(os.listdir(NAMESPACES))),
        *(line for line in status.split("\n") if line.startswith(RIGHTS)),
        os.stat("/")[1:3],  # the device and the inode of the root directory
        os.getpgrp(),
        os.getsid(0),
        os.getpriority(os.PRIO_PROCESS, 0),
        *map(resource.getrlimit, LIMITS),
    )
