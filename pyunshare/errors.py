"""What can go wrong, and how a process of the launch ends.

Everything below the command raises; only :func:`finish` makes a message and a status of it.
"""

import posix

from .syscalls import fsencode, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, NoReturn, TypeVar, Union

    from .diagnostics.hints import Hints
    from .options.request import Request

    Result = TypeVar("Result")

    # A message as util-linux's catalogues have it, or such a text with what its %s stand for:
    # what the user typed, numbers, or other messages, as tuples.
    Wording = Union[str, "tuple[Any, ...]"]

STANDARD_ERROR = 2

ENGLISH = (b"C", b"POSIX")  # locales without catalogues


class Failure(Exception):
    """What ends a launch: an option or a value that is wrong, or a step that failed.

    ``errno`` is the reason to print behind the message, if there is one, and ``status`` the exit
    status that unshare(1) gives to such a failure. ``see_help`` asks for the second line of
    getopt_long(3)'s complaints. With ``is_told`` the message is not printed: another process has
    reported the failure, or it is nobody's to hear of any more. It only tells a hint what failed.
    """

    def __init__(
        self,
        wording: "Wording",
        errno: "int | None" = None,
        status: int = 1,
        see_help: bool = False,
        is_told: bool = False,
    ) -> None:
        self.wording = wording
        self.message = in_english(wording)
        self.errno = errno
        self.status = status
        self.see_help = see_help
        self.is_told = is_told

    def __str__(self) -> str:
        return with_reason(self.message, self.errno)


def in_english(wording: "Wording") -> str:
    """Return the text of a message, each %s filled in."""
    if isinstance(wording, str):
        return wording
    text, *values = wording
    return str(text) % tuple(in_english(v) if isinstance(v, tuple) else v for v in values)


def with_reason(message: str, errno: "int | None") -> str:
    """Return the message with the C library's text for ``errno`` behind it."""
    return message if errno is None else f"{message}: {posix.strerror(errno)}"


def attempt(
    wording: "Wording", call: "Callable[..., Result]", *arguments: object, **named: object
) -> "Result":
    """Return what ``call`` returns; raise its OSError as a Failure that says ``wording``."""
    try:
        return call(*arguments, **named)
    except OSError as error:
        raise Failure(wording, error.errno) from None


def finish(name: str, action: "Callable[..., int]", *arguments: object) -> "NoReturn":
    """Run ``action``, print what it raises, and end this process with the status.

    Every process of the launch that does not become a program ends here, by _exit(2): there is
    nothing to tear down, and a forked copy has to leave its parent's exit handlers alone.
    """
    try:
        status = action(*arguments)
    except Failure as failure:
        status = failure.status if failure.is_told else report(name, failure)
        give_hint(failure)
    except BaseException as error:  # a defect, or no memory: still one line, never a traceback
        text = f"unexpected {type(error).__name__} {error}".rstrip()
        status = report(name, Failure(text))
    posix._exit(status)


def divert_reports(take: "Callable[[Failure], None] | None") -> None:
    """Have ``take`` called with each failure from now on, instead of a message being printed.

    None has messages printed again.
    """
    global _take_report
    _take_report = take


_take_report: "Callable[[Failure], None] | None" = None


def report(name: str, failure: "Failure") -> int:
    """Print ``failure``; the status is 1 where even that cannot be done."""
    if _take_report:
        _take_report(failure)
        return failure.status
    text = fsencode(f"{name}: {failure}\n")
    if failure.see_help:
        text += fsencode(f"Try '{name} --help' for more information.\n")
    if _may_load and not _is_english():
        try:
            from .translation import translated

            text = translated(name, failure)
        except Exception:
            pass  # no catalogue, no locale: in English then
    try:
        write_all(STANDARD_ERROR, text)
    except (OSError, UnicodeError):
        return 1
    return failure.status


_may_load = True


def keep_to_english() -> None:
    """Load no catalogues any more: they would be those of a new root, or read by another.

    Nor the code of hints.
    """
    global _may_load
    _may_load = False


def locale_of_messages() -> bytes:
    """Return the name of the locale whose messages the user wants: setlocale(3)."""
    get = posix.environ.get
    return get(b"LC_ALL") or get(b"LC_MESSAGES") or get(b"LANG") or b"C"


def _is_english() -> bool:
    """Tell whether there is no catalogue to look for, see gettext(3)."""
    locale = locale_of_messages()
    return locale in ENGLISH or locale[:2] == b"C."


# What hints are drawn from, and what gives them once it is loaded
_launch: "tuple[str, list[str], Request, list[str]] | None" = None
_hints: "Hints | None" = None


def keep_for_hints(name: str, words: "list[str]", request: "Request", program: "list[str]") -> None:
    """Keep what hints about failures are drawn from: the command line, and what it asks for."""
    global _launch
    _launch = name, words, request, program


def load_hints() -> "Hints | None":
    """Return what gives hints, if somebody is looking for them."""
    global _hints
    if not _hints and _launch and _may_load:
        wish = posix.environ.get(b"PYUNSHARE_HINTS")
        if wish == b"always" or (wish != b"never" and posix.isatty(STANDARD_ERROR)):
            from .diagnostics.hints import Hints

            _hints = Hints(*_launch)
    return _hints


def give_hint(failure: "Failure | None") -> None:
    """Print what may help against a failure that has been told.

    With None, print what is to be said before the program starts, if that has been prepared.
    """
    try:
        hints = load_hints() if failure else _hints
        if hints:
            write_all(STANDARD_ERROR, fsencode(hints.about(failure)))
    except BaseException:
        pass  # the failure has been told: no help is better than another failure
