"""What ends a launch: a failure, with all that is known of it where it is met."""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, TypeVar, Union

    Result = TypeVar("Result")

    # A message as util-linux's catalogues have it, or such a text with what its %s stand for:
    # what the user typed, numbers, or other messages, as tuples.
    Wording = Union[str, "tuple[Any, ...]"]


class Failure(Exception):
    """A step of a launch that failed.

    ``wording`` is the message, and ``message`` the same in English; ``errno`` is the reason to
    print after it, if there is one, and ``status`` the exit status that unshare(1) has for such a
    failure. ``step`` is the system call, or the action, that failed, such as "mount", and ``path``
    the file that it was about, if any.
    """

    def __init__(
        self,
        wording: "Wording",
        errno: "int | None" = None,
        *,
        step: str = "",
        path: "str | None" = None,
        status: int = 1,
    ) -> None:
        self.wording = wording
        self.message = in_english(wording)
        self.errno = errno
        self.step = step
        self.path = path
        self.status = status

    def __str__(self) -> str:
        return with_reason(self.message, self.errno)


class UsageFailure(Failure):
    """An option or a value that is wrong, whatever the machine.

    ``see_help`` asks for the second line of getopt_long(3)'s complaints.
    """

    def __init__(
        self, wording: "Wording", errno: "int | None" = None, see_help: bool = False
    ) -> None:
        Failure.__init__(self, wording, errno)
        self.see_help = see_help


class ReportedFailure(Failure):
    """A failure that another process has reported: a helper, or newuidmap(1)."""


class ParentGone(Failure):
    """The parent of a forked program died before the program started; nobody is left to tell."""


def in_english(wording: "Wording") -> str:
    """Return the text of a message, each %s filled in."""
    if isinstance(wording, str):
        return wording
    text, *values = wording
    return str(text) % tuple(in_english(v) if isinstance(v, tuple) else v for v in values)


def with_reason(message: str, errno: "int | None") -> str:
    """Return the message with the C library's text for ``errno`` after it."""
    return message if errno is None else f"{message}: {posix.strerror(errno)}"


def checked(
    step: str,
    wording: "Wording",
    call: "Callable[..., Result]",
    *arguments: object,
    path: "str | None" = None,
    **named: object,
) -> "Result":
    """Return what ``call`` returns; raise its OSError as a Failure of this step."""
    try:
        return call(*arguments, **named)
    except OSError as error:
        raise Failure(wording, error.errno, step=step, path=path) from None
