"""Reading files by lines, in bounded memory: what others may have written, such as /etc/passwd."""

import posix
from _thread import get_ident

from .files import BLOCK, FILE_TYPE, READING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Callable

DEVICES = (0o020000, 0o060000)  # <sys/stat.h>, see inode(7)
LONGEST_LINE = 1 << 20  # bytes

# By thread, what is to wait until there is something to read from a descriptor; else read(2) does
waits: "dict[int, Callable[[int], None]]" = {}


def read_lines(
    path: str, flags: int = 0, is_wanted: "Callable[[bytes], bool]" = bool
) -> "Iterator[bytes]":
    """Return the lines of a file of any kind, as C reads them: each ends at a NUL byte.

    Memory is bounded, whatever the file: a line that is too long for that is left out. Raises
    OSError if the file cannot be opened. One that cannot be read, such as a directory, has no
    lines, nor has a device: some have no end. ``flags`` are further ones for open(2). Empty lines
    may be left out, and so may many lines together for which ``is_wanted`` returns False.
    """
    wait = waits.get(get_ident())
    if wait:
        flags |= posix.O_NONBLOCK
    return _lines(posix.open(path, READING | flags), is_wanted, wait)


def _lines(
    fd: int, is_wanted: "Callable[[bytes], bool]", wait: "Callable[[int], None] | None"
) -> "Iterator[bytes]":
    line = b""
    try:
        is_device = posix.fstat(fd).st_mode & FILE_TYPE in DEVICES
        while not is_device:
            first, newline, others = _read_block(fd, wait).partition(b"\n")
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


def _read_block(fd: int, wait: "Callable[[int], None] | None") -> bytes:
    while True:
        if wait:
            wait(fd)
        try:
            return posix.read(fd, BLOCK)
        except BlockingIOError:
            if not wait:
                return b""
        except OSError:
            return b""


def _text_of(line: bytes) -> "Iterator[bytes]":
    """Return the line up to a NUL byte, and none if that was not read whole."""
    text = line.partition(b"\0")[0]
    if text and len(text) <= LONGEST_LINE:
        yield text
