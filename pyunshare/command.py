"""The command: from the words of a command line to the end of the process."""

import sys

from .launch.startup import reserve_stdio_fds, restore_environ, restore_signals
from .launch.steps import launch
from .messages import Reporter, run_and_exit
from .options.parser import take_options
from .options.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main(name: "str | None" = None) -> "NoReturn":
    """Do what ``sys.argv`` says, under the name that it was started by, and end the process."""
    if name is None:
        name = sys.argv[0].rpartition("/")[2]
    reporter = Reporter(name, sys.argv[1:], _rehearse)
    run_and_exit(reporter, _run, reporter)


def _rehearse(argv: "list[str]") -> None:
    from .launch.rehearsal import rehearse

    rehearse(argv)


def _run(reporter: Reporter) -> int:
    restore_signals()
    reserve_stdio_fds()
    restore_environ()
    argv = [*reporter.argv]
    request = reporter.request = Request()
    for option, value in take_options(argv):
        if option in ("help", "version"):
            from .options.help import help_text, print_text, version_text

            name = reporter.name
            return print_text(help_text(name) if option == "help" else version_text(name))
        request.add(option, value)
    request.check()
    return launch(request, argv, reporter)
