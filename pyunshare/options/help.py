"""The texts of --help and --version, the former drawn from the table of options."""

from ..errors import Failure
from ..syscalls import EBADF, fsencode, write_all
from ..version import __version__
from .option import OPTIONS, Option

STANDARD_OUTPUT = 1

COMPATIBLE_WITH = "util-linux 2.43"

HELP_COLUMN = 30
LINE_LENGTH = 80


def version_text(name: str) -> str:
    """Return what --version prints."""
    return f"{name} from pyunshare {__version__}, compatible with {COMPATIBLE_WITH}\n"


def help_text(name: str) -> str:
    """Return what --help prints: a usage line, then the options by group."""
    text = (
        f"Usage: {name} [options] [program [argument...]]\n"
        "\n"
        "Run a program, or your shell, in new namespaces.\n"
    )
    for group in dict.fromkeys(option.group for option in _general_last()):
        text += f"\n{group}:\n"
        text += "".join(_entry(option) for option in OPTIONS if option.group == group)
    return text + "\nA namespace given a =file is bound to that file and outlives the program.\n"


def _general_last() -> "list[Option]":
    return sorted(OPTIONS, key=lambda option: option.name in ("help", "version"))


def _entry(option: Option) -> str:
    """Return the lines of one option: its names, and its help in a column beside them."""
    letter = f"-{option.short}, " if option.short else "    "
    value = ""
    if option.metavar:
        value = f" <{option.metavar}>" if option.requires_value else f"[=<{option.metavar[1:]}>]"
    names = f"  {letter}--{option.name}{value}"
    lines = _wrap(option.help, LINE_LENGTH - HELP_COLUMN)
    if len(names) + 2 > HELP_COLUMN:
        lines.insert(0, "")
    first = f"{names:{HELP_COLUMN}}{lines[0]}".rstrip()
    return "\n".join([first, *(" " * HELP_COLUMN + line for line in lines[1:])]) + "\n"


def _wrap(text: str, width: int) -> "list[str]":
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return lines


def print_text(text: str) -> int:
    """Write ``text`` to standard output, and return the status that follows from it.

    A closed standard output is the caller's wish; one that cannot be written is an error.
    """
    try:
        write_all(STANDARD_OUTPUT, fsencode(text))
    except OSError as error:
        if error.errno != EBADF:
            raise Failure("write error", error.errno, step="write") from None
    return 0
