"""Programs in new namespaces, started from Python as with the subprocess module.

There are two ways to start one. All namespaces but a user namespace are a matter of the thread
that makes them, and of the children that it starts. So a thread of our own makes them and starts
the program, with vfork(2), and the calling process stays as it is. What takes more than that goes
through a process in between, as with the command: see :mod:`pyunshare.launcher`.
"""

from __future__ import annotations

import _thread
import contextlib
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ..errors import Failure
from ..launch.program import SHELL, filter_env, start_program
from ..launch.steps import enter
from ..options.request import Request
from ..syscalls import CLONE_FS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER, load_c_library
from ..syscalls import unshare as unshare_thread
from .exceptions import launch_error, launch_errors, reported_error
from .kwargs import KEYWORDS, as_words, given_options, request_for
from .spawn import NamespaceLost, NotStarted, Starter, as_bytes, start_child
from .status import FORKED, LONGEST_RECORD, STARTED
from .threads import NoThreadError, call_in_thread

with contextlib.suppress(ImportError):
    import _ctypes  # noqa: F401  # in the ordinary way, before load_c_library() has its own

# What Python sets to "ignore" at its start, so that a new one cannot tell what the caller has
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)

# Since then execve(2) enters the time namespace for children, and vfork(2) works before it.
EXECUTION_ENTERS_TIME_NAMESPACE = (6, 0)

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# As the installed command does it, and what it runs, where that has been built: bin/pyunshare
_START = """\
import sys
from _frozen_importlib_external import SourceFileLoader
directory = sys.argv.pop(1)
try:
    exec(SourceFileLoader("amalgamation", directory + "/amalgamation.py").get_code("amalgamation"))
except OSError:
    package = sys.modules["pyunshare"] = type(sys)("pyunshare")
    package.__path__ = [directory]
from pyunshare.api.intermediate import main
main()
"""


