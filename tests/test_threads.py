"""Calls in a thread of their own: what an exception does at the moments that are hard to hit."""

from __future__ import annotations

import _thread
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from pyunshare.api import threads
from pyunshare.api.threads import NoThreadError, call_in_thread
from tests.helpers import support
from tests.helpers.machine import needs

ROOM = 1 << 29  # bytes


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


@pytest.mark.parametrize("kind", [Interruption, LikeNoThread])
def test_an_exception_when_the_thread_has_begun(
    kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is seen to its end, which ``interrupt`` hastens; no other way may be taken."""
    made: list[str] = []
    begun, ended = threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        ended.wait()
        made.append("call")

    def start(run: object, arguments: tuple[object, ...]) -> None:
        threading.Thread(target=run, args=arguments).start()  # type: ignore[arg-type]
        begun.wait()
        raise kind

    monkeypatch.setattr(_thread, "start_new_thread", start)
    with pytest.raises(kind):
        call_in_thread(call, ended.set)
    assert made == ["call"]


def test_an_exception_while_another_one_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is raised, when the call has come to its end."""
    ended = threading.Event()
    interrupts: list[str] = []
    given_start = _thread.start_new_thread

    def start(run: Any, arguments: tuple[object, ...]) -> None:
        given_start(run, arguments)
        raise Interruption

    def interrupt() -> None:
        interrupts.append("once more")
        if len(interrupts) == 1:
            raise LikeNoThread
        ended.set()

    monkeypatch.setattr(_thread, "start_new_thread", start)
    begun = threading.Event()
    monkeypatch.setattr(threads.Race, "is_won_by", lambda race, name: name == threads.THREAD)
    with pytest.raises(Interruption):
        call_in_thread(lambda: (begun.set(), ended.wait(), None)[2], interrupt)
    assert len(interrupts) > 1


@pytest.fixture
def no_room_for_a_thread() -> Iterator[None]:
    """Memory that may be used by and by, and less of it than a new stack takes."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    stack_size = threading.stack_size(2 * ROOM)
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)
    threading.stack_size(stack_size)


@pytest.mark.usefixtures("no_room_for_a_thread")
def test_no_thread_can_be_started() -> None:
    with pytest.raises(NoThreadError, match="can't start new thread"):
        call_in_thread(lambda: None, lambda: None)


@needs("glibc", "root")  # glibc keeps stacks; elsewhere Python itself has no room
def test_a_thread_that_has_no_room_to_begin() -> None:
    """It ends before its first line: another way is taken."""
    lines = """
import resource, sys, pyunshare
sys.unraisablehook = lambda _: None
pyunshare.run(["true"], uts=True)  # the stack of its thread serves the next one
resource.setrlimit(resource.RLIMIT_DATA, (1 << 20, resource.RLIM_INFINITY))
print(pyunshare.run(["true"], uts=True).returncode)
"""
    line = [sys.executable, "-c", lines]
    environment = {**os.environ, "PYTHONPATH": str(support.CHECKOUT)}
    result = subprocess.run(
        line, env=environment, stdout=subprocess.PIPE, check=False, timeout=20, text=True
    )
    assert result.stdout == "0\n"


@pytest.mark.usefixtures("no_room_for_a_thread")
def test_an_exception_where_no_thread_can_be_started() -> None:
    """It is not lost, at whatever line it comes, though the caller would go on in another way."""
    tracing = sys.gettrace()
    lines = 0
    while True:
        interrupter = LineInterrupter(lines)
        sys.settrace(interrupter.trace)
        try:
            with pytest.raises((Interruption, NoThreadError)) as caught:
                call_in_thread(lambda: None, lambda: None)
        finally:
            sys.settrace(tracing)
        if not interrupter.has_raised:
            break
        assert caught.type is Interruption
        lines += 1
    assert caught.type is NoThreadError
    assert lines > 10


class LineInterrupter:
    """Raises Interruption when so many lines of threads.py have been run."""

    def __init__(self, lines: int) -> None:
        self.has_raised = False
        self._lines_left = lines

    def trace(self, frame: FrameType, event: str, _: object) -> Any:
        """Trace the functions of that file: sys.settrace()."""
        if frame.f_code.co_filename != threads.__file__:
            return None
        if event == "line" and not self.has_raised:
            self.has_raised = self._lines_left == 0
            if self.has_raised:
                raise Interruption
            self._lines_left -= 1
        return self.trace


def test_what_the_call_raises() -> None:
    with pytest.raises(Interruption):
        call_in_thread(_raise, lambda: None)


def _raise() -> None:
    raise Interruption


@pytest.mark.parametrize("refusal", [None, PermissionError, OSError])
def test_a_thread_stays_until_a_child_ends(
    refusal: type[OSError] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a filter refuses waitid(2); the status is left to others."""

    def refuse(*_: object) -> None:
        assert refusal
        raise refusal

    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        if refusal:
            monkeypatch.setattr("os.waitid", refuse)
        thread = threading.Thread(target=threads.stay_until_end, args=[child.pid])
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        child.communicate()
        assert child.returncode == 0
        thread.join(support.PATIENCE)
        assert not thread.is_alive()
    threads.stay_until_end(child.pid)  # which has ended, and is nobody's child any more
