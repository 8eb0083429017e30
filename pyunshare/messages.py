"""From a failure to the line on standard error, in the user's language, and to the status.

Everything below raises; :func:`run_and_exit` ends each process of a launch that does not become a
program.
"""

import posix

from .errors import Failure
from .syscalls import fsencode, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, NoReturn, Protocol

    from .diagnostics.rules import Hints
    from .options.request import Request

    class AnyReporter(Protocol):
        """Where the processes of a launch say what failed."""

        def report(self, failure: Failure) -> int:
            """Say what failed, and return the exit status that follows. Raises nothing."""
            raise NotImplementedError

        def stop_loading(self) -> None:
            """From now on load nothing: the root or the user is another one."""


STANDARD_ERROR = 2

ENGLISH = (b"C", b"POSIX")  # locales without catalogues


class Reporter:
    """Reports on standard error, under the name that the command was started by.

    Hints are drawn from ``argv``, the words after that name, and from what they ask for; for them
    ``rehearse`` does all of a launch but the program.
    """

    def __init__(
        self,
        name: str,
        argv: "list[str]",
        rehearse: "Callable[[list[str]], None] | None" = None,
    ) -> None:
        self.name = name
        self.argv = argv
        self._rehearse = rehearse
        self.request: Request | None = None
        self._hints: Hints | None = None
        self._may_load = True

    def report(self, failure: Failure) -> int:
        """Print what failed, and a hint if somebody is looking; return the exit status.

        The status is 1 where not even the message can be printed.
        """
        status = failure.status
        if not failure.reported:
            try:
                write_all(STANDARD_ERROR, self._text(failure))
            except (OSError, UnicodeError):
                status = 1
        self._print_hint(failure)
        return status

    def stop_loading(self) -> None:
        """Load no catalogue and no hints anymore.

        They would be those of a new root, or be read with the rights of another user.
        """
        self._may_load = False

    def prepare_hints(self) -> None:
        """Load, if somebody is looking, what later failures could not be explained without."""
        try:
            if self._load_hints():
                self._hints.prepare(self._rehearse)  # type: ignore[union-attr]
        except Exception:
            pass  # then there will be none

    def print_prepared_hint(self) -> None:
        """Print what there is to say before the program starts, if that has been prepared."""
        if self._hints:
            self._print_hint(None)

    def _text(self, failure: Failure) -> bytes:
        if self._may_load and not _is_english():
            try:
                from .translation import translated

                return translated(self.name, failure)
            except Exception:
                pass  # no catalogue, no locale: in English then
        text = f"{self.name}: {failure}\n"
        if failure.see_help:
            text += f"Try '{self.name} --help' for more information.\n"
        return fsencode(text)

    def _print_hint(self, failure: "Failure | None") -> None:
        try:
            if self._load_hints():
                rehearse = self._rehearse if self._may_load else None  # for it loads what it needs
                hint = self._hints.about(failure, rehearse)  # type: ignore[union-attr]
                write_all(STANDARD_ERROR, fsencode(hint))
        except BaseException:
            pass  # the failure has been told: no help is better than another failure

    def _load_hints(self) -> bool:
        if not self._hints and self.request and self._may_load:
            wish = posix.environ.get(b"PYUNSHARE_HINTS")
            if wish == b"always" or (wish != b"never" and posix.isatty(STANDARD_ERROR)):
                from .diagnostics.rules import Hints

                self._hints = Hints(self.name, self.argv, self.request)
        return self._hints is not None


def locale_of_messages() -> bytes:
    """Return the name of the locale whose messages the user wants: setlocale(3)."""
    get = posix.environ.get
    return get(b"LC_ALL") or get(b"LC_MESSAGES") or get(b"LANG") or b"C"


def _is_english() -> bool:
    """Return whether there is no catalogue to look for, see gettext(3)."""
    locale = locale_of_messages()
    return locale in ENGLISH or locale[:2] == b"C."


def run_and_exit(
    reporter: "AnyReporter", action: "Callable[..., int]", *arguments: object
) -> "NoReturn":
    """Run ``action``, report what it raises, and end this process with the status.

    Every process of a launch that does not become a program ends here, by _exit(2): there is
    nothing to tear down, and a forked copy must leave its parent's exit handlers alone.
    """
    status = 1
    try:
        status = action(*arguments)
    except Failure as failure:
        status = reporter.report(failure)
    except BaseException as error:  # a defect, or no memory: still one line, never a traceback
        text = f"unexpected {type(error).__name__} {error}".rstrip()
        status = reporter.report(Failure(text))
    finally:
        posix._exit(status)
