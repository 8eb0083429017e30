"""Python's own change to its environment in the C locale, see PEP 538, and how to undo it."""

import _locale
import posix

from .files import read_file
from .syscalls import fsencode

NAME = b"LC_CTYPE"
COERCED = (b"C.UTF-8", b"C.utf8", b"UTF-8")  # what Python may have set it to


def undo_locale_coercion() -> None:
    """Take back what Python may have put into its own environment: LC_CTYPE.

    Nothing else has changed the environment since the start, so the C library's copy of it is
    then again what the caller gave, byte by byte and in the same order.
    """
    if posix.environ.get(NAME) not in COERCED:
        return
    # Python has set all of the locale. Messages are to stay those of a C program without one,
    # and to need no catalogue: a new root would be asked for it.
    _locale.setlocale(_locale.LC_MESSAGES, "C")
    try:
        given = fsencode(read_file("/proc/self/environ")).split(b"\0")
    except OSError:  # no /proc: a variable that Python has added stands last
        given = [] if list(posix.environ)[-1] == NAME else [NAME + b"=" + posix.environ[NAME]]
    for entry in given:
        if entry.startswith(NAME + b"="):
            value = entry[len(NAME) + 1 :]
            posix.putenv(NAME, value)
            posix.environ[NAME] = value
            return
    posix.unsetenv(NAME)
    del posix.environ[NAME]
