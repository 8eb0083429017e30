"""``python3 -I -m pyunshare.doctor [--json]``: the check-up as a command.

What it tries as an ordinary user is done by processes of that user, which may look into them. So
it begins anew, before anything is imported that may lie in the working directory: isolated, with
an empty environment, and so with nothing in memory that is not public.
"""

from __future__ import annotations

import posix
import sys

# What the check-up needs of its environment, as arguments; and what Python may need to start
PASSED_ON = (b"PATH", b"SUDO_UID", b"DOAS_USER")
FOR_THE_LOADER = b"LD_LIBRARY_PATH"

BEGINNING = (
    "import sys; sys.path.append(sys.argv[1]); from pyunshare.doctor.__main__ import begin; "
    "begin(sys.argv[2:])"
)


def restart(python_argv: list[str], argv: list[str]) -> None:
    """Start again, isolated, as a Python that calls begin(). Raises OSError.

    ``python_argv`` is what that Python runs, ``argv`` what the check-up is given.
    """
    variables = [name + b"=" + posix.environ[name] for name in PASSED_ON if name in posix.environ]
    python = sys.executable or "python3"
    line: list[str | bytes] = [python, "-ISXutf8", *python_argv, str(len(variables)), *variables]
    env = {name: posix.environ[name] for name in (FOR_THE_LOADER,) if name in posix.environ}
    try:
        posix.execve("/proc/self/exe", [*line, *argv], env)
    except FileNotFoundError:  # no proc
        posix.execve(python, [*line, *argv], env)


def begin(argv: list[str]) -> None:
    """Be the check-up that restart() has started."""
    import os
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C is no traceback
    os.environ.clear()  # of what Python itself may have put there
    count, *argv = argv
    for variable in argv[: int(count)]:
        name, _, value = os.fsencode(variable).partition(b"=")
        posix.environ[name] = value  # for this process, and for no program that it starts
    sys.exit(run(argv[int(count) :]))


def run(argv: list[str] | None = None) -> int:
    """Print the check-up; return 0 if all works that could be expected, else 1."""
    import argparse
    import json

    from ..options.help import STANDARD_OUTPUT
    from ..syscalls import write_all
    from .checks import check
    from .report import as_data, as_text

    parser = argparse.ArgumentParser(
        prog="pyunshare.doctor",
        description="Try what this machine allows, and say how to fix the rest.",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    arguments = parser.parse_args(argv)
    report = check()
    text = json.dumps(as_data(report), indent=2) + "\n" if arguments.json else as_text(report)
    try:
        write_all(STANDARD_OUTPUT, text.encode(errors="replace"))
    except OSError as error:
        parser.exit(1, f"{parser.prog}: write error: {error.strerror}\n")
    return 0 if report.works else 1


if __name__ == "__main__":
    directory = __file__.rpartition("/")[0].rpartition("/")[0].rpartition("/")[0]
    restart(["-c", BEGINNING, directory or "/"], sys.argv[1:])
