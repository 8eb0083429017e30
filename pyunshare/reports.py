"""What a process of the launch tells the process that a program is started from.

Records go over a socket that keeps them apart. That end of it closes when the program starts.
"""

import posix

from .errors import LaunchError
from .syscalls import fsdecode, fsencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .errors import SilentFailure, UsageError

# What a record begins with, and what follows
STARTED = b"S"  # nothing: the launch has begun
FORKED = b"F"  # the program's id, if the receiver has the same; it waits to be let go on
FAILED = b"E"  # kind, errno and message, with NUL bytes between them

LONGEST_RECORD = 1 << 16


class Reporter:
    """The end of the socket that is written to."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, record: bytes) -> None:
        """Send a record. Raises OSError if nobody listens."""
        posix.write(self._descriptor, record[:LONGEST_RECORD])

    def report(self, error: "UsageError | LaunchError") -> None:
        """Tell what failed, if anybody listens."""
        is_launch = isinstance(error, LaunchError)
        fields = (
            "launch" if is_launch else "usage",
            "" if error.errno is None else str(error.errno),
            error.message if isinstance(error, LaunchError) else str(error),
        )
        try:
            self.send(FAILED + fsencode("\0".join(fields)))
        except OSError:
            pass

    def close(self) -> None:
        """Report nothing any more."""
        posix.close(self._descriptor)
        self._descriptor = -1


def parse_failure(record: bytes) -> "tuple[str, int | None, str]":
    """Return what is in a record of a failure: "launch" or "usage", errno, message."""
    kind, errno, message = fsdecode(record[1:]).split("\0", 2)
    return kind, int(errno) if errno else None, message


def helper_failed(failure: "SilentFailure") -> str:
    """Return what to say where another program has said what is wrong, such as newuidmap(1)."""
    return f"writing the id maps failed with status {failure.status}"
