"""The user's shell, started as a login shell where no program is named."""

import posix

from ..files import read_file
from .program import SHELL, execute_file, execution_error, value_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .program import Variables

_SPACE = " \t\n\v\f\r"  # that of the C locale


def start_login_shell(variables: "Variables | None" = None) -> "NoReturn":
    """Become the user's shell, as a login shell. Raises Failure, as start_program() does."""
    shell = value_of("SHELL", variables) or _shell_of_user(posix.getuid()) or SHELL
    try:
        execute_file(shell, ["-" + shell.rpartition("/")[2]], variables)
    except OSError as error:
        raise execution_error(shell, error) from None
    raise AssertionError("execve(2) returned")


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
