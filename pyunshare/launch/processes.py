"""The child that becomes the program, and its parent: who waits for whom, and how it ends."""

import _signal
import posix
from _signal import SIG_BLOCK, SIG_DFL, SIG_SETMASK, SIG_UNBLOCK, SIGCHLD, SIGINT, SIGTERM
from posix import F_LOCK, F_TEST, F_ULOCK, WNOHANG

from ..errors import Failure, checked
from ..syscalls import EACCES, EAGAIN, open_file_to_lock, set_parent_death_signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Callable

WAIT_FAILED = "waitpid failed"
LOCK_FAILED = "lockf failed"

# Who waits at a SyncLock, each for so many of its bytes: whoever is released later, for more
MAPPER = 1
BINDER = 2
CHILD = 3
ALL = 4  # with one that is never released: as long as it is locked, the parent is there


class SyncLock:
    """What the other processes of a launch wait at until their parent lets them go on, or dies.

    It is a file that the parent holds locked: fcntl_locking(2). The kernel unlocks it when the
    parent dies, and no child inherits the lock. Eventfds or pipes would do as well, but there is
    one such file for all who wait, and there may be room for one file descriptor only.
    """

    def __init__(self) -> None:
        self._fd = checked("pipe", "pipe failed", open_file_to_lock)
        checked("lockf", LOCK_FAILED, posix.lockf, self._fd, F_LOCK, ALL)

    def release(self, waiting: int) -> None:
        """In the parent: let one go on, and whoever comes before it."""
        checked("lockf", LOCK_FAILED, posix.lockf, self._fd, F_ULOCK, waiting)

    def wait(self, waiting: int) -> bool:
        """In a child: wait for release(); return False if nobody is left who could."""
        while True:
            try:
                posix.lockf(self._fd, F_LOCK, waiting)
                return self.parent_exists()
            except InterruptedError:  # by a signal handler, where Python code has called us
                pass
            except OSError as error:
                raise Failure(LOCK_FAILED, error.errno, step="lockf") from None

    def parent_exists(self) -> bool:
        """In a child: return whether the parent still has the lock."""
        # No other child does at this time: they all lock the first byte, and wait for each other.
        try:
            posix.lockf(self._fd, F_TEST, ALL)
        except OSError as error:
            if error.errno not in (EACCES, EAGAIN):
                raise Failure(LOCK_FAILED, error.errno, step="lockf") from None
            return True
        return False

    def close(self) -> None:
        """Close the file: in the parent, this ends all who wait."""
        posix.close(self._fd)


def reset_sigchld() -> None:
    """Have SIGCHLD not ignored, for that would have the kernel throw exit statuses away."""
    try:
        _signal.signal(SIGCHLD, SIG_DFL)
    except OSError:
        pass  # a seccomp(2) filter refuses that, and it is rarely needed


def _change_signal_mask(
    wording: str, how: int, signals: "Iterable[int]"
) -> "set[int | _signal.Signals]":
    """Change which signals are blocked, and return those that were. Raises Failure."""
    return checked("sigprocmask", wording, _signal.pthread_sigmask, how, signals)


class Child:
    """The process that becomes the program after --fork.

    The object exists on both sides of fork(2), and in the child its ``pid`` is 0. The parent lives
    through SIGINT and SIGTERM, or passes them on, from before the child exists.
    """

    def __init__(
        self,
        lock: "SyncLock | None",
        forward_signals: bool,
        death_signal: "int | None",
        fork: "Callable[[], int]" = posix.fork,
    ) -> None:
        self._lock = lock
        self._forward_signals = forward_signals
        self._death_signal = death_signal
        if forward_signals:  # SIGCHLD is waited for together with them
            blocked, wording = [SIGINT, SIGTERM, SIGCHLD], "sigprocmask failed"
        else:
            blocked, wording = [SIGINT, SIGTERM], "sigprocmask block failed"
        self._signal_mask = _change_signal_mask(wording, SIG_BLOCK, blocked)
        self.pid = checked("fork", "fork failed", fork)

    def start(self, held: bool) -> None:
        """In the child: take back the caller's signal mask, and wait to be released if ``held``.

        If nobody is left to do that, this process ends.
        """
        _change_signal_mask("sigprocmask restore failed", SIG_SETMASK, self._signal_mask)
        if held and self._lock and not self._lock.wait(CHILD):
            posix._exit(1)

    def arm_death_signal(self) -> None:
        """In the child: have the kernel send it the death signal, if any, when its parent dies.

        If the parent is dead already, the signal would not come, and this process ends.
        """
        if self._death_signal is not None:
            checked("prctl", "prctl failed", set_parent_death_signal, self._death_signal)
            if self._lock and not self._lock.parent_exists():
                posix._exit(1)

    def close_lock(self) -> None:
        """Close the lock: in the parent, this ends a child that has not been released."""
        if self._lock:
            self._lock.close()

    def release(self) -> None:
        """In the parent: let the child go on if it waits for that."""
        if self._lock:
            self._lock.release(CHILD)

    def wait_for_end(self) -> None:
        """In the parent: wait until the child has ended, however it does."""
        wait_for(self.pid)

    def wait(self) -> int:
        """In the parent: wait for the child's end, and return its exit status or die as it did."""
        status = self._wait_forwarding() if self._forward_signals else wait_for(self.pid)
        if posix.WIFSIGNALED(status):
            _die_of(posix.WTERMSIG(status))
        return posix.WEXITSTATUS(status)

    def _wait_forwarding(self) -> int:
        # A signal that the caller has blocked is the caller's to keep. The others are blocked
        # by now, and asked for. With a handler there would be a moment between it and the wait
        # that it is to interrupt, and a signal could be lost in it.
        forwarded = {SIGINT, SIGTERM} - self._signal_mask
        pid = status = 0
        while not pid:  # also where the child is merely stopped
            try:
                signal = _signal.sigwait(forwarded | {SIGCHLD})
            except OSError:
                return self._wait_with_handlers(forwarded)
            if signal == SIGCHLD:
                pid, status = checked("waitpid", WAIT_FAILED, posix.waitpid, self.pid, WNOHANG)
            else:
                self._send(signal)
        return status

    def _wait_with_handlers(self, forwarded: "Iterable[int]") -> int:
        """Wait where a seccomp(2) filter refuses sigtimedwait(2)."""
        try:
            for signal in forwarded:
                _signal.signal(signal, self._send)
            _signal.pthread_sigmask(SIG_UNBLOCK, forwarded)
        except OSError:
            pass  # this is refused as well: the status can still be had
        return wait_for(self.pid)

    def _send(self, signal: int, _: object = None) -> None:
        try:
            posix.kill(self.pid, signal)
        except OSError:
            pass  # a program of another user, by its set-user-ID bit, is left alone


def wait_for(pid: int) -> int:
    """Wait until a child has ended (not merely stopped) and return its wait status."""
    _, status = checked("waitpid", WAIT_FAILED, posix.waitpid, pid, 0)
    return status


def _die_of(signal: int) -> None:
    """End this process by a signal, so that the caller sees what became of the program."""
    try:
        _signal.signal(signal, SIG_DFL)
        _signal.pthread_sigmask(SIG_UNBLOCK, [signal])
    except OSError:
        pass  # SIGKILL needs neither, and two signals are the C library's own
    posix.kill(posix.getpid(), signal)
    raise Failure("child exit failed", step="kill")  # process 1 of a PID namespace outlives it
