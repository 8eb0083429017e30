"""Reading and writing small files whole, without the machinery of open()."""

import posix

from .errors import attempt
from .syscalls import EINVAL, fsdecode, fsencode, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .errors import Wording

FILE_TYPE = 0o170000  # <sys/stat.h>, see inode(7)
REGULAR_FILE = 0o100000


def read_file(path: str) -> str:
    """Return the text of a regular file. Raises OSError.

    A new root may have something else there, a pipe or a device to wait for, or without an end.
    """
    flags = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOCTTY | posix.O_NONBLOCK
    descriptor = posix.open(path, flags)
    try:
        if posix.fstat(descriptor).st_mode & FILE_TYPE != REGULAR_FILE:
            raise OSError(EINVAL, posix.strerror(EINVAL), path)
        blocks: list[bytes] = []
        while not blocks or blocks[-1]:
            blocks.append(posix.read(descriptor, 1 << 16))
    finally:
        posix.close(descriptor)
    return fsdecode(b"".join(blocks))


def write_file(
    path: str,
    text: str,
    cannot_open: "Wording",
    cannot_write: "Wording",
    directory: "int | None" = None,
) -> None:
    """Write to a file that is there. Raises Failure with one message or the other.

    A relative ``path`` is looked up in the open ``directory``.
    """
    flags = posix.O_WRONLY | posix.O_CLOEXEC
    descriptor = attempt(cannot_open, posix.open, path, flags, dir_fd=directory)
    attempt(cannot_write, write_all, descriptor, fsencode(text))
    posix.close(descriptor)
