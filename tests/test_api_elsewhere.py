"""The Python interface as it would be on other machines, and at moments that are hard to hit."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import posix
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, NoReturn

import pytest

import pyunshare
from pyunshare.api import (
    caller,
    copies,
    inprocess,
    intermediate,
    interpreter,
    processes,
    spawn,
    threads,
)
from pyunshare.api import launcher as launchers
from pyunshare.api import popen as interface
from pyunshare.api.job import is_sent, records_of
from pyunshare.api.status import EXECUTING, REFUSED, STARTED, Reporter, fields_of, make_channel
from pyunshare.errors import Failure
from tests.helpers import support
from tests.helpers.machine import needs
from tests.test_api import using

pytestmark = needs("root", "child lists", "user namespaces")

NOBODY = (1 << 31) - 1  # no process has an id as high as that


@pytest.fixture(autouse=True)
def nothing_of_the_caller_changes() -> Iterator[None]:
    """No launch changes the calling process, or leaves a descriptor or a child."""
    with support.own_state_kept():
        yield


def refusing(number: int) -> Callable[..., NoReturn]:
    """Return a call that fails."""

    def refuse(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return refuse


# ---- the calling process ------------------------------------------------------------------------


def test_open_files_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "listdir", refusing(errno.ENOENT))
    assert {0, 1, 2} <= {*caller.open_files()}


def test_the_environment_without_ctypes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caller._c_environ.cache_clear()
    monkeypatch.setitem(sys.modules, "ctypes", None)
    try:
        assert caller.environment_entries() is None
    finally:
        caller._c_environ.cache_clear()


def test_the_loader_gets_the_absolute_directories_that_it_may_search() -> None:
    """Those of the start; what is set later is meant for programs."""
    lines = (
        "import os; from pyunshare.api import interpreter; "
        "os.environ['LD_LIBRARY_PATH'] = '/later'; print(interpreter._environment())"
    )
    shown = [
        subprocess.run(
            [sys.executable, "-c", lines],
            cwd="/",
            env={"PYTHONPATH": support.IMPORTABLE, **given},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for given in ({}, {"LD_LIBRARY_PATH": "/nonexistent/a:b;/nonexistent/c"})
    ]
    expected = {b"LD_LIBRARY_PATH": b"/nonexistent/a:/nonexistent/c"}
    assert shown == ["{}\n", f"{expected}\n"]


def test_no_python_is_found_in_what_cannot_be_read(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for path in (empty, tmp_path / "none", tmp_path):
        assert not interpreter._is_python(str(path))


# ---- ways that cannot be gone -------------------------------------------------------------------


def test_a_copy_that_python_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a subinterpreter, which may not fork."""

    def refuse(*_: object) -> NoReturn:
        raise RuntimeError("fork not supported for isolated subinterpreters")

    monkeypatch.setattr(copies, "copy_process", refuse)
    with using("copy", monkeypatch):
        assert pyunshare.run(["sh", "-c", "exit 3"], map_root_user=True).returncode == 3
        assert gc.isenabled()


def test_a_copy_of_what_could_not_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ctypes there is fork(2) only."""

    def refuse() -> NoReturn:
        raise ImportError("No module named '_ctypes'")

    monkeypatch.setattr(intermediate, "_is_loaded", False)
    monkeypatch.setattr(intermediate, "load_c_library", refuse)
    intermediate.load_all()
    assert not intermediate._is_loaded
    with using("copy", monkeypatch):
        given: dict[str, Any] = {"kill_child": True, "extra_groups": [5, 7], "group": 9}
        result = pyunshare.run(["id", "-G"], stdout=subprocess.PIPE, **given)
    assert result.stdout == b"9 5 7\n"


def test_a_copy_where_no_garbage_is_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    with using("copy", monkeypatch):
        gc.disable()
        try:
            assert pyunshare.run(["true"], map_root_user=True).returncode == 0
            assert not gc.isenabled()
        finally:
            gc.enable()


def test_a_launcher_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "")
        with pytest.raises(pyunshare.LaunchError, match="there is no Python interpreter"):
            pyunshare.Launcher()
    monkeypatch.setattr(launchers, "receive", lambda *_: b"")
    with pytest.raises(pyunshare.LaunchError, match="the Launcher did not begin"):
        pyunshare.Launcher()


def test_a_launcher_where_proc_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Launches go on without it, which cannot be compared with this process any more."""
    with pyunshare.Launcher() as launcher:
        monkeypatch.setattr(launchers, "_own_state", refusing(errno.ENOENT))
        script = ["sh", "-c", "echo $PPID"]
        given: dict[str, Any] = {"user": True, "stdout": subprocess.PIPE}
        assert int(launcher.run(script, **given).stdout) == os.getpid()