class _Silent:
    """Reports nothing: a launch by a thread has no other process that could fail."""

    def report(self, failure: Failure) -> int:
        """Say nothing of a failure, which is raised here."""
        return failure.status

    def stop_loading(self) -> None:
        """Nothing is loaded to report."""


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    """A program started in new namespaces: subprocess.Popen with the options of unshare(1).

    Every keyword of subprocess.Popen is there but ``user``, which is the user namespace. Raises
    LaunchError if the program was not started, UsageError or TypeError for what could never be,
    and what subprocess.Popen raises for what it was asked.
    """

    # The program, where the process that we started is one that waits for it
    _program: int | None = None
    # subprocess's own
    _child_created: bool
    _waitpid_lock: _thread.LockType

    def __init__(self, args: Any, **keywords: Any) -> None:
        ours = {name: keywords.pop(name) for name in [*keywords] if name in KEYWORDS}
        options = given_options(ours)
        request = request_for(options)
        words, name = _program_words(
            args, keywords.pop("executable", None), keywords.pop("shell", False)
        )
        try:
            with launch_errors():
                has_started = _a_thread_can_do(request, keywords) and self._start_in_thread(
                    request, words, name, {**keywords}
                )
                if not has_started:
                    self._start_by_launcher(request, as_words(options), words, name, keywords)
            self.args = args
        except BaseException:
            self.abandon()
            raise

    def send_signal(self, sig: int) -> None:
        """Send a signal to the program, also where a process of ours waits for it."""
        if self._program is None:
            super().send_signal(sig)
        elif self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._program, sig)

    def _start_in_thread(
        self, request: Request, words: list[Any], name: str, keywords: dict[str, Any]
    ) -> bool:
        """Make the namespaces of a thread, and start the program as a child of it.

        Returns False where this process can have no more threads.
        """
        directory = keywords.pop("cwd", None)
        env = keywords.pop("env", None)
        if request.clear_env:
            env = filter_env(as_bytes(env), request.kept_variables)
        request.fork = False  # it will be a child in any case
        load_c_library()

        failed: dict[str, OSError] = {}

        def start() -> None:
            if directory is not None or request.wd is not None:
                unshare_thread(CLONE_FS)  # a working directory of our own
            if directory is not None:
                os.chdir(directory)
            enter(request, _Silent())
            try:
                variables = None if env is None else as_bytes(env)
                start_program(words, variables, name, Starter(self, request, keywords, failed))
            except NotStarted as failure:
                raise failure.reason from None

        while True:
            try:
                call_in_thread(start, self._kill)
                return True
            except NoThreadError:
                return False
            except NamespaceLost:
                pass

    def _start_by_launcher(
        self,
        request: Request,
        options: Sequence[str],
        words: list[Any],
        name: str,
        keywords: dict[str, Any],
    ) -> None:
        """Start a process that becomes the program, or its parent, and hear how it goes."""
        if not sys.executable:
            raise launch_error("there is no Python interpreter to start the launch with")
        ignored = () if keywords.get("restore_signals", True) else IGNORED_BY_PYTHON
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            try:
                with theirs, _above_the_standard_ones(theirs) as descriptor:
                    line = [
                        *(sys.executable, "-I", "-S", "-X", "utf8", "-c", _START),
                        *(_PACKAGE, str(descriptor), str(os.getpid())),
                        " ".join(str(int(n)) for n in ignored if _is_ignored(n)),
                        f"={name}",
                        *options,
                        "--",
                        *words,
                    ]
                    self._start_launcher(request, line, descriptor, keywords, name)
                _wait_until_closed(ours)
                failure, has_begun = self._hear(ours)
            except BaseException:
                self._give_up(ours)
                raise
        if failure is not None:
            self.wait()  # it ends by itself, as the command does
            raise reported_error(failure)
        if not has_begun:
            raise launch_error(f"the launch did not begin, and ended with status {self.wait()}")

    def _start_launcher(
        self,
        request: Request,
        line: list[Any],
        descriptor: int,
        keywords: dict[str, Any],
        name: str,
    ) -> None:
        """Start the process in between, which gets its end of the socket."""
        if keywords.get("close_fds", True):
            keywords["pass_fds"] = (*keywords.get("pass_fds", ()), descriptor)
        else:
            os.set_inheritable(descriptor, True)
        # the death signal comes when the thread ends, not only when the process does
        stay = self._wait_for_end if request.kill_child is not None else None
        start = partial(start_child, self, line, keywords)
        try:
            try:
                call_in_thread(start, self._kill, stay)
            except NoThreadError:
                start()
        except OSError as error:
            if error.filename == sys.executable:
                raise launch_error(
                    f"failed to execute {name}", error.errno, "execve", name
                ) from None
            raise

    def _give_up(self, launch: socket.socket) -> None:
        """Kill the process in between, and the program if there is one already."""
        if self._child_created:
            # Stopped, it lets no program go on that is not known of, and remains its parent.
            with contextlib.suppress(ChildProcessError, PermissionError):
                super().send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            self._hear(launch)
            self._kill_program()
            super().send_signal(signal.SIGKILL)
            self.wait()

    def _hear(self, launch: socket.socket) -> tuple[bytes | None, bool]:
        """Return what failed first, if anything did, and whether the launch has begun at all.

        A record is taken away only when it has been seen to, for an exception can come between.
        """
        has_begun = False
        failure: bytes | None = None
        while True:
            try:
                record = launch.recv(LONGEST_RECORD, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except BlockingIOError:
                return failure, has_begun
            kind, content = record[:1], record[1:]
            if not kind:
                return failure, has_begun
            if kind == STARTED:
                has_begun = True
            elif kind == FORKED:
                self._program = int(content) if content else self._only_child()
            elif failure is None:  # what fails because of it is not of interest
                failure = record
            launch.recv(1)

    def _only_child(self) -> int | None:
        """Return the child of the process that we started, by the id that we know it by."""
        try:
            with open(f"/proc/{self.pid}/task/{self.pid}/children") as children:
                return int(children.read())
        except (OSError, ValueError):
            return None

    def _kill(self) -> None:
        """Kill what has been started so far."""
        if self._child_created and not self._kill_program():
            super().send_signal(signal.SIGKILL)

    def _kill_program(self) -> bool:
        """Kill the program that another process waits for, which then ends by itself."""
        if self._program is None:
            return False
        try:
            os.kill(self._program, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def abandon(self) -> None:
        """Leave nothing of a launch that failed or was interrupted."""
        if self._child_created:
            if self.returncode is None:
                # An exception can have left the old one locked.
                self._waitpid_lock = _thread.allocate_lock()
                self._kill()
                self.wait()
            for stream in (self.stdin, self.stdout, self.stderr):
                if stream:
                    stream.close()

    def _wait_for_end(self) -> None:
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)


def run(
    args: Any,
    *,
    input: Any = None,
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    **keywords: Any,
) -> subprocess.CompletedProcess[Any]:
    """Run a program in new namespaces and wait for it: subprocess.run() with unshare's options.

    Raises what Popen does, TimeoutExpired, and CalledProcessError if ``check`` is given.
    """
    if input is not None:
        if keywords.get("stdin") is not None:
            raise ValueError("stdin and input arguments may not both be used.")
        keywords["stdin"] = subprocess.PIPE
    if capture_output:
        if keywords.get("stdout") is not None or keywords.get("stderr") is not None:
            raise ValueError("stdout and stderr arguments may not be used with capture_output.")
        keywords["stdout"] = keywords["stderr"] = subprocess.PIPE
    process = Popen.__new__(Popen)
    try:  # so that an exception finds the process, whenever it comes
        process.__init__(args, **keywords)  # type: ignore[misc]
        stdout, stderr = process.communicate(input, timeout)
        status = process.poll()
    except BaseException:
        try:
            process.abandon()
        except BaseException:  # after a timeout, say, a signal handler's
            process.abandon()
            raise
        raise
    assert status is not None
    if check and status:
        raise subprocess.CalledProcessError(status, args, stdout, stderr)
    return subprocess.CompletedProcess(args, status, stdout, stderr)


@contextlib.contextmanager
def _above_the_standard_ones(file: socket.socket) -> Iterator[int]:
    """Provide a descriptor of the file that is no standard one, which the program may get."""
    if file.fileno() > 2:
        yield file.fileno()
        return
    descriptor = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 3)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_until_closed(launch: socket.socket) -> None:
    """Wait until nobody holds the other end any more, and for nothing else that could be read."""
    poll = select.poll()
    poll.register(launch, 0)
    poll.poll()


