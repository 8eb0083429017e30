"""What a process of the launch tells the process that a program is started from.

Records go over a socket that keeps them apart. That end of it closes when the program starts.
"""

import posix

from ..errors import ParentGone, ReportedFailure
from ..syscalls import fsdecode, fsencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import Failure

# What a record begins with, and what follows
STARTED = b"S"  # nothing: the launch has begun
FORKED = b"F"  # the program's id, if the receiver has the same; it waits to be let go on
FAILED = b"E"  # errno, step, path and message, with NUL bytes between them

LONGEST_RECORD = 1 << 16


class Reporter:
    """The end of the socket that is written to."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, record: bytes) -> None:
        """Send a record. Raises OSError if nobody listens."""
        posix.write(self._descriptor, record[:LONGEST_RECORD])

    def report(self, failure: "Failure") -> int:
        """Tell what failed, if anybody listens, and return the exit status that follows."""
        if not isinstance(failure, ParentGone):
            message = failure.message
            if isinstance(failure, ReportedFailure):  # by newuidmap(1), say, in its own words
                message = f"writing the id maps failed with status {failure.status}"
            errno = "" if failure.errno is None else str(failure.errno)
            fields = errno, failure.step or "launch", failure.path or "", message
            try:
                self.send(FAILED + fsencode("\0".join(fields)))
            except OSError:
                pass
        return failure.status

    def stop_loading(self) -> None:
        """Nothing is loaded to report."""

    def close(self) -> None:
        """Report nothing any more."""
        posix.close(self._descriptor)
        self._descriptor = -1


def parse_failure(record: bytes) -> "tuple[str, int | None, str, str | None]":
    """Return what is in a record of a failure: message, errno, step and path."""
    errno, step, path, message = fsdecode(record[1:]).split("\0", 3)
    return message, int(errno) if errno else None, step, path or None
