"""The worker and its parent: how processes wait for each other, and how the parent ends."""

import _signal
import posix
from _signal import SIGCHLD, SIGINT, SIGTERM

from ..errors import Failure, attempt
from ..syscalls import set_parent_death_signal

# Options that make waitid(2) tell, without waiting, whether a child has ended
ENDED_BUT_NOT_WAITED_FOR = posix.WEXITED | posix.WNOHANG | posix.WNOWAIT


class Gate:
    """A pipe at which a process waits until another one, which may die instead, lets it pass.

    That death shows in the last write end being closed, so a process that is not to open the
    gate has to shut its copy. Both ends are closed when a program is executed.
    """

    def __init__(self) -> None:
        self._read_end, self._write_end = attempt("pipe failed", posix.pipe)

    def open(self) -> None:
        """Let the waiting process pass."""
        # The read end, which nobody closes, spares the writer a SIGPIPE if the other is dead.
        posix.write(self._write_end, b"\n")

    def shut(self) -> None:
        """Give up the power to open the gate."""
        posix.close(self._write_end)

    def wait(self) -> bool:
        """Wait until the gate is opened; return False if nobody is left who could."""
        return bool(posix.read(self._read_end, 1))

    def is_deserted(self) -> bool:
        """Tell, without waiting, whether nobody is left who could open the gate.

        This is for a gate that is not opened, or that has been passed.
        """
        posix.set_blocking(self._read_end, False)
        try:
            return not posix.read(self._read_end, 1)
        except BlockingIOError:
            return False


class Worker:
    """The process that becomes the program: after --fork a child, and its parent stays.

    The object exists in both processes, and :attr:`is_this_process` tells them apart. The
    parent lives through SIGINT and SIGTERM, or passes them on, from before the child exists.
    """

    def __init__(self, gate: "Gate | None", forward_signals: bool) -> None:
        self._gate = gate
        self._forward_signals = forward_signals
        # To forward signals, SIGCHLD is waited for together with them.
        blocked = [SIGINT, SIGTERM, SIGCHLD] if forward_signals else [SIGINT, SIGTERM]
        self._signal_mask = attempt(
            "sigprocmask block failed", _signal.pthread_sigmask, _signal.SIG_BLOCK, blocked
        )
        self.process = attempt("fork failed", posix.fork)
        self.is_this_process = self.process == 0

    def begin(self, wait_for_parent: bool) -> None:
        """In the child: take up what the caller gave. Raises Failure without a parent."""
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._signal_mask)
        if self._gate:
            self._gate.shut()
            if wait_for_parent and not self._gate.wait():
                raise Failure("the parent is gone", is_told=True)

    def arm_death_signal(self, signal: "int | None") -> None:
        """In the child: have the kernel send it a signal, if one is given, when its parent dies.

        Raises Failure if the parent is dead already, for the signal would not come.
        """
        if signal is not None:
            attempt("prctl failed", set_parent_death_signal, signal)
            if self._gate and self._gate.is_deserted():
                raise Failure("the parent is gone", is_told=True)

    def dismiss(self) -> None:
        """In the parent: see the child end that still waits for it."""
        if self._gate:
            self._gate.shut()
        wait_for(self.process)

    def let_begin(self) -> None:
        """In the parent: let the child go on that waits for it."""
        if self._gate:
            self._gate.open()

    def attend(self) -> int:
        """In the parent: wait for the child's end, and return its status or die as it did."""
        status = self._wait_forwarding() if self._forward_signals else wait_for(self.process)
        if posix.WIFSIGNALED(status):
            _die_of(posix.WTERMSIG(status))
        return posix.WEXITSTATUS(status)

    def _wait_forwarding(self) -> int:
        # A signal that the caller has blocked is the caller's to keep. The others are blocked
        # by now, and asked for. With a handler there would be a moment between it and the wait
        # that it is to interrupt, and a signal could be lost in it.
        awaited = {SIGINT, SIGTERM} - self._signal_mask | {SIGCHLD}
        while True:
            signal = _signal.sigwait(awaited)
            if signal == SIGCHLD:
                if posix.waitid(posix.P_PID, self.process, ENDED_BUT_NOT_WAITED_FOR):
                    return wait_for(self.process)
            else:
                try:
                    posix.kill(self.process, signal)
                except OSError:
                    pass  # a program of another user, by its set-user-ID bit, is left alone


def wait_for(process: int) -> int:
    """Wait until a child has ended (not merely stopped) and return its wait status."""
    _, status = attempt("waitpid failed", posix.waitpid, process, 0)
    return status


def _die_of(signal: int) -> None:
    """End this process by a signal, so that the caller sees what became of the program."""
    try:
        _signal.signal(signal, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [signal])
    except OSError:
        pass  # SIGKILL needs neither, and two signals are the C library's own
    posix.kill(posix.getpid(), signal)
    raise Failure("child exit failed")  # process 1 of a PID namespace outlives it
