"""The user's shell, started as a login shell where no program is named."""

import posix

from ..lines import read_lines
from ..syscalls import fsdecode
from .program import SHELL, execute_file, execution_error, getenv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .program import Environment

_SPACE = b" \t\n\v\f\r"  # that of the C locale


def start_login_shell(env: "Environment | None" = None) -> None:
    """Become the user's shell, as a login shell. Raises Failure, as start_program() does."""
    shell = getenv("SHELL", env) or _shell_of_user(posix.getuid()) or SHELL
    try:
        execute_file(shell, ["-" + shell.rpartition("/")[2]], env)
    except OSError as error:
        raise execution_error(shell, error) from None


def _shell_of_user(uid: int) -> "str | None":
    """Return the login shell of a user, from the passwd(5) file that is there by now.

    It is read as text: the C library would ask the modules of nsswitch.conf(5), code that a
    new root is not to be trusted with.
    """
    plain = b":%d:" % uid

    def may_have_entry(lines: bytes) -> bool:
        fields = lines.translate(None, b"+-" + _SPACE)
        return b":0" in fields or plain in fields  # leading zeros do not count

    try:
        lines = read_lines("/etc/passwd", posix.O_NONBLOCK, may_have_entry)
    except OSError:
        return None
    for line in lines:
        fields = line.split(b":", 6)
        if len(fields) < 4 or _id(fields[2]) != uid or _id(fields[3]) is None:
            continue
        if not fields[0].lstrip(_SPACE).startswith((b"#", b"+", b"-")):  # see nsswitch.conf(5)
            return fsdecode(fields[6]) if len(fields) > 6 else None
    return None


def _id(field: bytes) -> "int | None":
    """Return the id that a field of passwd(5) says, or None if it is none.

    As in the C library, a sign is allowed, and what does not fit into 32 bits is no id.
    """
    text = field.lstrip(_SPACE)
    is_negative = text[:1] == b"-"
    digits = text[1:] if text[:1] in (b"-", b"+") else text
    if not digits.isdigit():
        return None
    number = int(digits.lstrip(b"0")[:11] or b"0")
    return None if number >> 32 or (is_negative and number) else number
