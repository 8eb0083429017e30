"""What the Python interface raises when a launch fails before its program starts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import cache
from typing import Callable

from ..errors import Failure, with_reason


class UsageError(ValueError):
    """An option or a value that is wrong, whatever the machine."""

    __module__ = "pyunshare"


class LaunchError(OSError):
    """A step of a launch failed, and the program was not started.

    The text is what the command would have said. ``errno`` is the kernel's reason, None where
    there is none; ``step`` the system call or the action that failed, such as "unshare",
    "mount" or "execve"; ``filename`` the file that it was about, if any. An error is also of
    the class that Python has for its ``errno``: FileNotFoundError, PermissionError and so on.
    """

    #: What unshare() had made before the step that failed, by keyword: ("uts", "mount")
    entered: tuple[str, ...] = ()
    # What looks for a hint
    find_hint: Callable[[LaunchError], str | None] | None = None

    __module__ = "pyunshare"

    def __init__(
        self,
        message: str,
        errno: int | None = None,
        step: str = "launch",
        filename: str | None = None,
    ) -> None:
        super().__init__(errno, message if errno is None else os.strerror(errno), filename)
        self.message = message
        self.step = step

    @property
    def hint(self) -> str | None:
        """The cause, found on this machine, and what to type, as the hints of the command say it.

        It is looked for when it is asked for, by a process of its own, which tries what it offers.
        None where none is found, and for an error that comes from another process.
        """
        return self.find_hint(self) if self.find_hint else None

    def __str__(self) -> str:
        return with_reason(self.message, self.errno)

    def __reduce__(self) -> tuple[object, ...]:
        return launch_error, (self.message, self.errno, self.step, self.filename)


def launch_error(
    message: str, errno: int | None = None, step: str = "launch", filename: str | None = None
) -> LaunchError:
    """Return the error to raise for a step that failed with this errno."""
    return _class_for(errno)(message, errno, step, filename)


@contextlib.contextmanager
def launch_errors() -> Iterator[None]:
    """Raise what the launch code raises as what it is to those who call it from Python."""
    try:
        yield
    except Failure as failure:
        if not failure.step:
            raise UsageError(str(failure)) from None
        raise launch_error(failure.message, failure.errno, failure.step, failure.path) from None


@cache
def _class_for(errno: int | None) -> type[LaunchError]:
    kind = OSError if errno is None else type(OSError(errno, ""))
    if kind is OSError:
        return LaunchError
    return type(f"Launch{kind.__name__}", (LaunchError, kind), {"__module__": "pyunshare"})
