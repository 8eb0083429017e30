"""Calls in a thread of their own, which an exception in the waiting thread cannot interrupt."""

from __future__ import annotations

import _thread
from typing import Callable, TypeVar

Result = TypeVar("Result")

BEGUN, GIVEN_UP = "begun", "given up"

NO_THREAD = "can't start new thread"  # CPython's words, of a RuntimeError like many


class NoThreadError(RuntimeError):
    """No thread can be started: as after unshare(2) with a new PID namespace, or at a limit."""


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
    # Whether the thread begins or the caller gives up before that: whoever is first says it here.
    fate: dict[str, str] = {}
    outcome: list[tuple[Result | None, BaseException | None]] = []
    done = _thread.allocate_lock()
    done.acquire()

    def run() -> None:
        if fate.setdefault("is", BEGUN) != BEGUN:
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
                if fate.setdefault("is", GIVEN_UP) == GIVEN_UP:
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
