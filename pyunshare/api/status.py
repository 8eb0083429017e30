"""What a process of the launch tells the process that a program is started from.

Records go over a socket that keeps them apart. That end of it closes when the program starts.
"""

import posix

from ..syscalls import fsdecode, fsencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import Failure

# What a record begins with, and what follows
STARTED = b"S"  # nothing: the launch has begun
FORKED = b"F"  # the program's id, if the receiver has the same; it waits to be let go on
FAILED = b"E"  # errno and message, with a NUL byte between them

LONGEST_RECORD = 1 << 16


class Reporter:
    """The end of the socket that is written to."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, record: bytes) -> None:
        """Send a record. Raises OSError if nobody listens."""
        posix.write(self._descriptor, record[:LONGEST_RECORD])

    def report(self, failure: "Failure") -> None:
        """Tell what failed, if anybody listens."""
        errno = "" if failure.errno is None else str(failure.errno)
        try:
            self.send(FAILED + fsencode(f"{errno}\0{failure.message}"))
        except OSError:
            pass

    def close(self) -> None:
        """Report nothing any more."""
        posix.close(self._descriptor)
        self._descriptor = -1


def parse_failure(record: bytes) -> "tuple[str, int | None]":
    """Return what is in a record of a failure: message and errno."""
    errno, _, message = fsdecode(record[1:]).partition("\0")
    return message, int(errno) if errno else None


def helper_failed(failure: "Failure") -> str:
    """Return what to say where another program has said what is wrong, such as newuidmap(1)."""
    return f"writing the id maps failed with status {failure.status}"
