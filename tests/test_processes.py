"""The lock, and the child that waits at it, where the other side has died: rare in a launch."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Callable

import pytest

from pyunshare import syscalls
from pyunshare.launch.processes import Child, SyncLock
from pyunshare.syscalls import load_c_library


@pytest.fixture(autouse=True)
def signal_mask() -> Iterator[None]:
    """Take back what children do to the signals of this process."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.fixture(params=["memfd", "proc"])
def lock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncLock]:
    """A lock of this process's, in a file of each kind."""
    if request.param == "proc":
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
    lock.release()
    assert said_by_child(lock.wait)
    assert said_by_child(lock.wait)


def test_a_child_waits_until_the_lock_is_released(lock: SyncLock) -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, b"waits")
        os._exit(not lock.wait())
    assert os.read(reading, 5) == b"waits"
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    lock.release()
    assert os.waitpid(pid, 0) == (pid, 0)
    os.close(reading)
    os.close(writing)


def as_child(lock: SyncLock, monkeypatch: pytest.MonkeyPatch) -> Child:
    """Return a child as it sees itself: all that it needs for that is a fork that says 0."""
    with monkeypatch.context() as patch:
        patch.setattr("posix.fork", lambda: 0)
        return Child(lock, forward_signals=False)


def test_the_child_has_the_callers_signal_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    child = as_child(SyncLock(), monkeypatch)
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
def test_a_child_notices_that_its_parent_is_gone(
    close: bool, lock: SyncLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing the file is what a parent's death does as well."""
    load_c_library()
    child = as_child(lock, monkeypatch)
    lock.release()
    if close:
        duplicate = os.dup(lock._fd)
        lock.close()
        lock._fd = duplicate
    assert ends(lambda: child.start(held=True)) == close
    arm = lambda: child.arm_death_signal(signal.SIGCONT)  # noqa: E731
    assert ends(arm) == close


def test_a_killed_parent_is_gone(lock: SyncLock) -> None:
    """However it dies: its child waits for it, and for nobody else."""
    reading, writing = os.pipe()
    middle = os.fork()
    if middle == 0:
        own = SyncLock()
        if os.fork() == 0:
            os.write(writing, b"waits")
            os.write(writing, b"passed" if own.wait() else b"gone")
            os._exit(0)
        signal.pause()
    assert os.read(reading, 5) == b"waits"
    os.kill(middle, signal.SIGKILL)
    os.waitpid(middle, 0)
    assert os.read(reading, 6) == b"gone"
    os.close(reading)
    os.close(writing)


def test_no_file_to_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("pyunshare.launch.processes.open_file_of_our_own", refuse)
    with pytest.raises(Exception, match="cannot make a lock: Too many open files"):
        SyncLock()
    assert syscalls.open_file_of_our_own is not refuse
