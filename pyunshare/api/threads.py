"""Calls in a thread of their own, which an exception in the waiting thread cannot interrupt."""

from __future__ import annotations

import _thread
from typing import Callable, TypeVar

Result = TypeVar("Result")

# Who takes part in a race
THREAD, CALLER = "thread", "caller"

NO_THREAD = "can't start new thread"  # CPython's words, of a RuntimeError like many


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


def call_in_thread(
    call: Callable[[], Result],
    interrupt: Callable[[], None],
    afterwards: Callable[[], None] | None = None,
) -> Result:
    """Return what ``call()`` returns in a new thread, or raise what it raises.

    An exception in the meantime, such as a KeyboardInterrupt, is raised when the call has come
    to its end all the same; ``interrupt``, called again and again, is to hasten that end. The
    thread then goes on to ``afterwards``.
    """
    race = Race()  # of the beginning of the call
    outcome: list[tuple[Result | None, BaseException | None]] = []
    done = _thread.allocate_lock()
    done.acquire()

    def run() -> None:
        if not race.is_won_by(THREAD):
            return
        try:
            outcome.append((call(), None))
        except BaseException as error:
            outcome.append((None, error))
            return
        finally:
            done.release()
        if afterwards:
            afterwards()

    try:
        _start_thread(run)
        done.acquire()
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
        raise
    result, error = outcome.pop()
    if error is None:
        return result  # type: ignore[return-value]
    try:
        raise error
    finally:
        del error


def _start_thread(call: Callable[[], None]) -> None:
    try:
        _thread.start_new_thread(call, ())
    except RuntimeError as reason:
        if str(reason) != NO_THREAD:
            raise  # a signal handler has raised it, and the thread may have begun
        raise NoThreadError(str(reason)) from None
