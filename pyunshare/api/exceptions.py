"""What the Python interface raises when a launch fails before its program starts."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from functools import cache

from .. import errors
from ..errors import with_reason
from .status import parse_failure


class UsageError(ValueError):
    """An option or a value that is wrong, or whose meaning this machine does not know."""


class LaunchError(OSError):
    """A step of a launch failed, and the program was not started.

    The text is what the command would have said. ``errno`` is the kernel's reason, None where
    there is none; ``step`` the system call or the action that failed, such as "unshare",
    "mount" or "execve"; ``filename`` the file that it was about, if any. An error is also of
    the class that Python has for its ``errno``: FileNotFoundError, PermissionError and so on.
    """

    def __init__(self, message: str, errno: int | None = None) -> None:
        step, filename = _step_and_file(message)
        super().__init__(errno, message if errno is None else os.strerror(errno), filename)
        self.message = message
        self.step = step

    def __str__(self) -> str:
        return with_reason(self.message, self.errno)

    def __reduce__(self) -> tuple[object, ...]:
        return launch_error, (self.message, self.errno)


def launch_error(message: str, errno: int | None = None) -> LaunchError:
    """Return the error to raise for a step that failed with this errno."""
    return _class_for(errno)(message, errno)


@contextlib.contextmanager
def launch_errors() -> Iterator[None]:
    """Raise what the launch code raises as what it is to those who call it from Python."""
    try:
        yield
    except errors.Failure as failure:
        raise launch_error(failure.message, failure.errno) from None


def reported_error(record: bytes) -> LaunchError:
    """Return the error that another process has met and reported."""
    return launch_error(*parse_failure(record))


@cache
def _class_for(errno: int | None) -> type[LaunchError]:
    kind = OSError if errno is None else type(OSError(errno, ""))
    if kind is OSError:
        return LaunchError
    return type(f"Launch{kind.__name__}", (LaunchError, kind), {"__module__": __name__})


# The messages of the contract, as they name a file, with the system call that each is about
_STEPS = (
    (r"failed to execute (?P<file>.*)", "execve"),
    (r"cannot change root directory to '(?P<file>.*)'", "chroot"),
    (r"cannot change directory to (?P<file>.*)", "chdir"),
    (r"cannot change (?:root|(?P<file>.*)) filesystem propagation", "mount"),
    (r"mount (?:/proc/\d+/ns/\w+ on )?(?P<file>.*) failed", "mount"),
    (r"(?:cannot open|failed to open) (?P<file>.*)", "open"),
    (r"(?:write failed|failed to write(?: to)?) (?P<file>.*)", "write"),
    (r"(?P<file>.*) too large for kernel 4k limit", "write"),
    (r"(?P<file>[^/ ]+) was killed by signal \d+", "helper"),
    (r"writing the id maps failed with status \d+(?P<file>)", "helper"),
)
_CALL = re.compile(r"(?P<call>\w+)(?:\(.*\)| block)? failed(?:: .*)?")


def _step_and_file(message: str) -> tuple[str, str | None]:
    for pattern, step in _STEPS:
        found = re.fullmatch(pattern, message, re.DOTALL)
        if found:
            return step, found["file"] or None
    call = _CALL.fullmatch(message)
    return (call["call"] if call else "launch"), None
