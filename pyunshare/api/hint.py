"""What may help against the failure of a launch: the hints of the command, for Python."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from .exceptions import LaunchError
from .interpreter import start_interpreter
from .job import receive, records_of, send
from .kwargs import Given, as_argv
from .status import make_channel


def find_hint(options: list[Given], argv: list[Any], error: LaunchError) -> str | None:
    """Return the cause and what to type, if a process that looks for that finds something.

    The options and the program are what the launch was asked for.
    """
    job = {
        "options": as_argv(options),
        "argv": [os.fsdecode(word) for word in argv],
        "message": error.message,
        "errno": error.errno,
        "step": error.step,
        "path": error.filename,
    }
    ours, theirs = make_channel()
    with contextlib.closing(ours):
        try:
            with contextlib.closing(theirs):
                process = start_interpreter(theirs, "hint")
        except OSError:  # no interpreter
            return None
        try:
            send(ours, records_of(job, []))
            return os.fsdecode(receive(ours, 0)) or None
        except OSError:  # another version
            return None
        finally:
            process.kill()
            process.wait()
