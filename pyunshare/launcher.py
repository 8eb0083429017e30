"""The process between Python and the program, where a thread cannot do all of a launch.

It does what the command does, with the command's own code. But what fails is not printed: it is
told to the process that started this one, over a socket. That end of it closes when the program
starts.
"""

import _signal
import posix
import sys

from .command import _occupy_standard_descriptors, _take_back_signals
from .errors import LaunchError, SilentFailure, divert_reports, finish
from .launch import enter
from .parser import parse
from .program import Environment, start_program, undo_locale_coercion
from .request import Request
from .syscalls import fsencode, load_c_library, set_parent_death_signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .errors import UsageError

# What a record begins with, and what follows
STARTED = b"S"  # nothing: this code has come to run
FORKED = b"F"  # the id of the program, which waits for this process to go on
FAILED = b"E"  # kind, errno and message, with NUL bytes between them

LONGEST_RECORD = 1 << 16
NAME = "pyunshare"


def helper_failed(failure: SilentFailure) -> str:
    """Return what to say where another program has said what is wrong, such as newuidmap(1)."""
    return f"writing the id maps failed with status {failure.status}"


def main() -> "NoReturn":
    """Do what ``sys.argv`` says: socket, parent, ignored signals, file, options, program."""
    descriptor, parent, ignored, name, *words = sys.argv[1:]
    finish(NAME, _Launcher(int(descriptor), int(parent)).run, ignored, name, words)


class _Launcher:
    """A launch on behalf of the process that holds the other end of a socket."""

    def __init__(self, descriptor: int, parent: int) -> None:
        self._descriptor = descriptor
        self._parent = parent
        self._request = Request()

    def run(self, ignored: str, name: str, words: "list[str]") -> int:
        """Become the program; return a status in the parent of a forked one.

        ``ignored`` has the numbers of signals that the caller ignores, and Python cannot tell.
        ``name`` begins with an equals sign, or is empty where the first word names the program.
        """
        posix.set_inheritable(self._descriptor, False)
        divert_reports(self._report)
        _take_back_signals()
        for signal in ignored.split():
            _signal.signal(int(signal), _signal.SIG_IGN)
        _occupy_standard_descriptors()
        undo_locale_coercion()
        self._send(STARTED)

        request = self._request
        options, program, _ = parse(words)
        for option, value in options:
            request.add(option, value)
        request.check()
        environment = Environment(request.kept_variables if request.clear_environment else None)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        try:
            status = enter(request, NAME, self._hold if request.fork else None)
        except SilentFailure as failure:
            raise LaunchError(helper_failed(failure)) from None
        if status is not None:
            return status
        return start_program(program, environment, name[1:] if name else None)

    def _hold(self, program: int) -> None:
        """Tell who the program is, before it is let go on, and be silent from now on."""
        if self._request.kill_child is not None:
            load_c_library()
            set_parent_death_signal(_signal.SIGKILL)
            if posix.getppid() != self._parent:  # too late for the signal
                raise SilentFailure
        self._send(FORKED + str(program).encode())
        posix.close(self._descriptor)
        self._descriptor = -1

    def _report(self, error: "UsageError | LaunchError") -> None:
        kind = "launch" if isinstance(error, LaunchError) else "usage"
        message = error.message if isinstance(error, LaunchError) else str(error)
        number = "" if error.errno is None else str(error.errno)
        try:
            self._send(FAILED + fsencode("\0".join((kind, number, message)))[:LONGEST_RECORD])
        except OSError:
            pass  # nobody listens

    def _send(self, record: bytes) -> None:
        posix.write(self._descriptor, record)