def test_a_call_where_no_thread_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise threads.NoThreadError

    made: list[str] = []
    monkeypatch.setattr(threads, "count_threads", lambda: 2)
    monkeypatch.setattr(threads, "call_in_thread", refuse)
    assert threads.call_uninterrupted(lambda: made.append("call"), lambda: None) is None
    assert made == ["call"]


@pytest.mark.parametrize(
    ("option", "number", "told"),
    [
        ({"pid": True, "fork": True}, errno.ENOMEM, errno.EAGAIN),
        ({"uts": True}, errno.ENOMEM, errno.ENOMEM),
        ({"pid": True, "fork": True}, errno.EAGAIN, errno.EAGAIN),
    ],
)
def test_the_reason_why_there_is_no_child(
    option: dict[str, Any], number: int, told: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a new PID namespace a second try hides the first reason."""
    monkeypatch.setattr(spawn, "start_child", refusing(number))
    if told == errno.EAGAIN:  # a limit of processes: another way may take fewer
        assert pyunshare.run(["true"], **option).returncode == 0
    else:
        with pytest.raises(OSError, match=os.strerror(told)) as caught:
            pyunshare.run(["true"], **option)
        assert (caught.value.errno, caught.value.filename) == (told, None)


# ---- how launches end ---------------------------------------------------------------------------


def test_a_launch_that_has_ended_without_a_word() -> None:
    assert f"{sys.executable} ended with status 3" in interface._ended_early(b"", 3)
    assert interface._ended_early(STARTED, -9) == "the launch was killed by signal 9"
    assert interface._ended_early(EXECUTING, 3) == "the launch ended with status 3"


def test_a_launch_that_has_not_begun() -> None:
    """There is nothing to read yet, and nothing to kill."""
    ours, theirs = make_channel()
    with contextlib.closing(ours), contextlib.closing(theirs):
        process = interface.Popen.__new__(interface.Popen)
        assert process._read_status(ours, b"") == (None, b"")
        process._child_created = False
        process._kill()


def test_a_launch_that_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """All who have its socket are gone, and so is who would tell of that."""
    monkeypatch.setattr(intermediate, "_set_up", lambda _: os.kill(os.getpid(), 9))
    said = "the launch was killed by signal 9"
    with using("copy", monkeypatch), pytest.raises(pyunshare.LaunchError, match=said):
        pyunshare.run(["true"], map_root_user=True)


def test_a_caller_that_cannot_be_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program, which waits to be released, is not."""
    monkeypatch.setattr(intermediate, "set_parent_death_signal", refusing(errno.EPERM))
    said = "Operation not permitted"
    with using("copy", monkeypatch), pytest.raises(pyunshare.LaunchError, match=said):
        pyunshare.run(["true"], pid=True, kill_child=True)


def test_a_process_whose_caller_has_gone_ends() -> None:
    pid = os.fork()
    if pid == 0:
        intermediate._die_with(NOBODY, 0)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


def test_a_signal_for_a_program_that_has_ended() -> None:
    with interface.Popen(["true"], pid=True, fork=True, kill_child=True) as process:
        process.wait()
        process.send_signal(15)
        assert process.returncode == 0


def test_a_program_that_cannot_be_killed() -> None:
    """Its parent is killed in its place."""
    with interface.Popen(["sleep", "60"], pid=True, user=True, kill_child=True) as process:
        assert process._program is not None
        process._program = NOBODY
        assert not process._kill_program()
        process._kill()
        assert process.wait() == -9


def test_an_exception_while_a_run_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is ended all the same."""
    given_kill = interface.Popen._kill
    calls: list[int] = []

    def interrupted(process: interface.Popen) -> None:
        calls.append(process.pid)
        if len(calls) == 1:
            raise KeyboardInterrupt
        given_kill(process)

    monkeypatch.setattr(interface.Popen, "_kill", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pyunshare.run(["sleep", "60"], uts=True, timeout=0.1)
    assert not support.exists(calls[0])


def test_processes_that_have_ended_are_no_matter() -> None:
    assert processes.children(NOBODY) == []
    assert processes._state(NOBODY) == "X"
    processes.kill_tree(NOBODY, [])


# ---- the intermediate process -------------------------------------------------------------------


def test_a_working_directory_that_is_refused() -> None:
    """It is told as what was given for the program, as subprocess would."""
    ours, theirs = make_channel()
    with contextlib.closing(ours), contextlib.closing(theirs), open("/dev/null") as file:
        ours.send(b"")

        def do() -> str:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(intermediate, "_receive_job", lambda *_: {"directory": True})
                status = intermediate._receive_and_do(
                    Reporter(theirs.fileno()), b"", [file.fileno()]
                )
            return str(status)

        assert support.in_a_child(do) == "1"
        assert ours.recv(100)[:1] == STARTED
        record = ours.recv(100)
        assert record[:1] == REFUSED
        assert fields_of(record) == [str(errno.ENOTDIR), None]


def test_a_caller_that_ends_while_it_sends_a_job() -> None:
    ours, theirs = make_channel()
    with contextlib.closing(ours), contextlib.closing(theirs):
        pid = os.fork()
        if pid == 0:
            ours.close()
            intermediate._receive_job(theirs.fileno(), b"", [])
            os._exit(9)
        first, *others = records_of({"argv": ["x" * (1 << 20)]}, [], [])
        assert others
        assert is_sent(ours, *first)
        ours.shutdown(socket.SHUT_RDWR)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


def test_no_room_for_the_files_of_a_job() -> None:
    """Some of them would be missing."""
    ours, theirs = make_channel()
    with contextlib.closing(ours), contextlib.closing(theirs):

        def receive() -> str:
            resource.setrlimit(resource.RLIMIT_NOFILE, (theirs.fileno() + 2,) * 2)
            return str(intermediate._receive_part(theirs))

        socket.send_fds(ours, [b"x"], [0] * 3)
        told = support.in_a_child(receive)
        assert told == f"OSError: {OSError(errno.EMFILE, os.strerror(errno.EMFILE))}"


def test_a_waiting_copy_whose_caller_has_gone_does_nothing() -> None:
    ours, theirs = make_channel()
    with contextlib.closing(ours), contextlib.closing(theirs):
        assert support.in_a_child(lambda: intermediate._serve_once(theirs, -1, NOBODY)) == "0"
        ours.shutdown(socket.SHUT_RDWR)
        serve = lambda: intermediate._serve_once(theirs, -1, os.getppid())  # noqa: E731
        assert support.in_a_child(serve) == "0"


def test_a_process_of_a_launcher_that_nobody_listens_to_ends() -> None:
    """And so does the copy that waits in vain."""

    def action() -> str:
        control, served = make_channel()
        if os.fork() == 0:
            control.close()
            intermediate._serve(served)
        served.close()
        control.recv(100)
        support.wait_for(lambda: len(support.children(os.getpid())) == 2, "the copy")
        control.close()
        return str({os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(2)})

    assert support.in_a_child(action) == "{0}"


def test_a_variable_without_a_name_is_no_variable() -> None:
    """It is one of the entries that only the C library can have."""

    def action() -> str:
        intermediate._set_environment({b"": b"x", b"A": b"1"})
        return str((dict(posix.environ), os.system("test $A = 1")))

    assert support.in_a_child(action) == str(({b"": b"x", b"A": b"1"}, 0))


# ---- failures of helpers ------------------------------------------------------------------------


def test_a_failure_that_another_program_has_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise Failure("newuidmap failed", status=3, step="helper", reported=True)

    monkeypatch.setattr(inprocess, "enter", fail)
    with pytest.raises(pyunshare.LaunchError) as caught:
        pyunshare.unshare(uts=True)
    assert str(caught.value) == "writing the id maps failed with status 3"
    assert caught.value.step == "helper"
