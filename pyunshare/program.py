"""Becoming the program: execvp(3), the login shell, and the environment that they get."""

import posix
from errno import (
    EACCES,
    ENAMETOOLONG,
    ENODEV,
    ENOENT,
    ENOEXEC,
    ENOTDIR,
    ESTALE,
    ETIMEDOUT,
)

from .errors import LaunchError
from .files import read_file
from .syscalls import fsdecode, fsencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

SHELL = "/bin/sh"
DEFAULT_PATH = "/bin:/usr/bin"  # where execvp(3) looks without PATH: confstr(3), _CS_PATH
NAME_MAX = 255  # <linux/limits.h>, in bytes
PATH_MAX = 4096

_SPACE = " \t\n\v\f\r"  # that of the C locale

# After these a better file may be found further on in PATH.
_SEARCH_GOES_ON = (EACCES, ENOENT, ESTALE, ENOTDIR, ENODEV, ETIMEDOUT)


class Environment:
    """The environment of the program: this process's own as it is, or chosen variables of it.

    As it is, it is left to the C library, for no dictionary can hold what an environment may:
    a variable twice, or an entry without an equals sign.
    """

    def __init__(self, chosen: "list[str] | None" = None) -> None:
        self._is_chosen = chosen is not None
        self._variables = posix.environ
        if chosen is not None:
            # The last one named comes first: the order that util-linux gives to such a list.
            names = [fsencode(name) for name in reversed(chosen) if name]
            self._variables = {n: posix.environ[n] for n in names if n in posix.environ}

    def get(self, name: str) -> "str | None":
        """Return the value of a variable, as getenv(3) does."""
        value = self._variables.get(fsencode(name))
        return None if value is None else fsdecode(value)

    def execute(self, path: str, words: "list[str]") -> None:
        """Become the program in a file: execve(2). Returns only by raising OSError."""
        if self._is_chosen:
            posix.execve(path, words, self._variables)
        else:
            posix.execv(path, words)


def undo_locale_coercion() -> None:
    """Take back what Python puts into its own environment in the C locale, see PEP 538.

    Nothing else has changed the environment since the start, so the C library's copy of it is
    then again what the caller gave, byte by byte and in the same order.
    """
    name = b"LC_CTYPE"
    if posix.environ.get(name) not in (b"C.UTF-8", b"C.utf8", b"UTF-8"):
        return
    import _locale

    # Python has set all of the locale. Messages are to stay those of a C program without one,
    # and to need no catalogue: a new root would be asked for it.
    _locale.setlocale(_locale.LC_MESSAGES, "C")
    try:
        given = fsencode(read_file("/proc/self/environ")).split(b"\0")
    except OSError:  # no /proc: a variable that Python has added stands last
        given = [] if list(posix.environ)[-1] == name else [name + b"=" + posix.environ[name]]
    for entry in given:
        if entry.startswith(name + b"="):
            value = entry[len(name) + 1 :]
            posix.putenv(name, value)
            posix.environ[name] = value
            return
    posix.unsetenv(name)
    del posix.environ[name]


def start_program(
    words: "list[str]", environment: Environment, name: "str | None" = None
) -> "NoReturn":
    """Become the program of that name, or else of the first word, as execvp(3) does.

    Raises LaunchError, with the status that a shell gives.
    """
    if name is None:
        name = words[0]
    try:
        if "/" in name:
            _execute_or_interpret(name, words, environment)
        else:
            _search(name, words, environment)
    except OSError as error:
        raise _execution_error(name, error) from None
    raise AssertionError("execve(2) returned")


def start_login_shell(environment: Environment) -> "NoReturn":
    """Become the user's shell, as a login shell. Raises LaunchError, as start_program() does."""
    shell = environment.get("SHELL") or _shell_of_user(posix.getuid()) or SHELL
    try:
        environment.execute(shell, ["-" + shell.rpartition("/")[2]])
    except OSError as error:
        raise _execution_error(shell, error) from None
    raise AssertionError("execve(2) returned")


def _search(name: str, words: "list[str]", environment: Environment) -> None:
    """Try the directories of PATH; an empty one is the working directory."""
    if not name:
        raise OSError(ENOENT, name)
    if len(fsencode(name)) > NAME_MAX:
        raise OSError(ENAMETOOLONG, name)
    search_path = environment.get("PATH")
    directories = (DEFAULT_PATH if search_path is None else search_path).split(":")
    if len(fsencode(directories[-1])) >= PATH_MAX:
        directories.pop()
    last_errno = ENOENT
    for directory in directories:
        # glibc takes an element that is too long for an empty one, unless it is the last.
        is_here = not directory or len(fsencode(directory)) >= PATH_MAX
        try:
            _execute_or_interpret(name if is_here else f"{directory}/{name}", words, environment)
        except OSError as error:
            if error.errno not in _SEARCH_GOES_ON:
                raise
            if last_errno != EACCES:  # it is remembered: there was a file
                last_errno = error.errno
    raise OSError(last_errno, name)


def _execute_or_interpret(path: str, words: "list[str]", environment: Environment) -> None:
    """Execute a file, by the shell if the kernel knows no format for it."""
    try:
        environment.execute(path, words)
    except OSError as error:
        if error.errno != ENOEXEC:
            raise
        environment.execute(SHELL, [SHELL, path, *words[1:]])


def _execution_error(name: str, error: OSError) -> LaunchError:
    status = 127 if error.errno == ENOENT else 126
    return LaunchError(f"failed to execute {name}", error.errno, status)


def _shell_of_user(user: int) -> "str | None":
    """Return the login shell of a user, from the passwd(5) file that is there by now.

    It is read as text: the C library would ask the modules of nsswitch.conf(5), code that a
    new root is not to be trusted with.
    """
    try:
        lines = read_file("/etc/passwd").split("\n")
    except OSError:
        return None
    for line in lines:
        fields = [*line.lstrip(_SPACE).split(":", 6), "", "", "", "", "", ""]
        is_comment_or_compat = fields[0].startswith(("#", "+", "-"))  # see nsswitch.conf(5)
        is_entry = _plain_digits(fields[2]) == str(user) and _plain_digits(fields[3])
        if is_entry and not is_comment_or_compat:
            return fields[6]
    return None


def _plain_digits(text: str) -> str:
    """Return a number of passwd(5) as it is usually written, or nothing if it is none."""
    digits = text.lstrip(_SPACE)
    return (digits.lstrip("0") or "0") if digits.isascii() and digits.isdigit() else ""
