"""Launches by a thread, which starts the program as a child of it, where a launch would become it.

The code of a launch looks for the program and executes it: :mod:`pyunshare.launch.program`. Here
it is given something else to execute files with.
"""

from __future__ import annotations

import _signal
import os
from collections.abc import Mapping
from errno import EAGAIN, ENOMEM
from typing import TYPE_CHECKING, Any

from ..launch.program import start_program
from ..launch.steps import enter
from ..options.request import Request
from ..syscalls import (
    CLONE_FS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    HAS_UNSHARE,
    load_c_library,
    unshare,
)
from .caller import field, own_status
from .plan import Plan
from .status import Reporter
from .threads import NoThreadError, call_in_thread

if TYPE_CHECKING:
    from .popen import Popen


# Since then execve(2) enters the time namespace for children, and vfork(2) works before it.
EXECUTION_ENTERS_TIME_NAMESPACE = (6, 0)


def a_thread_can_do(plan: Plan) -> bool:
    """Return whether a launch needs namespaces only, and such as a thread can make."""
    request = plan.request
    return (
        not request.flags & CLONE_NEWUSER
        and not request.files
        and request.kill_child is None
        and request.proc is None
        and request.setgroups is None
        and request.uid is None
        and request.gid is None
        and request.root is None
        and not request.clock_offsets
        # The program itself stays in the old PID namespace, its parent does not.
        and (request.fork or not request.flags & CLONE_NEWPID)
        and (not request.flags & CLONE_NEWTIME or _kernel() >= EXECUTION_ENTERS_TIME_NAMESPACE)
        # The program is to have the default.
        and _signal.getsignal(_signal.SIGCHLD) != _signal.SIG_IGN
        and _has_what_it_calls(request.needs_c_library)
    )


def _has_what_it_calls(needs_c_library: bool) -> bool:
    if needs_c_library or not HAS_UNSHARE:
        try:
            load_c_library()
        except (ImportError, OSError):  # built without ctypes, or a subinterpreter
            return False
    return True


def _kernel() -> tuple[int, ...]:
    numbers = os.uname().release.split("-")[0].split(".")
    return tuple(int(number) for number in numbers[:2] if number.isdigit())


def start_by_thread(process: Popen, plan: Plan) -> bool:
    """Make the namespaces of a thread, and start the program as a child of it.

    Returns False where this process can have no more threads, or no child beside one.
    """
    request = plan.request
    keywords = {**plan.keywords}
    directory = keywords.pop("cwd", None)
    is_forked, request.fork = request.fork, False  # it will be a child in any case
    failed: dict[str, OSError] = {}

    def start() -> None:
        if directory is not None or request.wd is not None:
            unshare(CLONE_FS)  # a working directory of our own
        if directory is not None:
            _change_directory(directory)
        enter(request, Reporter(-1))
        execute = Starter(process, request, keywords, failed)
        start_program(plan.argv, plan.env, plan.name, execute)

    while True:
        try:
            call_in_thread(start, process._kill)
            return True
        except NoThreadError:
            break
        except NotStarted as failure:
            if not isinstance(failure.reason, BlockingIOError):  # a limit of processes
                raise failure.reason from None
            break
        except NamespaceLost:
            pass
    request.fork = is_forked
    return False


def _change_directory(directory: Any) -> None:
    try:
        os.chdir(directory)
    except OSError as error:
        error.filename = directory  # as it was given
        raise


def start_child(process: Popen, argv: list[Any], keywords: Mapping[str, Any]) -> None:
    """Have subprocess start a child, but not by posix_spawn(3), which ignores signal 32 in it.

    It is asked for what posix_spawn(3) cannot do, and changes nothing.
    """
    given = {**keywords}
    if given.get("cwd") is None:
        if os.access(".", os.X_OK, effective_ids=True):
            given["cwd"] = "."
        elif given.get("umask", -1) == -1 and (umask := field(own_status(), "Umask")):
            given["umask"] = int(umask, 8)
    process._start_child(argv, given)


class NotStarted(BaseException):
    """The child could not be made, whatever program it was to become."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(reason)
        self.reason = reason


class NamespaceLost(BaseException):
    """The new PID namespace ended with its first process, which could not execute a file."""


class Starter:
    """What a launch executes files with where a child is to be the program.

    ``failed`` has the files that could not be executed, with the reason, when the launch has to
    begin again.
    """

    def __init__(
        self,
        process: Popen,
        request: Request,
        keywords: Mapping[str, Any],
        failed: dict[str, OSError],
    ) -> None:
        self._process = process
        self._has_pid_namespace = bool(request.flags & CLONE_NEWPID)
        self._is_first = True
        self._keywords = keywords
        self._failed = failed

    def __call__(self, path: str, argv: list[str], env: Mapping[bytes, bytes] | None) -> None:
        """Start the program in a file. Raises OSError as execve(2) fails."""
        if path in self._failed:
            raise self._failed[path]
        os.stat(path)  # most directories of PATH do not have it, which is told sooner so
        if self._has_pid_namespace and not self._is_first:
            raise NamespaceLost
        self._is_first = False
        executable = path if "/" in path else f"./{path}"
        try:
            keywords = {**self._keywords, "env": env, "executable": executable}
            start_child(self._process, argv, keywords)
        except BaseException as error:
            self._process._child_created = False  # subprocess has waited for it
            if not isinstance(error, OSError):
                raise
            if error.filename != executable:
                raise NotStarted(self._plain(error)) from None
            self._failed[path] = error
            raise

    def _plain(self, error: OSError) -> OSError:
        """Return an error as it is without the directory and the namespace that we add."""
        number = error.errno
        if error.filename is None and number != ENOMEM:  # of what was given, such as no file at all
            return error
        if number == ENOMEM and self._has_pid_namespace:
            # After vfork(2) CPython tries fork(2), which finds the namespace lost by the first.
            number = EAGAIN
        return OSError(number, os.strerror(number or 0))
