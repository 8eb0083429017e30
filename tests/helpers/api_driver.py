"""A program that starts another one: through the Python interface, or by a command line.

    python -I api_driver.py PACKAGE BACKEND [option...] [program...]
    python -I api_driver.py PACKAGE command FILE NAME [option...] [program...]

It ends as the program ended, and shows exceptions as the command shows its errors. PACKAGE is the
directory that pyunshare is in, and the BACKEND what does what a thread cannot: "copy",
"interpreter" or "launcher".
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

NAME = "pyunshare"
INTEGERS = ("setuid", "setgid", "monotonic", "boottime")


def keywords_for(options: Any) -> dict[str, Any]:
    """The options of a command line as keywords of natural types, in their order."""
    from pyunshare.options.option import BY_NAME

    keywords: dict[str, Any] = {}
    for long_name, value in options:
        option = BY_NAME[long_name]
        name = long_name.replace("-", "_")
        before = keywords.pop(name, None)
        if option.name in INTEGERS:
            keywords[name] = int(value)
        elif option.name in ("map-users", "map-groups", "whitelist-env"):
            keywords[name] = [*(before or []), value]
        elif option.flags and option.metavar == "=file":
            keywords[name] = value if value is not None else before or True
        else:
            keywords[name] = True if value is None else value
    return keywords


def by_interface(backend: str, words: list[str]) -> int:
    """The status of the program, or that of the command where it was not started."""
    import pyunshare
    from pyunshare.api import caller
    from pyunshare.options.parser import take_options

    program = [*words]
    keywords = keywords_for(take_options(program))
    caller.MOST_PAGE_TABLES = 1 << 40 if backend == "copy" else -1
    run = pyunshare.Launcher().run if backend == "launcher" else pyunshare.run
    try:
        return run(program, **keywords).returncode
    except (pyunshare.LaunchError, pyunshare.UsageError) as failure:
        step = getattr(failure, "step", "")
        if step != "helper":  # which has said itself what is wrong
            sys.stderr.buffer.write(os.fsencode(f"{NAME}: {failure}\n"))
        if step != "execve":
            return 1
        return 127 if isinstance(failure, FileNotFoundError) else 126


def end(status: int) -> None:
    """End as the program ended."""
    sys.stderr.flush()
    if status < 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [-status])
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    package, way, *rest = sys.argv[1:]
    sys.path.insert(0, package)
    if way != "command":
        end(by_interface(way, rest))
    file, name, *line = rest
    end(subprocess.run([name, *line], executable=file, check=False).returncode)
