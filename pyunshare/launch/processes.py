"""The child that becomes the program, and its parent: who waits for whom, and how it ends."""

import _signal
import posix
from _signal import SIGCHLD, SIGINT, SIGTERM
from posix import F_LOCK, F_TEST, F_ULOCK

from ..errors import Failure, checked
from ..syscalls import open_file_of_our_own, set_parent_death_signal

# The bytes of a SyncLock, as lockf(3) counts them from where the file's offset is
GATE = -1
PARENT = 1


class SyncLock:
    """What a child waits at until its parent, which may die instead, lets it pass.

    It is a file of which the parent holds two bytes locked: fcntl_locking(2). The kernel unlocks
    both when the parent dies, and no child inherits them. A pipe would do as well, but takes two
    file descriptors, and there may be room for one only.
    """

    def __init__(self) -> None:
        self._fd = checked("open", "cannot make a lock", open_file_of_our_own)
        checked("lockf", "cannot make a lock", self._lock_both)

    def _lock_both(self) -> None:
        posix.lseek(self._fd, 1, 0)  # between the bytes
        posix.lockf(self._fd, F_LOCK, PARENT)
        posix.lockf(self._fd, F_LOCK, GATE)

    def release(self) -> None:
        """In the parent: let the child pass."""
        posix.lockf(self._fd, F_ULOCK, GATE)

    def wait(self) -> bool:
        """In a child: wait for release(); return False if nobody is left who could."""
        posix.lockf(self._fd, F_LOCK, GATE)
        return self.parent_exists()

    def parent_exists(self) -> bool:
        """In a child: return whether the parent still has the lock."""
        try:
            posix.lockf(self._fd, F_TEST, PARENT)
        except OSError:
            return True
        return False

    def close(self) -> None:
        """Close the file: in the parent, this ends a child that waits."""
        posix.close(self._fd)


class Child:
    """The process that becomes the program after --fork.

    The object exists on both sides of fork(2), and in the child its ``pid`` is 0. The parent lives
    through SIGINT and SIGTERM, or passes them on, from before the child exists.
    """

    def __init__(self, lock: "SyncLock | None", forward_signals: bool) -> None:
        self._lock = lock
        self._forward_signals = forward_signals
        # To forward signals, SIGCHLD is waited for together with them.
        blocked = [SIGINT, SIGTERM, SIGCHLD] if forward_signals else [SIGINT, SIGTERM]
        self._signal_mask = checked(
            "sigprocmask",
            "sigprocmask block failed",
            _signal.pthread_sigmask,
            _signal.SIG_BLOCK,
            blocked,
        )
        self.pid = checked("fork", "fork failed", posix.fork)

    def start(self, held: bool) -> None:
        """In the child: take back the caller's signal mask, and wait to be released if ``held``.

        If nobody is left to do that, this process ends.
        """
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._signal_mask)
        if held and self._lock and not self._lock.wait():
            posix._exit(1)

    def arm_death_signal(self, signal: "int | None") -> None:
        """In the child: have the kernel send it a signal, if one is given, when its parent dies.

        If the parent is dead already, the signal would not come, and this process ends.
        """
        if signal is not None:
            checked("prctl", "prctl failed", set_parent_death_signal, signal)
            if self._lock and not self._lock.parent_exists():
                posix._exit(1)

    def release(self) -> None:
        """In the parent: let the child go on if it waits for that."""
        if self._lock:
            self._lock.release()

    def cancel(self) -> None:
        """In the parent: end the child, which has not been released, and wait for its end."""
        if self._lock:
            self._lock.close()
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
        awaited = {SIGINT, SIGTERM} - self._signal_mask | {SIGCHLD}
        try:
            while True:
                signal = _signal.sigwait(awaited)
                if signal != SIGCHLD:
                    self._send(signal)
                    continue
                pid, status = posix.waitpid(self.pid, posix.WNOHANG)
                if pid:  # not merely stopped
                    return status
        except OSError:  # a filter refuses these calls: wait without forwarding
            return wait_for(self.pid)

    def _send(self, signal: int) -> None:
        try:
            posix.kill(self.pid, signal)
        except OSError:
            pass  # a program of another user, by its set-user-ID bit, is left alone


def wait_for(pid: int) -> int:
    """Wait until a child has ended (not merely stopped) and return its wait status."""
    _, status = checked("waitpid", "waitpid failed", posix.waitpid, pid, 0)
    return status


def _die_of(signal: int) -> None:
    """End this process by a signal, so that the caller sees what became of the program."""
    try:
        _signal.signal(signal, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [signal])
    except OSError:
        pass  # SIGKILL needs neither, and two signals are the C library's own
    posix.kill(posix.getpid(), signal)
    raise Failure("child exit failed", step="kill")  # process 1 of a PID namespace outlives it
