"""Python's own change to its environment in the C locale, see PEP 538, and how to undo it."""

import posix

from ..errors import ENGLISH, locale_of_messages
from ..files import read_file
from ..syscalls import fsencode

LC_CTYPE = b"LC_CTYPE"
COERCED = (b"C.UTF-8", b"C.utf8", b"UTF-8")  # what Python may have set it to


def undo_locale_coercion() -> None:
    """Take back what Python may have put into its own environment: LC_CTYPE.

    Nothing else has changed the environment since the start, so the C library's copy of it is
    then again what the caller gave, byte by byte and in the same order.
    """
    if posix.environ.get(LC_CTYPE) not in COERCED:
        return
    if locale_of_messages() not in ENGLISH:
        # Python has set all of the locale. Messages are to stay those of a C program without
        # one, and to need no catalogue: a new root would be asked for it.
        import _locale

        _locale.setlocale(_locale.LC_MESSAGES, "C")
    try:
        given = fsencode(read_file("/proc/self/environ")).split(b"\0")
    except OSError:  # no /proc: a variable that Python has added stands last
        given = []
        if list(posix.environ)[-1] != LC_CTYPE:
            given.append(LC_CTYPE + b"=" + posix.environ[LC_CTYPE])
    for entry in given:
        if entry.startswith(LC_CTYPE + b"="):
            value = entry[len(LC_CTYPE) + 1 :]
            posix.putenv(LC_CTYPE, value)
            posix.environ[LC_CTYPE] = value
            return
    posix.unsetenv(LC_CTYPE)
    del posix.environ[LC_CTYPE]
