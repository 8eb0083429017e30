"""Calls that an exception in the calling thread, such as a KeyboardInterrupt, cannot interrupt."""

from __future__ import annotations

import _signal
import _thread
import contextlib
import os
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from sys import is_finalizing
from typing import Callable

# Who takes part in a race
THREAD, CALLER = "thread", "caller"

# CPython's words, of a RuntimeError like many
NO_THREAD = (
    "can't start new thread",
    "can't create new thread at interpreter shutdown",
)

# In seconds
PATIENCE = 10.0  # for a thread that ends, should another process be given its id meanwhile
INTERVAL = 0.0001
LONG_INTERVAL = 0.1


class NoThreadError(RuntimeError):
    """No thread can be started: as after unshare(2) with a new PID namespace, or at a limit."""


class Race:
    """Whether a thread has come to a point before its caller gave up: both must see it alike."""

    def __init__(self) -> None:
        self._winner: dict[str, str] = {}

    def is_won_by(self, name: str) -> bool:
        """Whether ``name`` is the first to ask, now or at an earlier time."""
        # A single step: no other thread, and no exception, comes between looking and setting.
        return self._winner.setdefault("name", name) == name


def count_threads() -> int | None:
    """Return how many threads this process has, those of C libraries too; None without /proc."""
    try:
        return os.stat("/proc/self/task").st_nlink - 2  # one link from each: proc(5)
    except OSError:
        return None


def blocked_signals() -> set[int]:
    """Return the signals that this thread has blocked, as numbers: the names would take time."""
    return _signal.pthread_sigmask(_signal.SIG_BLOCK, ())


@contextlib.contextmanager
def signals_blocked(numbers: Iterable[int] | None = None) -> Iterator[set[int]]:
    """Block these signals and no others, or all; and provide those that were blocked before.

    Where all are, and the process has one thread, no signal handler runs in the meantime.
    """
    before = blocked_signals()
    try:
        if numbers is None:
            numbers = _signal.valid_signals()
        _signal.pthread_sigmask(_signal.SIG_SETMASK, numbers)
        yield before
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def call_uninterrupted(
    call: Callable[[], None],
    interrupt: Callable[[], None],
    keep: Callable[[], None] | None = None,
) -> int | None:
    """Call ``call()`` where no exception of a signal handler comes between.

    ``interrupt`` is as in call_in_thread(). What ``call`` starts may be meant to die with this
    process, which the kernel takes for its parent thread: then ``keep`` is for a thread that is
    that parent, and waits for it. Return the id of such a thread; where the first thread is the
    only one, none is needed.
    """
    if count_threads() == 1:
        with signals_blocked():
            call()
    elif not keep and threading.current_thread() is not threading.main_thread():
        call()  # signal handlers run in the main thread only
    else:
        try:
            tid = call_in_thread(call, interrupt, keep)
            return tid if keep else None
        except NoThreadError:
            call()
    return None


def call_in_thread(
    call: Callable[[], None],
    interrupt: Callable[[], None],
    afterwards: Callable[[], None] | None = None,
) -> int:
    """Call ``call()`` in a new thread, and raise what it raises; return the id of the thread.

    An exception in the meantime, such as a KeyboardInterrupt, is raised when the call has come
    to its end all the same; ``interrupt``, called again and again, is to hasten that end. When
    this returns the kernel has no such thread anymore; unless it goes on to ``afterwards``.
    """
    race = Race()  # of the beginning of the call
    outcome: list[BaseException | None] = []
    thread: list[int] = []
    done = _thread.allocate_lock()
    done.acquire()

    def run(_: object) -> None:
        thread.append(_thread.get_native_id())
        if not race.is_won_by(THREAD):
            return
        try:
            call()
            outcome.append(None)
        except BaseException as error:
            outcome.append(error)
            return
        finally:
            done.release()
        if afterwards:
            afterwards()

    try:
        mark = _start_thread(run)
        while not done.acquire(timeout=LONG_INTERVAL):
            if not mark() and not outcome and race.is_won_by(CALLER):
                raise NoThreadError("can't run new thread")
    except NoThreadError:
        raise
    except BaseException:
        while not outcome:
            try:
                if race.is_won_by(CALLER):
                    break
                interrupt()
                done.acquire(timeout=0.02)
            except BaseException:  # once more the same: it is raised below
                pass
        if outcome and not afterwards:
            wait_for_thread(thread[0])
        raise
    error = outcome.pop()
    if error or not afterwards:
        wait_for_thread(thread[0])
    if error is None:
        return thread[0]
    try:
        raise error
    finally:
        del error


def wait_for_thread(tid: int) -> None:
    """Wait until the kernel has no such thread anymore; that it ends is known.

    Python says so earlier than the kernel, which then still refuses a new user namespace.
    """
    deadline = time.monotonic() + PATIENCE
    interval = 0.0  # which lets other threads run
    with contextlib.suppress(OSError):  # no such thread, or a seccomp(2) filter refuses to tell
        while time.monotonic() < deadline:
            os.getpriority(os.PRIO_PROCESS, tid)  # knows threads, and takes no /proc
            time.sleep(interval)
            interval = min(interval + INTERVAL / 50, 10 * INTERVAL)


def stay_until_end(pid: int) -> None:
    """Wait until a child has ended, and leave its status to those who wait for it as well."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        pass  # somebody else has waited for it
    except OSError:  # a seccomp(2) filter refuses that
        with contextlib.suppress(ProcessLookupError):
            while True:
                with contextlib.suppress(PermissionError):
                    os.kill(pid, 0)
                time.sleep(LONG_INTERVAL)


def _start_thread(call: Callable[[object], None]) -> weakref.ref[set[str]]:
    """Start a thread; return a reference to something that is there as long as the thread is.

    With too little memory, a thread can end before it comes to its first line.
    """
    if is_finalizing():  # CPython before 3.12 would start one that ends at once, and stays
        raise NoThreadError(NO_THREAD[1])
    mark = {"there"}
    try:
        _thread.start_new_thread(call, (mark,))
    except RuntimeError as reason:
        if str(reason) not in NO_THREAD:
            raise  # a signal handler has raised it, and the thread may have begun
        raise NoThreadError(str(reason)) from None
    return weakref.ref(mark)
