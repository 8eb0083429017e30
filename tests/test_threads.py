"""Calls in a thread of their own: what an exception does at the moments that are hard to hit."""

from __future__ import annotations

import _thread
import threading

import pytest

from pyunshare import threads
from pyunshare.threads import NoThreadError, call_in_thread

MORE_THAN_THERE_IS = 1 << 46  # bytes


class Interruption(BaseException):
    """What a signal handler raises."""


class LikeNoThread(RuntimeError):
    """What another one raises: a RuntimeError, as Python does where it cannot start a thread."""


def test_an_exception_before_the_thread_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def start(*_: object) -> None:
        raise Interruption

    monkeypatch.setattr(_thread, "start_new_thread", start)
    with pytest.raises(Interruption):
        call_in_thread(lambda: made.append("call"), lambda: made.append("interrupt"))
    assert made == []


def test_an_exception_before_the_thread_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins later, and finds that the caller has given up."""
    made: list[str] = []
    waiting: list[threading.Thread] = []

    def start(run: object, arguments: tuple[object, ...]) -> None:
        waiting.append(threading.Thread(target=run, args=arguments))  # type: ignore[arg-type]
        raise Interruption

    monkeypatch.setattr(_thread, "start_new_thread", start)
    with pytest.raises(Interruption):
        call_in_thread(lambda: made.append("call"), lambda: made.append("interrupt"))
    (thread,) = waiting
    thread.start()
    thread.join()
    assert made == []


def test_an_exception_when_the_thread_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call is seen to its end, which ``interrupt`` hastens."""
    made: list[str] = []
    begun, ended = threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        ended.wait()
        made.append("call")

    def start(run: object, arguments: tuple[object, ...]) -> None:
        threading.Thread(target=run, args=arguments).start()  # type: ignore[arg-type]
        begun.wait()
        raise Interruption

    monkeypatch.setattr(_thread, "start_new_thread", start)
    with pytest.raises(Interruption):
        call_in_thread(call, ended.set)
    assert made == ["call"]


def test_no_thread_can_be_started() -> None:
    stack_size = threading.stack_size(MORE_THAN_THERE_IS)
    try:
        with pytest.raises(NoThreadError, match="can't start new thread"):
            call_in_thread(lambda: None, lambda: None)
    finally:
        threading.stack_size(stack_size)


def test_an_exception_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not lost, though the caller would go on in another way."""

    def start(_: object) -> None:
        try:
            raise NoThreadError
        finally:
            raise Interruption

    monkeypatch.setattr(threads, "_start_thread", start)
    with pytest.raises(Interruption):
        call_in_thread(lambda: None, lambda: None)


def test_an_exception_like_that_of_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread has begun, so that there must be no other way taken."""
    made: list[str] = []
    begun = threading.Event()

    def call() -> None:
        begun.set()
        made.append("call")

    def start(run: object, arguments: tuple[object, ...]) -> None:
        threading.Thread(target=run, args=arguments).start()  # type: ignore[arg-type]
        begun.wait()
        raise LikeNoThread

    monkeypatch.setattr(_thread, "start_new_thread", start)
    with pytest.raises(LikeNoThread):
        call_in_thread(call, lambda: None)
    assert made == ["call"]


def test_what_the_call_returns_or_raises() -> None:
    assert call_in_thread(lambda: 7, lambda: None) == 7
    with pytest.raises(Interruption):
        call_in_thread(_raise, lambda: None)


def _raise() -> None:
    raise Interruption
