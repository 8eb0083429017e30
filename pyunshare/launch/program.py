"""Becoming the program: execvp(3), and the environment that the program gets."""

import posix

from ..errors import Failure
from ..syscalls import EACCES, ENODEV, ENOENT, ENOEXEC, ENOTDIR, fsdecode, fsencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Callable, Optional

    Environment = Mapping[bytes, bytes]
    Execute = Callable[[str, list[str], Optional[Environment]], None]

SHELL = "/bin/sh"
DEFAULT_PATH = "/bin:/usr/bin"  # where execvp(3) looks without PATH: confstr(3), _CS_PATH
NAME_MAX = 255  # <linux/limits.h>, in bytes
PATH_MAX = 4096


def getenv(name: str, env: "Environment | None") -> "str | None":
    """Return the value of a variable, as getenv(3) does."""
    value = (posix.environ if env is None else env).get(fsencode(name))
    return None if value is None else fsdecode(value)


def execute_file(path: str, argv: "list[str]", env: "Environment | None") -> None:
    """Become the program in a file: execve(2). Raises OSError.

    Without ``env`` it gets this process's own as it is. That is left to the C library, for no
    dictionary can hold what an environment may: a variable twice, or an entry without an
    equals sign.
    """
    if env is None:
        posix.execv(path, argv)
    else:
        posix.execve(path, argv, env)


def start_program(
    argv: "list[str]",
    env: "Environment | None" = None,
    name: "str | None" = None,
    execute: "Execute" = execute_file,
) -> None:
    """Become the program of that name, or else of the first word, as execvp(3) does.

    It gets the environment ``env``, or else this process's own. ``execute`` is called for each
    file to try: one that starts the program as a child returns, and so does this function then.
    Raises Failure, with the status that a shell gives.
    """
    if name is None:
        name = argv[0]
    try:
        if "/" in name:
            _execute_or_interpret(name, argv, env, execute)
        else:
            _search(name, argv, env, execute)
    except OSError as error:
        raise execution_error(name, error) from None


def _search(name: str, argv: "list[str]", env: "Environment | None", execute: "Execute") -> None:
    """Try the directories of PATH; an empty one is the working directory."""
    if not name:
        raise OSError(ENOENT, name)
    if len(fsencode(name)) > NAME_MAX:
        import errno  # built into Python: no file is opened for it

        raise OSError(errno.ENAMETOOLONG, name)
    search_path = getenv("PATH", env)
    directories = (DEFAULT_PATH if search_path is None else search_path).split(":")
    if len(fsencode(directories[-1])) >= PATH_MAX:
        directories.pop()
    last_errno: int | None = ENOENT
    for directory in directories:
        # glibc takes an element that is too long for an empty one, unless it is the last.
        is_here = not directory or len(fsencode(directory)) >= PATH_MAX
        path = name if is_here else f"{directory}/{name}"
        try:
            return _execute_or_interpret(path, argv, env, execute)
        except OSError as error:
            if not _is_about_one_directory(error):
                raise
            if last_errno != EACCES:  # it is remembered: there was a file
                last_errno = error.errno
    raise OSError(last_errno, name)


def _is_about_one_directory(error: OSError) -> bool:
    """Return whether a better file may be found further on in PATH."""
    if error.errno in (ENOENT, EACCES, ENOTDIR, ENODEV):
        return True
    import errno  # built into Python: no file is opened for it

    return error.errno in (errno.ESTALE, errno.ETIMEDOUT)


def _execute_or_interpret(
    path: str, argv: "list[str]", env: "Environment | None", execute: "Execute"
) -> None:
    """Execute a file, by the shell if the kernel knows no format for it."""
    try:
        execute(path, argv, env)
    except OSError as error:
        if error.errno != ENOEXEC:
            raise
        execute(SHELL, [SHELL, path, *argv[1:]], env)


def execution_error(name: str, error: OSError) -> Failure:
    """Return what to raise where a program cannot be executed: with the status of a shell."""
    status = 127 if error.errno == ENOENT else 126
    wording = "failed to execute %s", name
    return Failure(wording, error.errno, step="execve", path=name, status=status)
