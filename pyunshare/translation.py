"""The user's language: messages from util-linux's catalogues, reasons from the C library's.

Loaded when there is a message to print. Catalogues are files of the machine, see gettext(3), and
made for C: their texts are formats of printf(3), filled in here byte by byte, for what the user
has typed may be of no encoding at all.
"""

import _locale
import posix

from .syscalls import fsencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .errors import Failure, Wording

UTIL_LINUX = "util-linux"
C_LIBRARY = "libc"  # which has getopt_long(3)
SEE_HELP = "Try '%s --help' for more information.\n"


def translated(name: str, failure: "Failure") -> bytes:
    """Return what to print of an error; an exception means that this cannot be done."""
    _locale.setlocale(_locale.LC_ALL, "")
    program = fsencode(name)
    if failure.see_help:
        assert isinstance(failure.wording, tuple)
        hint = _fill(_catalogued(SEE_HELP, UTIL_LINUX), [program])
        return _option_error(program, failure.wording) + b"\n" + hint
    text = program + b": " + _message(failure.wording)
    if failure.errno is not None:
        text += b": " + _encode(posix.strerror(failure.errno))
    return text + b"\n"


def _message(wording: "Wording") -> bytes:
    """Return a message of util-linux."""
    if isinstance(wording, str):
        return _encode(_catalogued(wording, UTIL_LINUX))
    text, *values = wording
    return _fill(
        _catalogued(text, UTIL_LINUX),
        [_message(value) if isinstance(value, tuple) else value for value in values],
    )


def _option_error(program: bytes, wording: "tuple[Any, ...]") -> bytes:
    """Return a complaint of getopt_long(3). Its texts begin with the name of the program."""
    text, *values = wording
    if isinstance(values[0], tuple):  # the candidates of an ambiguous prefix follow
        return _option_error(program, values[0]) + fsencode(values[1])
    line = f"%s: {text}\n"
    translation = _catalogued(line, C_LIBRARY)
    if translation == line:  # what is ambiguous is followed by more, and has no line's end
        translation = _catalogued(line[:-1], C_LIBRARY)
    if translation.endswith("\n"):
        translation = translation[:-1]
    return _fill(translation, [program, *values])


def _catalogued(text: str, domain: str) -> str:
    return _locale.dgettext(domain, text)


def _encode(text: str) -> bytes:
    return text.encode(_locale.nl_langinfo(_locale.CODESET), "surrogateescape")


def _fill(template: str, values: "list[Any]") -> bytes:
    """Fill in a format that has only %s, %d and %c, also as %1$s with the number of the value."""
    first, *pieces = template.split("%")
    filled = _encode(first)
    following = iter(values)
    for piece in pieces:
        number, dollar, rest = piece.partition("$")
        if dollar and number.isdigit():
            value = values[int(number) - 1]
        else:
            value, rest = next(following), piece
        filled += value if isinstance(value, bytes) else fsencode(str(value))
        filled += _encode(rest[1:])
    return filled
