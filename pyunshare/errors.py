"""What can go wrong, and how a process of the launch ends.

Everything below the command raises; only :func:`finish` makes a message and a status of it.
"""

import posix

from .syscalls import fsencode, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, NoReturn, TypeVar

    Result = TypeVar("Result")

STANDARD_ERROR = 2


class UsageError(ValueError):
    """An option or a value that is wrong, or whose meaning this machine does not know.

    ``errno`` is the reason to print behind the message, if there is one; ``see_help`` asks for
    the second line of getopt_long(3)'s complaints.
    """

    def __init__(self, message: str, errno: "int | None" = None, see_help: bool = False) -> None:
        super().__init__(with_reason(message, errno))
        self.errno = errno
        self.see_help = see_help
        self.status = 1


class LaunchError(OSError):
    """A step of the launch that failed; ``errno`` is None where there is no more to say.

    ``status`` is the exit status that unshare(1) gives to such a failure.
    """

    def __init__(self, message: str, errno: "int | None" = None, status: int = 1) -> None:
        super().__init__(errno, message)
        self.message = message
        self.see_help = False
        self.status = status

    def __str__(self) -> str:
        return with_reason(self.message, self.errno)


class SilentFailure(Exception):
    """A failure that another process has reported, or that is nobody's to hear of any more."""

    def __init__(self, status: int = 1) -> None:
        super().__init__(status)
        self.status = status


def with_reason(message: str, errno: "int | None") -> str:
    """Return the message with the C library's text for ``errno`` behind it."""
    return message if errno is None else f"{message}: {posix.strerror(errno)}"


def attempt(message: str, call: "Callable[..., Result]", *arguments: object) -> "Result":
    """Return ``call(*arguments)``; raise its OSError as a LaunchError that says ``message``."""
    try:
        return call(*arguments)
    except OSError as error:
        raise LaunchError(message, error.errno) from None


def finish(name: str, action: "Callable[..., int]", *arguments: object) -> "NoReturn":
    """Run ``action``, print what it raises, and end this process with the status.

    Every process of the launch that does not become a program ends here, by _exit(2): there is
    nothing to tear down, and a forked copy has to leave its parent's exit handlers alone.
    """
    try:
        status = action(*arguments)
    except (UsageError, LaunchError) as error:
        status = report(name, error)
    except SilentFailure as failure:
        status = failure.status
    except BaseException as error:  # a defect, or no memory: still one line, never a traceback
        text = f"unexpected {type(error).__name__} {error}".rstrip()
        status = report(name, LaunchError(text))
    posix._exit(status)


def report(name: str, error: "UsageError | LaunchError") -> int:
    """Print ``error``; the status is 1 where even that cannot be done."""
    text = f"{name}: {error}\n"
    if error.see_help:
        text += f"Try '{name} --help' for more information.\n"
    try:
        write_all(STANDARD_ERROR, fsencode(text))
    except (OSError, UnicodeError):
        return 1
    return error.status
