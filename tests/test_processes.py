"""The lock, and the child that waits at it, where the other side has died: rare in a launch."""

from __future__ import annotations

import _signal
import errno
import os
import signal
from collections.abc import Iterator
from typing import Callable, NoReturn

import pytest

from pyunshare.errors import Failure
from pyunshare.launch.processes import BINDER, CHILD, MAPPER, Child, SyncLock
from pyunshare.syscalls import load_c_library
from tests.helpers import support


@pytest.fixture(autouse=True)
def signal_mask() -> Iterator[None]:
    """Take back what children do to the signals of this process."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.fixture(params=["memfd", "pipe"])
def lock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncLock]:
    """A lock of this process's, in a file of each kind."""
    if request.param == "pipe":
        monkeypatch.delattr("posix.memfd_create", raising=False)
    lock = SyncLock()
    assert ("memfd" in os.readlink(f"/proc/self/fd/{lock._fd}")) == (request.param == "memfd")
    yield lock
    lock.close()


def said_by_child(action: Callable[[], bool]) -> bool:
    """Return what an action in a child process returns."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(10 + action())
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (10, 11)
    return status == 11


def test_a_released_lock_lets_children_pass(lock: SyncLock) -> None:
    lock.release(CHILD)
    assert said_by_child(lambda: lock.wait(CHILD))
    assert said_by_child(lambda: lock.wait(CHILD))
    assert said_by_child(lock.parent_exists)


class Waiting:
    """A child that waits at a lock, and says how that ended."""

    def __init__(self, lock: SyncLock, turn: int) -> None:
        self._reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            signal.signal(signal.SIGUSR1, lambda *_: os.write(writing, b"interrupted "))
            os.write(writing, b"waits ")
            os.write(writing, b"passed" if lock.wait(turn) else b"alone")
            os._exit(0)
        os.close(writing)
        assert self.says(b"waits ")
        assert self.has_not_ended()

    def says(self, text: bytes) -> bool:
        """Whether the next that it says is this."""
        return os.read(self._reading, len(text)) == text

    def has_not_ended(self) -> bool:
        """Whether it is still there."""
        return os.waitpid(self.pid, os.WNOHANG) == (0, 0)

    def ends_with(self, text: bytes) -> bool:
        """Whether it says this, and comes to its end."""
        said = self.says(text)
        os.close(self._reading)
        return os.waitpid(self.pid, 0) == (self.pid, 0) and said


def test_each_child_waits_for_its_turn(lock: SyncLock) -> None:
    mapper, binder, child = (Waiting(lock, turn) for turn in (MAPPER, BINDER, CHILD))
    lock.release(MAPPER)
    assert mapper.ends_with(b"passed")
    assert binder.has_not_ended()
    lock.release(BINDER)
    assert binder.ends_with(b"passed")
    assert child.has_not_ended()
    lock.release(CHILD)
    assert child.ends_with(b"passed")


def test_a_closed_lock_ends_all_who_wait() -> None:
    """Each of them, though they wait for each other as well."""
    lock = SyncLock()
    waiting = [Waiting(lock, turn) for turn in (MAPPER, BINDER, CHILD)]
    lock.close()
    for child in waiting:
        assert child.ends_with(b"alone")


def test_two_launches_at_once_have_a_lock_each(lock: SyncLock) -> None:
    child = Waiting(lock, CHILD)
    other = SyncLock()
    other.release(CHILD)
    other.close()
    assert child.has_not_ended()
    lock.release(CHILD)
    assert child.ends_with(b"passed")


def test_a_signal_handler_does_not_end_the_waiting(lock: SyncLock) -> None:
    """A process that calls unshare() can have handlers, which its helpers inherit."""
    child = Waiting(lock, MAPPER)
    for _ in range(3):
        support.wait_for(lambda: support.state(child.pid) == "S", "the child to wait")
        os.kill(child.pid, signal.SIGUSR1)
        assert child.says(b"interrupted ")
    lock.release(MAPPER)
    assert child.ends_with(b"passed")


@pytest.mark.parametrize("call", ["wait", "parent_exists", "release"])
def test_a_lock_that_is_refused_is_a_failure(
    call: str, lock: SyncLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("posix.lockf", refuse)
    arguments = [] if call == "parent_exists" else [CHILD]
    with pytest.raises(Failure, match=f"lockf failed: {os.strerror(1)}"):
        getattr(lock, call)(*arguments)


def as_child(lock: SyncLock) -> Child:
    """Return a child as it sees itself: all that it needs for that is a fork that says 0."""
    return Child(lock, forward_signals=False, death_signal=signal.SIGCONT, fork=lambda: 0)


def test_the_status_is_had_where_all_about_signals_is_refused() -> None:
    """As by a seccomp(2) filter."""

    def refuse(*_: object) -> NoReturn:
        raise PermissionError

    child = Child(None, forward_signals=True, death_signal=None)
    if child.pid == 0:
        os._exit(7)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_signal, "sigwait", refuse)
        patched.setattr(_signal, "signal", refuse)
        assert child.wait() == 7


def test_the_child_has_the_callers_signal_mask() -> None:
    child = as_child(SyncLock())
    during = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert during >= {signal.SIGINT, signal.SIGTERM}
    child.start(held=False)
    after = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert not after & {signal.SIGINT, signal.SIGTERM}
    child._lock.close()  # type: ignore[union-attr]


def ends(step: Callable[[], None]) -> bool:
    """Return whether a step ends the child process that it is in."""
    pid = os.fork()
    if pid == 0:
        try:
            step()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


@pytest.mark.parametrize("close", [False, True])
def test_a_child_notices_that_its_parent_is_gone(close: bool, lock: SyncLock) -> None:
    """Closing the file is what a parent's death does as well."""
    load_c_library()
    child = as_child(lock)
    lock.release(CHILD)
    if close:
        duplicate = os.dup(lock._fd)
        lock.close()
        lock._fd = duplicate
    assert ends(lambda: child.start(held=True)) == close
    assert ends(child.arm_death_signal) == close


def test_a_killed_parent_is_gone(lock: SyncLock) -> None:
    """However it dies: its child waits for it, and for nobody else."""
    reading, writing = os.pipe()
    middle = os.fork()
    if middle == 0:
        own = SyncLock()
        if os.fork() == 0:
            os.write(writing, b"waits")
            os.write(writing, b"passed" if own.wait(CHILD) else b"gone")
            os._exit(0)
        signal.pause()
    assert os.read(reading, 5) == b"waits"
    os.kill(middle, signal.SIGKILL)
    os.waitpid(middle, 0)
    assert os.read(reading, 6) == b"gone"
    os.close(reading)
    os.close(writing)


def test_no_file_to_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, "whatever it is called")

    monkeypatch.setattr("posix.memfd_create", refuse, raising=False)
    monkeypatch.setattr("posix.pipe2", refuse)
    with pytest.raises(Failure, match=f"pipe failed: {os.strerror(errno.EMFILE)}"):
        SyncLock()
