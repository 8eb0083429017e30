"""Reading and writing small files, without the machinery of open()."""

import posix

from .errors import checked
from .syscalls import EFBIG, EINVAL, fsdecode, fsencode, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .errors import Wording

FILE_TYPE = 0o170000  # <sys/stat.h>, see inode(7)
REGULAR_FILE = 0o100000
DEVICES = (0o020000, 0o060000)

BLOCK = 1 << 16
LONGEST_LINE = 1 << 16  # bytes; what a line has beyond them is not read
LARGEST_FILE = 1 << 24  # bytes, more than any table of mounts or environment has

READING = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOCTTY


def read_file(path: str) -> str:
    """Return the text of a regular file. Raises OSError as read_bytes() does."""
    return fsdecode(read_bytes(path))


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


def read_lines(path: str, flags: int = 0) -> "Iterator[bytes]":
    """Return the lines of a file of any kind, as C reads them: each ends at a NUL byte.

    Memory is bounded, whatever the file. Raises OSError if it cannot be opened. One that cannot be
    read, such as a directory, has no lines, nor has a device: some have no end. ``flags`` are
    further ones for open(2).
    """
    return _lines(posix.open(path, READING | flags))


def _lines(fd: int) -> "Iterator[bytes]":
    line = b""
    try:
        while posix.fstat(fd).st_mode & FILE_TYPE not in DEVICES:
            try:
                block = posix.read(fd, BLOCK)
            except OSError:
                block = b""
            if not block:
                break
            first, *others = block.split(b"\n")
            line += first[: LONGEST_LINE - len(line)]
            for other in others:
                yield line.partition(b"\0")[0]
                line = other
    finally:
        posix.close(fd)
    if line:
        yield line.partition(b"\0")[0]


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
    checked("write", cannot_write, write_all, fd, fsencode(text), path=full_path)
    posix.close(fd)
