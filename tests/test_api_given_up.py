"""Launches from Python that something holds up: stopped processes, pipes that nobody writes to."""

from __future__ import annotations

import array
import asyncio
import contextlib
import fcntl
import math
import os
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyunshare
from pyunshare.api import launcher as launchers
from pyunshare.api import processes
from pyunshare.lines import read_lines, waits
from tests.helpers import support
from tests.helpers.machine import needs
from tests.test_api import each_backend, left_over, using, way

__all__ = ["way"]  # a fixture

pytestmark = needs("root", "child lists", "user namespaces")

BACKENDS = ["copy", "interpreter", "launcher"]
HELD_UP = 60  # seconds: longer than any test waits


@pytest.fixture(autouse=True)
def nothing_of_the_caller_changes() -> Iterator[None]:
    """No launch changes the calling process, or leaves a descriptor or a child."""
    with support.own_state_kept():
        yield


def run_with_alarm(handler: Any, **given: Any) -> None:
    """Run a program that takes long, and have a signal handler called in the meantime."""
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        pyunshare.run(["sleep", "60"], **given)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def by_timeout(**given: Any) -> None:
    """Give a launch up by a timeout."""
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        pyunshare.run(["sleep", "60"], timeout=0.3, **given)
    assert (caught.value.cmd, caught.value.timeout) == (["sleep", "60"], 0.3)


def by_interrupt(**given: Any) -> None:
    """Give a launch up by Ctrl-C."""
    with pytest.raises(KeyboardInterrupt):
        run_with_alarm(signal.default_int_handler, **given)


def by_os_error(**given: Any) -> None:
    """Give a launch up by an exception that many handlers raise, and that is an OSError."""

    def expire(*_: object) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        run_with_alarm(expire, **given)


def by_cancellation(**given: Any) -> None:
    """Give a launch up from asyncio."""

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(pyunshare.create_subprocess_exec("sleep", "60", **given), 0.3)

    asyncio.run(main())


each_end = pytest.mark.parametrize("end", [by_timeout, by_interrupt, by_os_error, by_cancellation])


# ---- timeouts -----------------------------------------------------------------------------------


@each_backend
@pytest.mark.parametrize("timeout", [math.inf, 1e300, 1 << 70], ids=str)
def test_a_timeout_that_never_comes(timeout: float, way: dict[str, Any]) -> None:
    assert subprocess.run(["true"], timeout=timeout, check=False).returncode == 0
    assert pyunshare.run(["true"], timeout=timeout, **way).returncode == 0


@each_backend
def test_the_timeout_is_told_as_it_was_given(way: dict[str, Any]) -> None:
    line = ["sleep", "60"]
    for timeout in (0.2, 0, -1):
        with pytest.raises(subprocess.TimeoutExpired) as caught:
            pyunshare.run(line, timeout=timeout, **way)
        error = caught.value
        assert (error.cmd, error.timeout, error.args) == (line, timeout, (line, timeout))


@each_backend
def test_a_timeout_that_a_signal_handler_raises_is_left_alone(way: dict[str, Any]) -> None:
    """It is about another program."""

    def expire(*_: object) -> None:
        raise subprocess.TimeoutExpired("other", 5)

    with pytest.raises(subprocess.TimeoutExpired) as caught:
        run_with_alarm(expire, timeout=50, **way)
    assert caught.value.cmd == "other"  # some versions of subprocess change its timeout


@each_backend
def test_what_a_launch_leaves_to_this_process_is_reaped(way: dict[str, Any]) -> None:
    """As to process 1 of a container; this one has asked for orphans."""

    def zombies() -> list[int]:
        return [pid for pid in support.children(os.getpid()) if support.state(pid) == "Z"]

    for index in range(8):
        with contextlib.suppress(subprocess.TimeoutExpired):
            pyunshare.run(["sleep", "60"], timeout=0.003 * index, **way)
    assert zombies() == []


