"""What Python did to this process before the first line of ours, undone."""

import _signal
import posix
import sys

from ..files import read_bytes
from ..messages import ENGLISH, STANDARD_ERROR, locale_of_messages

LC_CTYPE = b"LC_CTYPE"
COERCED = (b"C.UTF-8", b"C.utf8", b"UTF-8")  # what Python may have set it to
LAUNCHER = b"__PYVENV_LAUNCHER__"  # what Python takes away
TAKES_LAUNCHER = sys.version_info >= (3, 11)


def restore_signals() -> None:
    """Undo what Python did to signals; a C program would have left them alone.

    Whether the caller had SIGPIPE or SIGXFSZ ignored cannot be told any more.
    """
    numbers = [_signal.SIGPIPE, _signal.SIGXFSZ]
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        numbers.append(_signal.SIGINT)
    for number in numbers:
        try:
            _signal.signal(number, _signal.SIG_DFL)
        except OSError:
            pass  # a seccomp(2) filter refuses that, and so it did when Python tried


def reserve_stdio_fds() -> None:
    """Keep files of ours from becoming the standard output or error that the caller closed.

    The place holders cannot be written to, and are closed when the program starts. Where there is
    no room beside them, what the launch opens needs their places.
    """
    fds: list[int] = []
    try:
        while not fds or fds[-1] <= STANDARD_ERROR:
            fds.append(posix.open("/", posix.O_PATH | posix.O_CLOEXEC))
        del fds[:-1]
    except OSError:
        pass
    for fd in fds:
        posix.close(fd)


def restore_environ() -> None:
    """Give the environment back what Python has taken from it, and take what it has put there.

    Nothing else has changed the environment since the start, so the C library's copy of it is
    then again what the caller gave, byte by byte and in the same order.
    """
    is_coerced = posix.environ.get(LC_CTYPE) in COERCED
    if not is_coerced and not TAKES_LAUNCHER:
        return
    try:
        given = read_bytes("/proc/self/environ")
    except OSError:
        given = b""
    if is_coerced:
        _undo_locale_coercion(given)
    if TAKES_LAUNCHER and LAUNCHER in given:
        from .environ import restore_variable

        restore_variable(LAUNCHER, given)


def _undo_locale_coercion(given: bytes) -> None:
    """Take back LC_CTYPE, see PEP 538. Without ``given``, guess what the caller gave."""
    if locale_of_messages() not in ENGLISH:
        # Python has set all of the locale. Messages are to stay those of a C program without
        # one, and to need no catalogue: a new root would be asked for it.
        import _locale

        _locale.setlocale(_locale.LC_MESSAGES, "C")
    entries = given.split(b"\0")
    if not given and list(posix.environ)[-1] != LC_CTYPE:  # what Python has added stands last
        entries = [LC_CTYPE + b"=" + posix.environ[LC_CTYPE]]
    for entry in entries:
        if entry.startswith(LC_CTYPE + b"="):
            value = entry[len(LC_CTYPE) + 1 :]
            posix.putenv(LC_CTYPE, value)
            posix.environ[LC_CTYPE] = value
            return
    posix.unsetenv(LC_CTYPE)
    del posix.environ[LC_CTYPE]
