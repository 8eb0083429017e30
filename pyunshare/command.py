"""The command: from the words of a command line to the end of the process."""

import _signal
import posix
import sys

from .errors import STANDARD_ERROR, finish, keep_for_hints
from .launch.locale_coercion import undo_locale_coercion
from .launch.steps import launch
from .options.parser import parse
from .options.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main(name: "str | None" = None) -> "NoReturn":
    """Do what ``sys.argv`` says, under the name that it was started by, and end the process."""
    _take_back_signals()
    if name is None:
        name = sys.argv[0].rpartition("/")[2]
    finish(name, _run, name, sys.argv[1:])


def _run(name: str, words: "list[str]") -> int:
    _occupy_standard_descriptors()
    undo_locale_coercion()
    options, program, grammar_error = parse(words)
    request = Request()
    keep_for_hints(name, words, request, program)
    for option, value in options:
        if option in ("help", "version"):
            from .options.help import help_text, print_text, version_text

            return print_text(help_text(name) if option == "help" else version_text(name))
        request.add(option, value)
    if grammar_error:
        raise grammar_error
    request.check()
    return launch(request, program, name)


def _take_back_signals() -> None:
    """Undo what Python did to signals at its start; a C program would have left them alone.

    Whether the caller had SIGPIPE or SIGXFSZ ignored cannot be told any more.
    """
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
    _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)


def _occupy_standard_descriptors() -> None:
    """Keep files of ours from becoming the standard output or error that the caller closed.

    The place holders cannot be written to, and are closed when the program starts.
    """
    descriptor = 0
    while descriptor <= STANDARD_ERROR:
        descriptor = posix.open("/", posix.O_PATH | posix.O_CLOEXEC)
    posix.close(descriptor)
