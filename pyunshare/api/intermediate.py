"""The process between Python and the program, where a thread cannot do all of a launch.

It does what the command does, with the command's own code. But what fails is not printed: it is
told to the process that started this one.
"""

import _signal
import posix
import sys

from ..command import _occupy_standard_descriptors, _take_back_signals
from ..errors import Failure, divert_reports, finish
from ..launch.locale_coercion import undo_locale_coercion
from ..launch.program import chosen_variables, start_program
from ..launch.steps import enter
from ..options.parser import parse
from ..options.request import Request
from ..syscalls import load_c_library, set_parent_death_signal
from .status import FORKED, STARTED, Reporter, helper_failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

NAME = "pyunshare"
OUTSIDE = 0  # the id of a parent in another PID namespace: pid_namespaces(7)


def main() -> "NoReturn":
    """Do what ``sys.argv`` says: socket, parent, ignored signals, name, options, program.

    Some signals the caller ignores, and Python cannot tell. The name is that of the program's
    file, and begins with an equals sign, for it may be empty.
    """
    finish(NAME, _launch, sys.argv[1:])


def _launch(arguments: "list[str]") -> int:
    """Become the program; return its status in the parent of a forked one."""
    descriptor, parent, ignored, name, *words = arguments
    posix.set_inheritable(int(descriptor), False)
    reporter = Reporter(int(descriptor))
    divert_reports(reporter.report)
    _take_back_signals()
    for signal in ignored.split():
        _signal.signal(int(signal), _signal.SIG_IGN)
    _occupy_standard_descriptors()
    undo_locale_coercion()
    reporter.send(STARTED)

    options, program, _ = parse(words)
    request = Request()
    for option, value in options:
        request.add(option, value)
    request.check()
    if request.kill_child is not None:
        load_c_library()

    def forked(worker: int) -> None:
        if request.kill_child is not None:
            _die_with(int(parent))
        # Where the caller has made a PID namespace for its children, it knows them by other ids.
        is_known = posix.getppid() == int(parent)
        reporter.send(FORKED + (str(worker).encode() if is_known else b""))
        reporter.close()

    variables = None
    if request.clear_environment:
        variables = chosen_variables(posix.environ, request.kept_variables)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    try:
        status = enter(request, NAME, forked if request.fork else None)
    except Failure as failure:
        if not failure.is_told:
            raise
        raise Failure(helper_failed(failure)) from None
    if status is not None:
        return status
    return start_program(program, variables, name[1:])


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends, and the program with it."""
    set_parent_death_signal(_signal.SIGKILL)
    if posix.getppid() not in (parent, OUTSIDE):  # too late for the signal
        raise Failure("the parent is gone", is_told=True)