@pytest.mark.parametrize("times", [1, 2, sys.maxsize])
@pytest.mark.parametrize("call", ["_wait_until_stopped", "children", "_state"])
def test_an_exception_while_processes_are_killed(
    call: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None stays stopped; and none runs on, if it is one exception and no more."""
    original = getattr(processes, call)
    left = times

    def interrupted(pid: int) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            raise RecursionError
        return original(pid)

    line = ["sh", "-c", "sh -c 'sleep 60 & wait' & wait"]
    with subprocess.Popen(line) as process:
        support.wait_for(lambda: "sleep" in names(process.pid), "the program")
        tree = [process.pid, *support.descendants(process.pid)]
        monkeypatch.setattr(processes, call, interrupted)
        killed: list[int] = []
        with pytest.raises(RecursionError):
            processes.kill_tree(process.pid, killed)
    assert process.returncode == -signal.SIGKILL
    unwanted = "TRSD" if times == 1 else "T"
    try:
        for pid in tree[1:]:
            support.wait_for(lambda pid=pid: support.state(pid) not in unwanted, "its end")
    finally:
        for pid in tree[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


# ---- stopped processes --------------------------------------------------------------------------


def stopped(process: pyunshare.Popen, program: str) -> None:
    """Stop a process that was started, and all that belong to it."""
    support.wait_for(lambda: program in names(process.pid), "the program")
    os.killpg(process.pid, signal.SIGSTOP)
    support.wait_for(lambda: support.state(process.pid) == "T", "the stop")


def names(pid: int) -> list[str]:
    """What a process and those that come from it execute."""
    found = []
    for each in (pid, *support.descendants(pid)):
        with contextlib.suppress(OSError):
            found.append(Path(f"/proc/{each}/comm").read_text().strip())
    return found


@each_backend
def test_a_stopped_program_is_killed(way: dict[str, Any]) -> None:
    with pyunshare.Popen(["sleep", "60"], start_new_session=True, **way) as process:
        stopped(process, "sleep")
        process.kill()
        assert process.wait(30) == -signal.SIGKILL


@each_backend
def test_a_stopped_program_is_continued(way: dict[str, Any]) -> None:
    line = ["sh", "-c", "read line; exit 3"]
    pipe = subprocess.PIPE
    with pyunshare.Popen(line, stdin=pipe, start_new_session=True, **way) as process:
        stopped(process, "sh")
        process.send_signal(signal.SIGCONT)
        process.communicate(b"x\n", timeout=30)
        assert process.returncode == 3


@each_backend
def test_a_timeout_of_a_stopped_program(way: dict[str, Any]) -> None:
    def stop() -> None:
        support.wait_for(lambda: "sleep" in names(os.getpid()), "the program")
        for pid in support.descendants(os.getpid()):
            if os.getpgid(pid) != os.getpgrp():
                os.kill(pid, signal.SIGSTOP)

    stopping = threading.Thread(target=stop)
    stopping.start()
    with pytest.raises(subprocess.TimeoutExpired):
        pyunshare.run(["sleep", "60"], timeout=1, start_new_session=True, **way)
    stopping.join()
    assert not left_over()


def stop_after_one_more(launcher: pyunshare.Launcher) -> None:
    """Stop the process that makes copies of itself, and have the last one do a launch."""
    assert launcher._process
    support.wait_for(lambda: len(support.left_over_children()) == 2, "the copy")
    os.kill(launcher._process.pid, signal.SIGSTOP)
    assert launcher.run(["true"], user=True).returncode == 0


@pytest.mark.parametrize("threads", [0, 1])
@each_end
def test_a_stopped_launcher(end: Any, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch through it can be given up, and others go on."""
    ended = threading.Event()
    for _ in range(threads):
        threading.Thread(target=ended.wait).start()
    try:
        with using("launcher", monkeypatch):
            launcher = pyunshare.Popen._launcher
            assert launcher and launcher._process
            stop_after_one_more(launcher)
            monkeypatch.setattr(launchers, "BEGINNING", 0.1)
            end(user=True)
            launcher._process.send_signal(signal.SIGCONT)  # if it came to no launch
            assert pyunshare.run(["sh", "-c", "exit 3"], user=True).returncode == 3
    finally:
        ended.set()
    assert not support.left_over_children()


def test_a_stopped_launcher_is_closed() -> None:
    with pyunshare.Launcher() as launcher:
        assert launcher._process
        os.kill(launcher._process.pid, signal.SIGSTOP)
    assert launcher._process.returncode == 0
    assert support.children(os.getpid()) == []


def test_a_launcher_whose_waiting_copy_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds nothing up, neither a launch nor the end."""
    monkeypatch.setattr(launchers, "BEGINNING", 0.1)
    monkeypatch.setattr(launchers, "PATIENCE", 0.3)
    launcher = pyunshare.Launcher()
    assert launcher._process
    process = launcher._process.pid
    support.wait_for(lambda: len(support.left_over_children()) == 2, "the copy")
    (copy,) = (pid for pid in support.left_over_children() if pid != process)
    os.kill(copy, signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        launcher.run(["true"], user=True, timeout=0.3)
    launcher.close()
    os.kill(copy, signal.SIGKILL)
    os.waitpid(copy, 0)
    assert support.children(os.getpid()) == []


@each_end
def test_an_interpreter_that_reads_nothing(
    end: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A long job does not go into its socket."""
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with using("interpreter", monkeypatch):
        end(user=True, env={f"LONG{index}": "x" * 100000 for index in range(20)})
    support.wait_for(lambda: not left_over(), "the end of all")


@each_end
def test_a_launcher_that_does_not_keep_up(end: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no more room in its socket."""
    with using("launcher", monkeypatch):
        launcher = pyunshare.Popen._launcher
        assert launcher and launcher._process
        stop_after_one_more(launcher)
        with contextlib.suppress(BlockingIOError):
            while True:
                launcher._control.send(b"x" * 1000, socket.MSG_DONTWAIT)
        end(user=True)
        launcher._process.kill()


# ---- pipes that nobody writes to ----------------------------------------------------------------


def with_fifos() -> list[Path]:
    """Have FIFOs in the place of the files with subordinate ids, in namespaces of our own."""
    pyunshare.unshare(mount=True)
    fifos = []
    for path in map(Path, ("/etc/subuid", "/etc/subgid")):
        fifo = support.new_directory() / "fifo"
        os.mkfifo(fifo, 0o666)
        path.touch()
        subprocess.run(["mount", "--bind", fifo, path], check=True)
        fifos.append(fifo)
    return fifos


@pytest.mark.parametrize("backend", BACKENDS)
@each_end
def test_subordinate_ids_that_nobody_writes(
    end: Any, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def action() -> str:
        with_fifos()
        with using(backend, monkeypatch):
            end(map_auto=True)
            assert not left_over()
        return "given up"

    assert support.in_a_child(action, HELD_UP) == "given up"


def test_subordinate_ids_that_are_written_late() -> None:
    """They are read to the end, in pieces, as the command reads them."""

    def write(fifo: Path) -> None:
        with open(fifo, "wb", buffering=0) as file:
            for piece in (b"other:1:2\nro", b"ot:10", b"00:6", b"55\n"):
                file.write(piece)
                support.wait_for(lambda: not bytes_in(file), "the reader")

    def bytes_in(pipe: Any) -> int:
        left = array.array("i", [0])
        fcntl.ioctl(pipe, termios.FIONREAD, left)
        return left[0]

    def action() -> str:
        fifos = with_fifos()
        for fifo in fifos:
            if os.fork() == 0:
                write(fifo)
                os._exit(0)
        line = ["cat", "/proc/self/uid_map", "/proc/self/gid_map"]
        with using("copy", pytest.MonkeyPatch()):
            maps = pyunshare.run(line, map_auto=True, stdout=subprocess.PIPE).stdout
        os.wait()
        os.wait()
        return " ".join(maps.decode().split())

    assert support.in_a_child(action, HELD_UP) == "0 1000 655 0 1000 655"


def test_waiting_for_lines_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal handler may start a program while another one's plan is made."""
    me = threading.get_ident()
    outer = lambda fd: None  # noqa: E731
    waits[me] = outer
    try:
        assert pyunshare.run(["true"], uts=True).returncode == 0
        assert waits[me] is outer
    finally:
        del waits[me]
    assert pyunshare.run(["true"], uts=True).returncode == 0
    assert me not in waits


def test_lines_that_another_reader_takes() -> None:
    """A wait that was for nothing begins anew; without one there is an end."""
    reader, writer = os.pipe()
    path = f"/proc/self/fd/{reader}"
    waited = []

    def wait(fd: int) -> None:
        waited.append(fd)
        if len(waited) == 2:
            os.write(writer, b"a\nb")
            os.close(writer)
        elif len(waited) > 2:
            select.select([fd], [], [])

    try:
        assert list(read_lines(path, os.O_NONBLOCK)) == []
        waits[threading.get_ident()] = wait
        assert list(read_lines(path)) == [b"a", b"b"]
    finally:
        waits.pop(threading.get_ident(), None)
        os.close(reader)


# ---- threads of a loop --------------------------------------------------------------------------


@each_backend
def test_asyncio_where_all_threads_of_the_loop_are_taken(way: dict[str, Any]) -> None:
    """They may wait for the very program that is to be started."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        written = threading.Event()
        taken = [loop.run_in_executor(None, written.wait) for _ in range(40)]
        try:
            start = pyunshare.create_subprocess_exec("sh", "-c", "exit 3", **way)
            process = await asyncio.wait_for(start, HELD_UP / 2)
            assert await process.wait() == 3
        finally:
            written.set()
            await asyncio.wait(taken)

    asyncio.run(main())


def test_asyncio_where_the_loop_starts_no_more_threads() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().shutdown_default_executor()
        process = await pyunshare.create_subprocess_exec("sh", "-c", "exit 3", uts=True)
        assert await process.wait() == 3

    asyncio.run(main())


@pytest.mark.parametrize("steps", [1, 2])
def test_asyncio_given_up_where_nobody_awaits_it(steps: int) -> None:
    """The coroutine is closed, which can wait for nothing: neither the start nor the pipes."""
    loop = asyncio.new_event_loop()

    async def main() -> None:
        start = pyunshare.create_subprocess_exec("sleep", "60", uts=True)
        awaited: Any = start.send(None)
        for _ in range(steps - 1):
            while not awaited.done():
                await asyncio.sleep(0.01)
            awaited = start.send(None)
        start.close()

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    support.wait_for(lambda: not left_over(), "the end of all")
