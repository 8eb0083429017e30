"""Reading and writing small files, without the machinery of open()."""

import posix

from .errors import checked
from .syscalls import EFBIG, EINVAL, fsencode, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .errors import Wording

FILE_TYPE = 0o170000  # <sys/stat.h>, see inode(7)
REGULAR_FILE = 0o100000

BLOCK = 1 << 16
LARGEST_FILE = 1 << 24  # bytes, more than any table of mounts or environment has

READING = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOCTTY


def read_bytes(path: str) -> bytes:
    """Return what a regular file says. Raises OSError, EFBIG for one that is too large.

    Others may have put something else there: a pipe or a device to wait for, or without an end.
    """
    fd = posix.open(path, READING | posix.O_NONBLOCK)
    try:
        if posix.fstat(fd).st_mode & FILE_TYPE != REGULAR_FILE:
            raise OSError(EINVAL, posix.strerror(EINVAL), path)
        blocks: list[bytes] = []
        while not blocks or blocks[-1]:
            if len(blocks) * BLOCK > LARGEST_FILE:
                raise OSError(EFBIG, posix.strerror(EFBIG), path)
            blocks.append(posix.read(fd, BLOCK))
    finally:
        posix.close(fd)
    return b"".join(blocks)


def write_file(
    path: str,
    text: str,
    cannot_open: "Wording",
    cannot_write: "Wording",
    directory: str = "",
    dir_fd: "int | None" = None,
) -> None:
    """Write to a file that is there. Raises Failure with one message or the other.

    A relative ``path`` is looked up in the open directory ``dir_fd``, whose name is ``directory``.
    """
    full_path = f"{directory}/{path}" if directory else path
    flags = posix.O_WRONLY | posix.O_CLOEXEC
    fd = checked("open", cannot_open, posix.open, path, flags, path=full_path, dir_fd=dir_fd)
    try:
        checked("write", cannot_write, write_all, fd, fsencode(text), path=full_path)
    finally:
        posix.close(fd)  # before the failure is told: it may be in the place of standard error
