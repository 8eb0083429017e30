"""Calls in a thread of their own: what an exception does at the moments that are hard to hit."""

from __future__ import annotations

import _thread
import threading

import pytest

from pyunshare.threads import NoThreadError, call_in_thread


class Interruption(BaseException):
    """What a signal handler raises."""


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


def test_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", start)
    with pytest.raises(NoThreadError, match="can't start new thread"):
        call_in_thread(lambda: None, lambda: None)


def test_what_the_call_returns_or_raises() -> None:
    assert call_in_thread(lambda: 7, lambda: None) == 7
    with pytest.raises(Interruption):
        call_in_thread(_raise, lambda: None)


def _raise() -> None:
    raise Interruption