def _program_words(args: Any, executable: Any, shell: bool) -> tuple[list[Any], str]:
    """Return the program's words and the name to look for, as subprocess understands them."""
    if isinstance(args, (str, bytes)) or (isinstance(args, os.PathLike) and not shell):
        words: list[Any] = [args]
    elif isinstance(args, os.PathLike):
        raise TypeError("path-like args is not allowed when shell is true")
    else:
        words = list(args)
    if shell:
        words = [SHELL, "-c", *words]
        if executable:
            words[0] = executable
    if not words:
        raise ValueError("args must not be empty")
    name = os.fsdecode(words[0] if executable is None else executable)
    if "\0" in name:
        raise ValueError("embedded null byte")
    return words, name


def _is_ignored(number: signal.Signals) -> bool:
    return signal.getsignal(number) == signal.SIG_IGN


def _a_thread_can_do(request: Request, keywords: Mapping[str, Any]) -> bool:
    """Tell whether a launch needs namespaces only, and such as a thread can make."""
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
        # It is called before the namespaces are made.
        and keywords.get("preexec_fn") is None
        # The program is to have the default.
        and not _is_ignored(signal.SIGCHLD)
    )


def _kernel() -> tuple[int, ...]:
    numbers = os.uname().release.split("-")[0].split(".")
    return tuple(int(number) for number in numbers[:2] if number.isdigit())
