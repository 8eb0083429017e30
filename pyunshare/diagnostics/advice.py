"""What a hint is made of: the failure, what was asked for, and the command line to type."""

from __future__ import annotations

import posix
import sys

from ..errors import Failure
from ..options.option import BY_NAME
from ..options.parser import CommandLine
from ..syscalls import fsdecode
from .system import Machine, found_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options.request import Request


def split(argv: list[str]) -> tuple[list[tuple[str, str | None]], list[str], bool]:
    """Return the options of a command line, its program, and whether its grammar is good."""
    line = CommandLine(argv)
    options = []
    try:
        for option in line:
            options.append(option)
    except Failure:
        return options, line.program, False
    return options, line.program, True


_NEEDS_NO_QUOTES = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_"
)


OR = "   or: "  # between commands of which one is to be typed


class Advice:
    """A hint: the cause, found on this machine, and what to type against it if there is that."""

    def __init__(self, cause: str, *commands: str) -> None:
        self.cause = cause
        self.commands = [command for command in commands if command]


class Case:
    """A failure with all that a hint about it is drawn from.

    ``message`` is the failing step's, without the reason, which is in ``errno``; ``words`` are
    those that the user typed behind the name of the command.
    """

    def __init__(
        self,
        name: str,
        words: list[str],
        request: Request,
        program: list[str],
        machine: Machine,
        message: str = "",
        errno: int | None = None,
    ) -> None:
        self.name = name
        self.words = words
        self.request = request
        self.program = program
        self.machine = machine
        self.message = message
        self.errno = errno

    def about(self, message: str, errno: int | None) -> Case:
        """Return the same launch with a failure of it."""
        return Case(self.name, self.words, self.request, self.program, self.machine, message, errno)

    def command(
        self,
        *added: str,
        without: tuple[str, ...] = (),
        last: tuple[str, ...] = (),
        program: str = "",
    ) -> str:
        """Return the user's own command line with options added, or some of them left out.

        Options are added before the user's, those in ``last`` behind them, and ``program`` stands
        in for the user's. Nothing is returned where a word cannot be typed.
        """
        options = self.words[: len(self.words) - len(self.program)]
        words = [*added, *without_options(options, without), *last]
        words += [program] if program else self.program
        return self.line(words)

    def line(self, words: list[str]) -> str:
        """Return a command line of ours, or nothing where a word cannot be typed."""
        if any(not word.isprintable() for word in words):
            return ""
        return " ".join([*_typed_name(self.name), *map(quoted, words)])

    def without(self, *names: str) -> str:
        """Return the user's own command line without the options of these names."""
        return self.command(without=names)

    def as_root(self, command: str) -> str:
        """Return a command line as the caller can type it for root to run."""
        if not command or self.request.users.caller == 0:
            return command
        for tool in ("sudo", "doas"):
            if found_program(tool, search_path()):
                return f"{tool} {command}"
        return f"su -c {quoted(command)}"

    def asks(self, flags: int) -> bool:
        """Tell whether one of these CLONE_NEW* bits is asked for."""
        return bool(self.request.flags & flags)


def search_path() -> list[str]:
    """Return the directories of PATH."""
    return fsdecode(posix.environ.get(b"PATH", b"/bin:/usr/bin")).split(":")


def quoted(word: str) -> str:
    """Return a word as a shell takes it."""
    if word and _NEEDS_NO_QUOTES.issuperset(word):
        return word
    return "'" + word.replace("'", "'\"'\"'") + "'"


def _typed_name(name: str) -> list[str]:
    """Return how to start the command again as it was started."""
    script = sys.argv[0]
    if script.endswith("/pyunshare/__main__.py"):
        return ["python3", "-m", "pyunshare"]
    if script.rpartition("/")[0] in search_path() or not script.endswith(name):
        return [quoted(name)]
    return [quoted(script)]


def without_options(words: list[str], names: tuple[str, ...]) -> list[str]:
    """Return the words of a command line that stand for other options than these."""
    kept: list[str] = []
    rest = words
    while rest and names:
        length = 1 if split(rest[:1])[2] else 2  # alone, it would lack its value
        first, rest = rest[:length], rest[length:]
        options = split(first)[0]
        others = [name for name, _ in options if name not in names]
        if len(others) == len(options):
            kept += first
        elif others and not first[0].startswith("--"):
            kept.append("-" + "".join(BY_NAME[name].short for name in others))
            last, value = options[-1]
            if value is not None and last in others:
                kept.append(value)
    return kept + rest
