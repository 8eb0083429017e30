"""What Python did to this process before the first line of ours, undone."""

import _signal
import posix

from ..files import read_file
from ..messages import ENGLISH, STANDARD_ERROR, locale_of_messages
from ..syscalls import fsencode

LC_CTYPE = b"LC_CTYPE"
COERCED = (b"C.UTF-8", b"C.utf8", b"UTF-8")  # what Python may have set it to


def restore_signals() -> None:
    """Undo what Python did to signals; a C program would have left them alone.

    Whether the caller had SIGPIPE or SIGXFSZ ignored cannot be told any more.
    """
    try:
        if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
        _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
    except OSError:
        pass  # a seccomp(2) filter refuses that, and so it did when Python tried


def reserve_stdio_fds() -> None:
    """Keep files of ours from becoming the standard output or error that the caller closed.

    The place holders cannot be written to, and are closed when the program starts.
    """
    fd = 0
    while fd <= STANDARD_ERROR:
        fd = posix.open("/", posix.O_PATH | posix.O_CLOEXEC)
    posix.close(fd)


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
