"""The process between Python and the program, where a thread cannot do all of a launch.

It does what the command does, with the command's own code. But what fails is not printed: it is
told to the process that started this one.
"""

import _signal
import posix
import sys

from ..errors import ParentGone
from ..launch.program import filter_env, start_program
from ..launch.startup import reserve_stdio_fds, restore_signals, undo_locale_coercion
from ..launch.steps import enter
from ..messages import run_and_exit
from ..options.parser import CommandLine
from ..options.request import Request
from ..syscalls import load_c_library, set_parent_death_signal
from .status import FORKED, STARTED, Reporter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

OUTSIDE = 0  # the id of a parent in another PID namespace: pid_namespaces(7)


def main() -> "NoReturn":
    """Do what ``sys.argv`` says: socket, parent, ignored signals, name, options, program.

    Some signals the caller ignores, and Python cannot tell. The name is that of the program's
    file, and begins with an equals sign, for it may be empty.
    """
    descriptor, *arguments = sys.argv[1:]
    posix.set_inheritable(int(descriptor), False)
    reporter = Reporter(int(descriptor))
    run_and_exit(reporter, _launch, reporter, *arguments)


def _launch(reporter: Reporter, parent: str, ignored: str, name: str, *words: str) -> int:
    """Become the program; return its status in the parent of a forked one."""
    restore_signals()
    for signal in ignored.split():
        _signal.signal(int(signal), _signal.SIG_IGN)
    reserve_stdio_fds()
    undo_locale_coercion()
    reporter.send(STARTED)

    command_line = CommandLine([*words])
    request = Request.from_options(command_line)
    if request.kill_child is not None:
        load_c_library()
    env = None
    if request.clear_env:
        env = filter_env(posix.environ, request.kept_variables)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    child = enter(request, reporter, hold=True)
    if child:
        try:
            if request.kill_child is not None:
                _die_with(int(parent))
            # A caller with a PID namespace for its children knows them by other ids.
            is_known = posix.getppid() == int(parent)
            reporter.send(FORKED + (str(child.pid).encode() if is_known else b""))
            reporter.close()
        except BaseException:
            child.cancel()
            raise
        child.release()
        return child.wait()
    start_program(command_line.program, env, name[1:])
    raise AssertionError("execve(2) returned")


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends, and the program with it."""
    set_parent_death_signal(_signal.SIGKILL)
    if posix.getppid() not in (parent, OUTSIDE):  # too late for the signal
        raise ParentGone("the parent is gone")
