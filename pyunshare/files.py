"""Reading and writing small files, without the machinery of open()."""

import posix

from .errors import checked
from .syscalls import EFBIG, EINVAL, fsdecode, fsencode, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Callable

    from .errors import Wording

FILE_TYPE = 0o170000  # <sys/stat.h>, see inode(7)
REGULAR_FILE = 0o100000
DEVICES = (0o020000, 0o060000)

BLOCK = 1 << 16
LONGEST_LINE = 1 << 20  # bytes, of those that are read by lines
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


def read_lines(
    path: str, flags: int = 0, is_wanted: "Callable[[bytes], bool]" = bool
) -> "Iterator[bytes]":
    """Return the lines of a file of any kind, as C reads them: each ends at a NUL byte.

    Memory is bounded, whatever the file: a line that is too long for that is left out. Raises
    OSError if the file cannot be opened. One that cannot be read, such as a directory, has no
    lines, nor has a device: some have no end. ``flags`` are further ones for open(2). Empty lines
    may be left out, and so may many lines together for which ``is_wanted`` returns False.
    """
    return _lines(posix.open(path, READING | flags), is_wanted)


def _lines(fd: int, is_wanted: "Callable[[bytes], bool]") -> "Iterator[bytes]":
    line = b""
    try:
        is_device = posix.fstat(fd).st_mode & FILE_TYPE in DEVICES
        while not is_device:
            first, newline, others = _read_block(fd).partition(b"\n")
            line += first[: LONGEST_LINE + 1 - len(line)]
            if newline:
                yield from _text_of(line)
                whole_lines, _, line = others.rpartition(b"\n")
                if is_wanted(whole_lines):
                    for whole_line in whole_lines.split(b"\n"):
                        yield from _text_of(whole_line)
            elif not first:
                break
    finally:
        posix.close(fd)
    yield from _text_of(line)


def _read_block(fd: int) -> bytes:
    try:
        return posix.read(fd, BLOCK)
    except OSError:
        return b""


def _text_of(line: bytes) -> "Iterator[bytes]":
    """Return the line up to a NUL byte, and none if that was not read whole."""
    text = line.partition(b"\0")[0]
    if text and len(text) <= LONGEST_LINE:
        yield text


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
