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
    """What ends a launch: a step that failed, or an option or value that is wrong.

    ``wording`` is the message, and ``message`` the same in English; ``errno`` is the reason to
    print after it, if there is one, and ``status`` the exit status that unshare(1) has for such a
    failure. ``step`` is the system call, or the action, that failed, such as "mount", and ``path``
    the file that it was about, if any. Without a step, the fault is the user's on any machine;
    ``see_help`` then asks for the second line of getopt_long(3)'s complaints. What is ``reported``
    another process has told the user already: newuidmap(1), say.
    """

    def __init__(
        self,
        wording: "Wording",
        errno: "int | None" = None,
        *,
        step: str = "",
        path: "str | None" = None,
        status: int = 1,
        see_help: bool = False,
        reported: bool = False,
    ) -> None:
        self.wording = wording
        self.message = in_english(wording)
        self.errno = errno
        self.step = step
        self.path = path
        self.status = status
        self.see_help = see_help
        self.reported = reported

    def __str__(self) -> str:
        return with_reason(self.message, self.errno)


def in_english(wording: "Wording") -> str:
    """Return the text of a message, each %s filled in."""
    if not isinstance(wording, tuple):
        return wording
    text, *values = wording
    return str(text) % tuple(map(in_english, values))


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
