"""What a process of the launch tells the process that asked for it.

Records go over a socket that keeps them apart. That end of it closes when the program starts.
"""

import _socket
import posix

from ..syscalls import fsdecode, fsencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import Failure

# What a record begins with, and what follows
STARTED = b"S"  # the id of the process that does the launch
FORKED = b"F"  # the id of the program, if the receiver has the same for it; it waits to be released
EXECUTING = b"X"  # nothing: all is done but the execution of a file
# errno, step, path and message of a step that failed, with NUL bytes between them, and an equals
# sign before each that there is
FAILED = b"E"
REFUSED = b"R"  # errno and path, likewise, of what was given for the program and cannot be had
UNAVAILABLE = b"U"  # nothing: the launch cannot be done this way

LONGEST_RECORD = 1 << 16


def make_channel() -> "tuple[_socket.socket, _socket.socket]":
    """Return both ends of such a socket.

    socket.socketpair() would lose one to an exception that a signal handler raises meanwhile.
    """
    return _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)


class UnavailableError(Exception):
    """A launch cannot be done in one way, and is to go another."""


class Reporter:
    """The end of the socket that is written to. Reports failures as :mod:`pyunshare.messages`."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def send(self, record: bytes) -> None:
        """Send a record, if there is a socket. Raises OSError if nobody listens."""
        if self.fd < 0:
            return
        posix.write(self.fd, record[:LONGEST_RECORD])

    def report(self, failure: "Failure") -> int:
        """Send what failed, if anybody listens, and return the exit status that follows."""
        message = failure.message
        if failure.reported:  # by another program, such as newuidmap(1)
            message = f"writing the id maps failed with status {failure.status}"
        self._send_all(FAILED, failure.errno, failure.step or "launch", failure.path, message)
        return failure.status

    def refuse(self, error: OSError) -> int:
        """Send what was given for the program and cannot be had, as subprocess would raise it."""
        self._send_all(REFUSED, error.errno, error.filename)
        return 1

    def stop_loading(self) -> None:
        """Load nothing from now on: nothing of this ever does."""

    def close(self) -> None:
        """Report nothing any more."""
        if self.fd >= 0:
            posix.close(self.fd)
        self.fd = -1

    def _send_all(self, kind: bytes, *fields: object) -> None:
        texts = ("" if field is None else f"={field}" for field in fields)
        try:
            self.send(kind + fsencode("\0".join(texts)))
        except OSError:
            pass


def fields_of(record: bytes) -> "list[str | None]":
    """Return what a record says, None where there is nothing."""
    return [field[1:] if field else None for field in fsdecode(record[1:]).split("\0")]
