"""Becoming the program: execvp(3), and the environment that the program gets."""

import posix

from .errors import LaunchError
from .syscalls import EACCES, ENODEV, ENOENT, ENOEXEC, ENOTDIR, fsdecode, fsencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

SHELL = "/bin/sh"
DEFAULT_PATH = "/bin:/usr/bin"  # where execvp(3) looks without PATH: confstr(3), _CS_PATH
NAME_MAX = 255  # <linux/limits.h>, in bytes
PATH_MAX = 4096


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
        raise execution_error(name, error) from None
    raise AssertionError("execve(2) returned")


def _search(name: str, words: "list[str]", environment: Environment) -> None:
    """Try the directories of PATH; an empty one is the working directory."""
    if not name:
        raise OSError(ENOENT, name)
    if len(fsencode(name)) > NAME_MAX:
        import errno  # built into Python: no file is opened for it

        raise OSError(errno.ENAMETOOLONG, name)
    search_path = environment.get("PATH")
    directories = (DEFAULT_PATH if search_path is None else search_path).split(":")
    if len(fsencode(directories[-1])) >= PATH_MAX:
        directories.pop()
    last_errno: int | None = ENOENT
    for directory in directories:
        # glibc takes an element that is too long for an empty one, unless it is the last.
        is_here = not directory or len(fsencode(directory)) >= PATH_MAX
        try:
            _execute_or_interpret(name if is_here else f"{directory}/{name}", words, environment)
        except OSError as error:
            if not _is_about_one_directory(error):
                raise
            if last_errno != EACCES:  # it is remembered: there was a file
                last_errno = error.errno
    raise OSError(last_errno, name)


def _is_about_one_directory(error: OSError) -> bool:
    """Tell whether a better file may be found further on in PATH."""
    if error.errno in (ENOENT, EACCES, ENOTDIR, ENODEV):
        return True
    import errno  # built into Python: no file is opened for it

    return error.errno in (errno.ESTALE, errno.ETIMEDOUT)


def _execute_or_interpret(path: str, words: "list[str]", environment: Environment) -> None:
    """Execute a file, by the shell if the kernel knows no format for it."""
    try:
        environment.execute(path, words)
    except OSError as error:
        if error.errno != ENOEXEC:
            raise
        environment.execute(SHELL, [SHELL, path, *words[1:]])


def execution_error(name: str, error: OSError) -> LaunchError:
    """Return what to raise where a program cannot be executed: with the status of a shell."""
    status = 127 if error.errno == ENOENT else 126
    return LaunchError(("failed to execute %s", name), error.errno, status)
