"""Where a launch from Python is done: at a limit, at the end of Python, beside other threads."""

from __future__ import annotations

import ast
import asyncio
import concurrent.futures.thread  # noqa: F401  # what an ordinary user may not be able to read
import contextlib
import ctypes
import errno
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest.mock
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pyunshare
from pyunshare.api import caller, copies, intermediate, interpreter, job, threads
from pyunshare.api import popen as interface
from pyunshare.api.status import Reporter
from tests.helpers import support
from tests.helpers.machine import needs
from tests.test_api import MORE, NAMESPACES_ONLY, each_backend, is_by_thread, left_over, using, way

__all__ = ["way"]  # a fixture

pytestmark = needs("root", "child lists", "user namespaces")

BACKENDS = ["copy", "interpreter", "launcher"]
PR_SET_DUMPABLE = 4
MANY_FILES = 1024
ORDINARY = support.unused_id()
# Have launches in a Python of their own done by an interpreter, for it is too large to be copied
TOO_LARGE = "from pyunshare.api import caller; caller.MOST_PAGE_TABLES = -1\n"


@pytest.fixture(autouse=True)
def nothing_of_the_caller_changes() -> Iterator[None]:
    """No launch changes the calling process, or leaves a descriptor or a child."""
    with support.own_state_kept():
        yield


def python(lines: str, patience: float = 30) -> tuple[int, str, str]:
    """Run Python statements in a process of their own; return status, output and errors."""
    environment = {**os.environ, "PYTHONPATH": support.IMPORTABLE}
    line = [sys.executable, "-W", "error", "-c", lines]
    given: dict[str, Any] = {"capture_output": True, "text": True, "timeout": patience}
    result = subprocess.run(line, cwd="/", env=environment, check=False, **given)
    return result.returncode, result.stdout, result.stderr


# ---- which way ----------------------------------------------------------------------------------


@each_backend
def test_each_backend_is_used(way: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the other tests take for granted."""
    used: list[str] = []

    def spied(place: Any, name: str) -> None:
        original = getattr(place, name)

        def spy(*arguments: Any) -> Any:
            begin = arguments[2] if name == "_start_by_other" else original
            used.append(begin.__module__.rpartition(".")[2])
            return original(*arguments)

        monkeypatch.setattr(place, name, spy)

    spied(interface, "start_by_thread")
    spied(interface.Popen, "_start_by_other")
    pyunshare.run(["true"], **way)
    if is_by_thread(way):
        assert used == ["spawn"]
    elif interface.Popen._launcher:
        assert used == ["launcher"]
    elif caller.MOST_PAGE_TABLES < 0:
        assert used == ["interpreter"]
    else:
        assert used == ["copies"]


@pytest.mark.parametrize("backend", ["copy", "interpreter", "launcher"])
@pytest.mark.parametrize(
    ("given", "between"),
    [
        ({"map_root_user": True, "fork": True}, ()),
        ({"kill_child": True, "setuid": 0}, ()),
        ({"pid": True, "fork": True, "mount_proc": True}, ("interpreter", "launcher")),
        ({"map_root_user": True, "pid": True, "fork": True}, ("interpreter", "launcher")),
        ({"map_root_user": True, "pid": True, "kill_child": True}, tuple(BACKENDS)),
        ({"map_root_user": True, "pid": True, "fork": True, "cwd": "/usr"}, tuple(BACKENDS)),
    ],
    ids=str,
)
def test_no_process_is_in_between_that_is_not_needed(
    given: dict[str, Any],
    between: tuple[str, ...],
    backend: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with using(backend, monkeypatch), pyunshare.Popen(["sleep", "30"], **given) as process:
        is_between = backend in between
        if not is_between:
            support.wait_for_name(process.pid, "sleep")
        name = Path(f"/proc/{process.pid}/comm").read_text().strip()
        children = support.children(process.pid)
        process.kill()
    assert (name == "sleep", len(children)) == ((False, 1) if is_between else (True, 0))
    assert process.returncode == -signal.SIGKILL


AT_FORK = """
import os, pyunshare
for name in ("before", "after_in_parent", "after_in_child"):
    os.register_at_fork(**{{name: lambda name=name: os.write(1, name.encode())}})
for given in {given!r}:
    assert pyunshare.run(["true"], **given).returncode == 0
"""


def test_a_copy_calls_nothing_that_is_registered_for_fork() -> None:
    """As subprocess does not."""
    assert python(AT_FORK.format(given=[*MORE.values()])) == (0, "", "")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_the_kernel_copies_by_fork_only(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> int:
        raise OSError(number, "not there")

    monkeypatch.setattr(intermediate, "clone", refuse)
    monkeypatch.setattr(copies, "clone", refuse)
    with using("copy", monkeypatch):
        for given in MORE.values():
            line = ["sh", "-c", "exit 3"]
            assert pyunshare.run(line, **given).returncode == 3
            with pytest.raises(FileNotFoundError):
                pyunshare.run(["no-such-program"], **given)


GARBAGE = """
import gc, os, pyunshare
class Cycle:
    def __init__(self):
        self.me = self
    def __del__(self):
        if os.getpid() != pid:
            os.write(1, b"finalized")
pid = os.getpid()
for allocations in range(10, 400, 5):
    gc.set_threshold(100000)
    gc.collect()
    Cycle()
    gc.set_threshold(allocations)
    pyunshare.run(["true"], map_root_user=True, pid=True, kill_child=True)
print(gc.isenabled())
"""


def test_a_copy_collects_no_garbage() -> None:
    """Finalizers of the calling process are its own to call."""
    assert python(GARBAGE) == (0, "True\n", "")


def test_a_process_with_threads_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is one with threads that Python does not know of, which the kernel counts."""
    with using("copy", monkeypatch):
        assert caller.can_be_copied(caller.own_status())
        stop = threading.Event()
        thread = threading.Thread(target=stop.wait)
        thread.start()
        try:
            assert not caller.can_be_copied(caller.own_status())
        finally:
            stop.set()
            thread.join()
        monkeypatch.setattr(caller, "MOST_PAGE_TABLES", 1)
        assert not caller.can_be_copied(caller.own_status())


# ---- descriptors --------------------------------------------------------------------------------


@each_backend
def test_pass_fds_without_close_fds(way: dict[str, Any]) -> None:
    """Subprocess warns, and closes the others."""
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    line = ["sh", "-c", f"echo -n through >/proc/self/fd/{writer}; ls /proc/self/fd"]
    try:
        with pytest.warns(RuntimeWarning, match="pass_fds overriding close_fds"):
            result = pyunshare.run(
                line, close_fds=False, pass_fds=[writer], stdout=subprocess.PIPE, **way
            )
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
        os.close(writer)
    assert str(reader).encode() not in result.stdout.split()


@each_backend
def test_a_standard_descriptor_is_passed(way: dict[str, Any]) -> None:
    assert pyunshare.run(["true"], pass_fds=[1], **way).returncode == 0
    assert pyunshare.run(["true"], pass_fds=[0, 2], stdin=subprocess.DEVNULL, **way).returncode == 0


@each_backend
@pytest.mark.parametrize("more", [{"pass_fds": (99,)}, {"stdout": 99}, {"stdin": 99}], ids=str)
def test_a_descriptor_that_is_not_open(way: dict[str, Any], more: dict[str, Any]) -> None:
    with pytest.raises(OSError) as theirs:  # noqa: PT011
        subprocess.run(["true"], check=False, **more)
    with pytest.raises(OSError) as ours:  # noqa: PT011
        pyunshare.run(["true"], **more, **way)
    assert type(ours.value) is type(theirs.value) is OSError
    assert str(ours.value) == str(theirs.value) == "[Errno 9] Bad file descriptor"


@each_backend
def test_a_pipe_in_the_place_of_a_passed_descriptor(way: dict[str, Any]) -> None:
    result = pyunshare.run(
        ["sh", "-c", "cat; echo error >&2"],
        input=b"in",
        capture_output=True,
        pass_fds=[0, 1, 2],
        **way,
    )
    assert (result.stdout, result.stderr) == (b"in", b"error\n")


@each_backend
def test_what_can_be_looked_at_only_once(
    way: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEPT", "this")
    with open("/dev/null") as file:
        result = pyunshare.run(
            ["/bin/sh", "-c", f"test -e /proc/self/fd/{file.fileno()} && echo $KEPT"],
            pass_fds=iter([file.fileno()]),
            whitelist_env=(name for name in ["KEPT"]),
            stdout=subprocess.PIPE,
            **way,
        )
    assert result.stdout == b"this\n"


def refusal(
    run: Callable[..., Any], options: dict[str, Any]
) -> tuple[type[Exception], str | None] | None:
    """Return the exception that starting a program with ``options`` raises, and its filename."""
    try:
        run(["true"], **options)
    except (OSError, OverflowError, TypeError, ValueError) as error:
        return type(error), getattr(error, "filename", None)
    return None


@each_backend
@pytest.mark.parametrize(
    "more",
    [
        {"pass_fds": [-1]},
        {"pass_fds": [1 << 31]},
        {"pass_fds": [1 << 70]},
        {"pass_fds": None},
        {"cwd": 0},
        {"cwd": False},
        {"cwd": bytearray(b"/")},
        {"cwd": "/\0"},
        {"cwd": ""},
        {"cwd": b"/no/such"},
        {"cwd": Path("/no/such")},
        {"cwd": "/" + 5000 * "x"},
        {"umask": "0"},
        {"umask": 1.0},
        {"umask": None},
        {"umask": 1 << 40},
        {"process_group": "0"},
        {"process_group": 1.0},
        {"process_group": 1 << 40},
        {"extra_groups": [1] * ((1 << 16) + 1)},
    ],
    ids=lambda more: str(more)[:40],
)
def test_arguments_that_cannot_be_are_refused_as_by_subprocess(
    way: dict[str, Any], more: dict[str, Any]
) -> None:
    if "process_group" in more and sys.version_info < (3, 11):
        pytest.skip("newer")
    theirs = refusal(subprocess.run, more)
    if theirs is None:
        # 3.12.1 keeps the lower half of such a process group
        pytest.skip("this Python's subprocess takes it")
    assert refusal(pyunshare.run, {**way, **more}) == theirs


@each_backend
def test_a_variable_without_a_name(way: dict[str, Any]) -> None:
    result = pyunshare.run(
        ["env"], env={"": "x", "PATH": support.STANDARD_PATH}, stdout=subprocess.PIPE, **way
    )
    assert result.stdout.decode() == f"=x\nPATH={support.STANDARD_PATH}\n"


@each_backend
def test_another_try_has_the_null_device_as_well(way: dict[str, Any], tmp_path: Path) -> None:
    """The first files cannot be executed; nor does a Launcher do it that has ended."""
    for name, content in {"one": "", "two": "echo out; echo wrong >&2; read x || exit 3"}.items():
        program = tmp_path / name / "program"
        program.parent.mkdir()
        program.write_text(content)
    program.chmod(0o755)
    if interface.Popen._launcher:
        assert interface.Popen._launcher._process
        interface.Popen._launcher._process.kill()
    path = f"{tmp_path}/one:{tmp_path}/two:{support.STANDARD_PATH}"
    null = subprocess.DEVNULL
    for _ in range(3):
        result = pyunshare.run(
            ["program"],
            env={"PATH": path},
            stdin=null,
            stdout=subprocess.PIPE,
            stderr=null,
            **way,
        )
        assert (result.returncode, result.stdout) == (3, b"out\n")


AUDITED = """
import sys, pyunshare
from pyunshare.api import caller
def refuse(event, arguments):
    if is_on and event == "subprocess.Popen" and arguments[1][0] == "echo":
        seen.append([str(arguments[1]), arguments[2], arguments[3]])
        raise RuntimeError("no echo")
seen, is_on = [], True
sys.addaudithook(refuse)
for caller.MOST_PAGE_TABLES in (1 << 40, -1):
    for given in {given!r}:
        try:
            pyunshare.run(["echo", "x"], cwd="/usr", env={{"PATH": "/bin"}}, **given)
        except RuntimeError as error:
            assert str(error) == "no echo"
        else:
            print("not refused:", given)
assert len(seen) == 2 * len({given!r}), seen
assert all(each[0] == "['echo', 'x']" and each[2] == {{b"PATH": b"/bin"}} for each in seen), seen
"""


def test_an_audit_hook_is_told_of_the_program() -> None:
    """As by subprocess, and can refuse it."""
    given = [*NAMESPACES_ONLY.values(), *MORE.values()]
    assert python(AUDITED.format(given=given)) == (0, "", "")


@each_backend
def test_a_program_without_a_name(way: dict[str, Any]) -> None:
    with pytest.raises(pyunshare.LaunchError) as caught:
        pyunshare.run([""], **way)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, "")


@each_backend
def test_an_empty_argument_0(way: dict[str, Any]) -> None:
    """Python has execve(2) pass none; a child that subprocess starts may have it."""
    refused = pytest.raises(ValueError, match="argument 0 must not be empty")
    with contextlib.nullcontext() if is_by_thread(way) else refused:
        assert pyunshare.run([""], executable="/bin/true", **way).returncode == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_number_above_the_limit_of_descriptors(backend: str) -> None:
    """A new process cannot have it, and says so, though its socket was in the way of others."""

    def action() -> str:
        caller.MOST_PAGE_TABLES = sys.maxsize if backend == "copy" else -1
        run = pyunshare.Launcher().run if backend == "launcher" else pyunshare.run
        os.dup2(os.open("/dev/null", os.O_WRONLY), 200)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))
        return str(run(["true"], pass_fds=[200], map_root_user=True).returncode)

    told = support.in_a_child(action)
    assert told == ("0" if backend == "copy" else "OSError: [Errno 9] Bad file descriptor")


@each_backend
def test_many_descriptors(way: dict[str, Any]) -> None:
    """More than go with one record; some at the numbers that others come at."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < MANY_FILES:
        pytest.skip(f"there can be no more than {most} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit, MANY_FILES), most))
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(300)]
    try:
        line = ["sh", "-c", "ls /proc/self/fd | wc -l"]
        result = pyunshare.run(line, pass_fds=files, stdout=subprocess.PIPE, **way)
        assert int(result.stdout) == len(files) + 4
    finally:
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))


def test_files_come_to_any_place() -> None:
    """At each other's places, at standard ones, several times, with the channel in the way."""
    generator = random.Random(0)

    def action() -> str:
        for number in job_files:
            os.dup2(os.memfd_create(str(number)), number, inheritable=False)
        for fd in caller.open_files():
            if fd not in (*job_files, told):
                os.closerange(fd, fd + 1)
        given = {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in job_files}
        where = intermediate.placement(files, targets, [*job_files], channel)
        reporter = Reporter(channel)
        intermediate._place_files(where, targets, reporter)
        expected = {target: given[file] for file, target in zip(files, targets)}
        expected[reporter.fd] = given[channel]
        found = {
            fd: os.readlink(f"/proc/self/fd/{fd}")
            for fd in caller.open_files()
            if fd != told and os.path.islink(f"/proc/self/fd/{fd}")
        }
        inheritable = {fd for fd in found if os.get_inheritable(fd)}
        return "right" if (found, inheritable) == (expected, {*targets}) else f"{found} {expected}"

    for _ in range(150):
        job_files = generator.sample(range(9), generator.randint(2, 9))
        channel, told = job_files[0], 40
        files = [generator.choice(job_files[1:]) for _ in range(generator.randint(0, 6))]
        targets = generator.sample(range(9), len(files))
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.dup2(writer, told)
            try:
                os.write(told, action().encode())
            except BaseException as error:
                os.write(told, repr(error).encode())
            os._exit(0)
        os.close(writer)
        os.waitpid(pid, 0)
        assert os.read(reader, 1000) == b"right", (files, targets, channel)
        os.close(reader)


@each_backend
def test_long_arguments_and_environment(way: dict[str, Any]) -> None:
    """More than a socket holds."""
    env = {f"N{number}": "x" * 1000 for number in range(400)}
    words = ["y" * 100_000 for _ in range(5)]
    result = pyunshare.run(
        ["/bin/sh", "-c", 'echo "$*" | wc -c; /usr/bin/env | wc -c', *words],
        env=env,
        stdout=subprocess.PIPE,
        **way,
    )
    assert [int(number) > 400_000 for number in result.stdout.split()] == [True, True]


@each_backend
def test_the_sockets_of_a_launch_are_nobody_elses(way: dict[str, Any]) -> None:
    """Another thread starts a child, which lives on, at each moment of a launch."""
    stop = threading.Event()
    others: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        while not stop.is_set():
            others.append(subprocess.Popen(["sleep", "30"], close_fds=False))

    thread = threading.Thread(target=start)
    thread.start()
    try:
        start_time = time.monotonic()
        for _ in range(3):
            pyunshare.run(["true"], close_fds=False, **way)
        assert time.monotonic() - start_time < 20
    finally:
        stop.set()
        thread.join()
        for other in others:
            other.kill()
            other.wait()


# ---- subprocess as others have it ---------------------------------------------------------------


def test_in_the_place_of_subprocess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", pyunshare.Popen)
    for backend in BACKENDS:
        with using(backend, monkeypatch):
            assert subprocess.run(["true"], check=False).returncode == 0
            for given in (*NAMESPACES_ONLY.values(), *MORE.values()):
                assert pyunshare.run(["true"], **given).returncode == 0


def test_subprocess_is_mocked(monkeypatch: pytest.MonkeyPatch) -> None:
    for backend in BACKENDS:
        with using(backend, monkeypatch), unittest.mock.patch("subprocess.Popen") as mock:
            for given in (*NAMESPACES_ONLY.values(), *MORE.values()):
                assert pyunshare.run(["true"], **given).returncode == 0
            assert not mock.mock_calls


LOADED_WHERE_IT_IS_MOCKED = """
import subprocess, unittest.mock, pyunshare
original = subprocess.Popen
with unittest.mock.patch("subprocess.Popen") as mock:
    for given in {given!r}:
        assert pyunshare.run(["true"], **given).returncode == 0
        assert not mock.mock_calls
assert issubclass(pyunshare.Popen, original)
"""

LOADED_BY_WHAT_IS_IN_ITS_PLACE = """
import gc, subprocess, pyunshare
class Replacement:
    def __call__(self, *args, **keywords):
        return pyunshare.Popen(*args, **keywords, **given)
subprocess.Popen = Replacement()  # nobody has the original any more
gc.collect()
for given in {given!r}:
    assert subprocess.run(["true"]).returncode == 0
try:
    subprocess.run(["sleep", "60"], timeout=0.2)
except subprocess.TimeoutExpired:
    print("expired")
"""


@pytest.mark.parametrize("start", ["", TOO_LARGE], ids=["copy", "interpreter"])
def test_the_interface_is_loaded_where_subprocess_is_replaced(start: str) -> None:
    given = [*NAMESPACES_ONLY.values(), *MORE.values()]
    assert python(start + LOADED_WHERE_IT_IS_MOCKED.format(given=given)) == (0, "", "")
    lines = start + LOADED_BY_WHAT_IS_IN_ITS_PLACE.format(given=given)
    assert python(lines) == (0, "expired\n", "")


def test_bufsize_by_position() -> None:
    with pyunshare.Popen(["cat"], 0, stdin=subprocess.PIPE, uts=True) as process:
        assert process.stdin is not None
        process.stdin.write(b"")
    with pytest.raises(TypeError, match="multiple values for argument 'bufsize'"):
        pyunshare.Popen(["cat"], 0, bufsize=0)


@each_backend
def test_a_misspelt_keyword_is_a_type_error(way: dict[str, Any]) -> None:
    """Also where the launch itself would fail."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'map_rootuser'"):
        pyunshare.run(["no-such-program"], map_rootuser=True, root="/none", **way)


# ---- threads ------------------------------------------------------------------------------------

THREAD_IS_GONE = """
import os, pyunshare
pyunshare.run(["true"], uts=True)
for _ in range(60):
    pyunshare.run(["true"], uts=True)
    assert len(os.listdir("/proc/self/task")) == 1
    try:
        pyunshare.run(["no-such-program"], uts=True)
    except FileNotFoundError:
        pass
    assert len(os.listdir("/proc/self/task")) == 1
pyunshare.unshare(user=True)
"""


def test_a_launch_leaves_no_thread_behind() -> None:
    assert python(THREAD_IS_GONE) == (0, "", "")


KEEPER_IS_GONE = (
    TOO_LARGE
    + """
import os, pyunshare, threading
stop = threading.Event()
threading.Thread(target=stop.wait).start()
for _ in range(5):
    pyunshare.run(["true"], kill_child=True)
    assert len(os.listdir("/proc/self/task")) == 2
    with pyunshare.Popen(["true"], kill_child=True) as process:
        pass
    assert len(os.listdir("/proc/self/task")) == 2
    with pyunshare.Launcher() as launcher:
        assert len(os.listdir("/proc/self/task")) == 3
        launcher.run(["true"], kill_child=True)
        launcher.run(["true"], user=True)
    assert len(os.listdir("/proc/self/task")) <= 3
stop.set()
"""
)


MODULES_ARE_GONE = """
import warnings, pyunshare
warnings.simplefilter("ignore")  # it is still running
from pyunshare.api import launcher
kept = pyunshare.Launcher()
launcher.os = None
del kept
"""


def test_a_launcher_that_is_left_to_the_end_of_python() -> None:
    """A free-threaded one takes modules away before what they have made."""
    assert python(MODULES_ARE_GONE) == (0, "", "")


def test_a_thread_that_stays_goes_with_the_program() -> None:
    assert python(KEEPER_IS_GONE) == (0, "", "")


def test_unshare_after_threads_have_been_joined() -> None:
    """The kernel sees them end later than Python."""

    def action() -> str:
        for _ in range(8):
            thread = threading.Thread(target=lambda: None)
            thread.start()
            thread.join()
        pyunshare.unshare(user=True)
        return "done"

    assert {support.in_a_child(action) for _ in range(20)} == {"done"}


def test_unshare_waits_for_no_thread_that_stays() -> None:
    def action() -> None:
        stop = threading.Event()
        threading.Thread(target=stop.wait, daemon=True).start()
        start = time.monotonic()
        with contextlib.suppress(pyunshare.LaunchError):
            pyunshare.unshare(user=True)
        assert time.monotonic() - start < 0.9

    assert support.in_a_child(action) == "None"


def test_waiting_for_a_thread_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "PATIENCE", 0.05)
    threads.wait_for_thread(os.getpid())


def test_nobody_tells_whether_a_thread_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter refuses getpriority(2): the launch has been done all the same."""

    def refused(*_: object) -> None:
        raise OSError(errno.ENOSYS, "")

    monkeypatch.setattr(os, "getpriority", refused)
    assert pyunshare.run(["true"], uts=True).returncode == 0


@each_backend
def test_launches_of_a_thread(way: dict[str, Any]) -> None:
    """Another one than the main thread, in which no signal handlers run."""
    results: list[int] = []
    thread = threading.Thread(
        target=lambda: results.append(pyunshare.run(["sh", "-c", "exit 7"], **way).returncode)
    )
    thread.start()
    thread.join()
    assert results == [7]


FORK_WHILE_LOADING = """
import importlib.abc, os, signal, sys, threading, time, warnings
import pyunshare
warnings.simplefilter("ignore")

loading = threading.Event()

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "pyunshare.api.popen":
            loading.set()
            time.sleep(0.3)

sys.meta_path.insert(0, Slow())
thread = threading.Thread(target=lambda: pyunshare.run)
thread.start()
loading.wait()
pid = os.fork()
if pid == 0:
    signal.alarm(10)
    pyunshare.run(["true"], uts=True)
    os._exit(0)
thread.join()
print(os.waitpid(pid, 0)[1])
"""


def test_a_fork_while_another_thread_loads_the_interface() -> None:
    assert python(FORK_WHILE_LOADING) == (0, "0\n", "")


# ---- the end of Python --------------------------------------------------------------------------

AT_EXIT = """
import atexit, threading, time, pyunshare
pyunshare.run(["true"], uts=True)
def launch(name):
    for given in {given!r}:
        print(name, pyunshare.run(["true"], **given).returncode, flush=True)
def outlive():
    threading.main_thread().join()
    time.sleep(0.2)
    launch("thread")
atexit.register(launch, "exit")
threading.Thread(target=outlive).start()
"""


@pytest.mark.parametrize("start", ["", TOO_LARGE], ids=["copy", "interpreter"])
def test_launches_at_the_end_of_python(start: str) -> None:
    given = [*NAMESPACES_ONLY.values(), *MORE.values()]
    status, output, errors = python(start + AT_EXIT.format(given=given))
    assert (status, errors) == (0, "")
    expected = [f"{name} 0" for name in ("thread", "exit") for _ in given]
    assert sorted(output.splitlines()) == sorted(expected)


AT_THE_VERY_END = """
import os, pyunshare
class Last:
    def __del__(self, run=pyunshare.run, write=os.write):
        try:
            run(["true"], uts=True)
        except Exception:
            pass
        write(1, b"end")
pyunshare.run(["true"], uts=True)
last = Last()
"""


def test_a_launch_at_the_very_end_of_python() -> None:
    """When modules go, CPython before 3.12 starts threads that do not come to run."""
    assert python(AT_THE_VERY_END)[:2] == (0, "end")


SUBINTERPRETER = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
script = '''
import pyunshare
for given in {given!r}:
    assert pyunshare.run(["true"], **given).returncode == 0
'''
one = interpreters.create()
failed = interpreters.run_string(one, script)
assert not failed, failed
interpreters.destroy(one)  # which CPython 3.15 warns of otherwise
print("done")
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="subinterpreters are not isolated")
def test_launches_of_an_isolated_subinterpreter() -> None:
    """Where neither ctypes nor fork(2) can be had."""
    given = [*NAMESPACES_ONLY.values(), *MORE.values(), {"mount": True}]
    assert python(SUBINTERPRETER.format(given=given)) == (0, "done\n", "")


@pytest.mark.parametrize("become", ["setuid", "seteuid"])
@pytest.mark.parametrize("more", [{}, {"close_fds": False}, {"umask": -1}], ids=str)
def test_from_a_directory_that_cannot_be_entered(
    become: str, more: dict[str, Any], tmp_path: Path
) -> None:
    """It need not be, and posix_spawn(3), which leaves signals ignored, is not used either."""
    line = ["sh", "-c", "umask; grep SigIgn /proc/self/status"]
    tmp_path.chmod(0o700)

    def action() -> str:
        os.chdir(tmp_path)
        os.umask(0o027)
        as_ordinary_user(getattr(os, become))
        return str(
            [
                run(line, stdout=subprocess.PIPE, **more).stdout
                for run in (subprocess.run, pyunshare.run)
            ]
        )

    result = support.in_a_child(action)
    assert "0027" in result
    theirs, ours = ast.literal_eval(result)
    assert ours == theirs


# ---- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o700, 0o755], ids=oct)
@pytest.mark.parametrize(
    "more", [{}, {"user": True}, {"map_root_user": True}, {"wd": "/"}], ids=str
)
def test_room_for_one_more_process(
    more: dict[str, Any], mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread and a process at once would be two, wherever they are."""
    tmp_path.chmod(mode)

    def action() -> str:
        os.chdir(tmp_path)
        pyunshare.run(["true"])
        as_ordinary_user()
        resource.setrlimit(resource.RLIMIT_NPROC, (2, 2))
        assert subprocess.run(["true"], check=False).returncode == 0
        return str(pyunshare.run(["true"], **more).returncode)

    with using("copy", monkeypatch):
        assert support.in_a_child(action) == "0"


def test_no_room_for_any_process() -> None:
    """It is said as subprocess says it."""

    def action() -> str:
        pyunshare.run(["true"])
        as_ordinary_user()
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        for more in ({}, {"user": True}):
            with contextlib.suppress(BlockingIOError):
                pyunshare.run(["true"], **more)
                return "started"
        return "refused"

    assert support.in_a_child(action) == "refused"


# How many processes a launch takes, by a copy and by an interpreter
PROCESSES: list[tuple[dict[str, Any], int, int]] = [
    ({"uts": True}, 1, 1),
    ({"pid": True, "fork": True}, 1, 2),
    ({"map_root_user": True}, 1, 1),
    ({"map_root_user": True, "fork": True}, 1, 1),
    ({"map_root_user": True, "pid": True, "fork": True}, 1, 2),
    ({"map_root_user": True, "pid": True, "kill_child": True}, 2, 2),
    ({"kill_child": True}, 1, 1),
]


@pytest.mark.parametrize("backend", ["copy", "interpreter"])
@pytest.mark.parametrize("room", [0, 1])
def test_the_reason_at_a_limit_of_processes(
    room: int, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is EAGAIN, whichever cannot be made: the thread, the child of it, a copy or its child."""

    def action() -> str:
        as_ordinary_user()
        pyunshare.unshare(map_root_user=True)
        pyunshare.run(["true"], uts=True)
        resource.setrlimit(resource.RLIMIT_NPROC, (1 + room, 1 + room))
        reasons = []
        for given, _, _ in PROCESSES:
            try:
                pyunshare.run(["true"], **given)
            except BlockingIOError as error:
                reasons.append(error.errno)
            else:
                reasons.append(0)
        assert not left_over()
        return str(reasons)

    with_an_interpreter_for_all(monkeypatch)
    taken = [copies if backend == "copy" else others for _, copies, others in PROCESSES]
    expected = [errno.EAGAIN if each > room else 0 for each in taken]
    with using(backend, monkeypatch):
        assert support.in_a_child(action) == str(expected)


# ---- time ---------------------------------------------------------------------------------------

SLOW_TOOL = "#!/bin/sh\necho $$ >>{pids}\nsleep 30 &\necho $! >>{pids}\nwait\n"


@pytest.fixture
def slow_tool(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A newuidmap that takes long, for users other than root, and the file with its processes."""
    directory = support.new_directory()
    directory.chmod(0o755)
    pids = directory / "pids"
    pids.touch()
    pids.chmod(0o666)
    tool = directory / "newuidmap"
    tool.write_text(SLOW_TOOL.format(pids=pids))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    with_an_interpreter_for_all(monkeypatch)
    return pids


def with_an_interpreter_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have launches take an interpreter, and a copy of the package, that all users may read."""
    monkeypatch.setattr(interpreter, "_PACKAGE", str(support.copied_package() / "pyunshare"))
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")


def as_ordinary_user(become: Callable[[int], None] = os.setuid) -> None:
    """Give up all rights, for good if not by another call."""
    for name in pyunshare.__all__:  # loaded before, from where he may not be able to read
        getattr(pyunshare, name)
    os.setgroups([])
    os.setgid(ORDINARY)
    become(ORDINARY)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # else files in /proc are still root's


def wait_for_pids(pids: Path) -> list[int]:
    """The processes of the slow tool, when there are all."""
    support.wait_for(lambda: len(pids.read_text().split()) >= 2, "the tool")
    return [int(pid) for pid in pids.read_text().split()]


def by_timeout() -> None:
    """End a launch by a timeout."""
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        pyunshare.run(["true"], map_users="0:1000:1", timeout=1)
    assert (caught.value.cmd, caught.value.timeout) == (["true"], 1)


def by_interrupt() -> None:
    """End a launch by Ctrl-C."""
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 1)
    with pytest.raises(KeyboardInterrupt):
        pyunshare.run(["true"], map_users="0:1000:1")


def by_cancellation() -> None:
    """End a launch from asyncio."""
    wrong: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
        start = pyunshare.create_subprocess_exec("true", map_users="0:1000:1")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(start, 1)

    asyncio.run(main())
    assert not wrong


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("end", [by_timeout, by_interrupt, by_cancellation])
def test_a_launch_that_takes_long_is_ended(
    end: Any, backend: str, slow_tool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def action() -> str:
        as_ordinary_user()
        with using(backend, monkeypatch):
            start = time.monotonic()
            end()
            assert time.monotonic() - start < 8
            assert not left_over()
            pids = wait_for_pids(slow_tool)
            support.wait_for(lambda: not any(map(support.exists, pids[:1])), "the tool's end")
            return "ended"

    try:
        assert support.in_a_child(action, 40) == "ended"
    finally:
        for pid in map(int, slow_tool.read_text().split()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


# ---- another version ----------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["interpreter", "launcher"])
def test_pyunshare_has_been_upgraded(
    backend: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with using(backend, monkeypatch):
        monkeypatch.setattr(job, "__version__", "0.0.1")
        for given in MORE.values():
            with pytest.raises(pyunshare.LaunchError, match="has taken the place of pyunshare 0"):
                pyunshare.run(["true"], **given)
    assert capfd.readouterr() == ("", "")


def test_pyunshare_has_been_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(interpreter, "_PACKAGE", str(tmp_path / "none"))
    with using("interpreter", monkeypatch):
        with pytest.raises(pyunshare.LaunchError, match="removed or replaced, start this process"):
            pyunshare.run(["true"], user=True)
        with pytest.raises(pyunshare.LaunchError, match="the Launcher did not begin"):
            pyunshare.Launcher()
    assert capfd.readouterr() == ("", "")


# ---- no /proc -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["run", "unshare", "Launcher"])
def test_without_proc(name: str) -> None:
    """What needs it says so as any launch; what does not works."""

    def action() -> str:
        pyunshare.run(["true"], user=True)
        pyunshare.unshare(mount=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", "/proc"], check=True)
        if name == "Launcher":
            pyunshare.Launcher()
        elif name == "run":
            assert pyunshare.run(["true"], user=True).returncode == 0
            pyunshare.run(["true"], map_root_user=True)
        else:
            pyunshare.unshare(map_root_user=True)
        return "done"

    expected = "LaunchFileNotFoundError: "
    assert support.in_a_child(action).startswith(expected)


# ---- a Launcher ---------------------------------------------------------------------------------


def test_a_launcher_in_a_forked_child() -> None:
    """It is of no use there, but does no harm; nor does its end in the child to the parent."""
    with pyunshare.Launcher() as launcher:

        def action() -> str:
            status = launcher.run(["sh", "-c", "exit 3"], map_root_user=True).returncode
            launcher.close()
            return str(status)

        assert support.in_a_child(action) == "3"
        assert launcher._process is not None
        parent = launcher.run(["sh", "-c", "echo $PPID"], user=True, stdout=subprocess.PIPE).stdout
        assert int(parent) == os.getpid()
        assert launcher._process.poll() is None


def test_a_launcher_ends_though_a_forked_child_has_its_socket() -> None:
    launcher = pyunshare.Launcher()
    pid = os.fork()
    if pid == 0:
        time.sleep(30)
        os._exit(0)
    try:
        launcher.close()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


LAUNCHER_OF_A_KILLED_PROCESS = """
import os, sys, time, threading, pyunshare
launchers = []
thread = threading.Thread(target=lambda: launchers.append(pyunshare.Launcher()))
thread.start(); thread.join()
launchers.append(pyunshare.Launcher())
for launcher in launchers:
    launcher.Popen(["sleep", "1000"], pid=True, kill_child=True)
    launcher.Popen(["sleep", "1000"], map_root_user=True, kill_child="TERM")
pid = os.fork()
if pid == 0:
    time.sleep(20)
    os._exit(0)
time.sleep(0.3)
print("started", pid, flush=True)
time.sleep(60)
"""


def test_a_launcher_ends_with_its_process() -> None:
    """And so do the programs that are to, though a forked child has all sockets."""
    caller = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER_OF_A_KILLED_PROCESS],
        stdout=subprocess.PIPE,
        cwd="/",
        env={**os.environ, "PYTHONPATH": support.IMPORTABLE, "PYTHONWARNINGS": "ignore"},
    )
    assert caller.stdout is not None
    with caller:
        told = caller.stdout.readline()
        running = support.descendants(caller.pid)
        forked = int(told.split()[1])
        # Of two interpreters each, with a copy that waits, two programs and one between
        assert len(running) == 11
        caller.kill()
        caller.stdout.close()
    running.remove(forked)
    try:
        support.wait_for(lambda: not any(map(support.exists, running)), "the end of all")
    finally:
        os.kill(forked, signal.SIGKILL)


def test_programs_outlive_a_launcher() -> None:
    with pyunshare.Launcher() as launcher:
        one = launcher.Popen(["sleep", "30"], user=True)
        other = launcher.Popen(["sleep", "30"], kill_child=True)
    time.sleep(0.2)
    for process in (one, other):
        assert process.poll() is None
        process.kill()
        assert process.wait() == -signal.SIGKILL


def test_a_launcher_closed_by_another_thread_loses_no_status() -> None:
    """A program that is just being started is not taken for the copy that nobody needs."""
    for _ in range(20):
        launcher = pyunshare.Launcher()
        statuses = []

        def run(launcher: pyunshare.Launcher = launcher, statuses: list[int] = statuses) -> None:
            statuses.append(launcher.run(["sh", "-c", "exit 3"], user=True).returncode)

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(random.random() / 50)
        launcher.close()
        for thread in threads:
            thread.join()
        assert statuses == [3] * 4


def test_a_launcher_whose_waiting_copy_is_killed_leaves_none() -> None:
    """Launches go on without it."""
    with pyunshare.Launcher() as launcher:
        assert launcher._process is not None
        support.wait_for(lambda: len(support.left_over_children()) == 2, "the copy")
        for pid in support.left_over_children():
            if pid != launcher._process.pid:
                os.kill(pid, signal.SIGKILL)
        assert launcher.run(["sh", "-c", "exit 3"], user=True).returncode == 3
    assert support.children(os.getpid()) == []


def test_a_launcher_that_is_gone() -> None:
    """Launches go on without it."""
    with pyunshare.Launcher() as launcher:
        assert launcher._process is not None
        launcher._process.kill()
        assert launcher.run(["true"], user=True).returncode == 0
    assert launcher.run(["true"], user=True).returncode == 0


CHANGES = {
    "umask": (lambda: os.umask(0o27), "umask", "0027"),
    "directory": (lambda: os.chdir("/usr"), "pwd", "/usr"),
    "group": (lambda: os.setgroups([5, 7]), "id -G", "0 5 7"),
    "uts": (lambda: pyunshare.unshare(uts=True), "readlink /proc/self/ns/uts", None),
    "time": (lambda: pyunshare.unshare(time=True), "readlink /proc/self/ns/time", None),
    "limit": (lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)), "ulimit -c", "0"),
    "nice": (lambda: os.nice(3), "nice", None),
    "group-of-processes": (lambda: os.setpgid(0, 0), "ps -o pgid= -p $$", None),
    "environment": (lambda: os.environ.update(NEW="yes"), "echo $NEW", "yes"),
    "ignored": (
        lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        "grep SigIgn /proc/self/status",
        None,
    ),
    "blocked": (
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]),
        "grep SigBlk /proc/self/status",
        None,
    ),
    "root": (lambda: os.chroot("/"), "pwd", None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_after_the_start_of_a_launcher(name: str) -> None:
    """A program has it all as from subprocess."""
    change, script, expected = CHANGES[name]

    def action() -> str:
        with pyunshare.Launcher() as launcher:
            change()
            given: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True}
            theirs = subprocess.run(["sh", "-c", script], check=False, **given).stdout
            ours = launcher.run(["sh", "-c", script], mount_proc="/mnt", **given).stdout
        return f"{ours == theirs} {ours.strip() if expected else ''}"

    assert support.in_a_child(action) == f"True {expected or ''}"


def test_the_kernel_has_no_clone3() -> None:
    """Nor does it copy the one that serves, which then says so."""

    def action() -> str:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control, served = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            control.close()
            ours.close()
            intermediate.clone = refuse
            intermediate._serve(served)
        served.close()
        control.recv(100)
        socket.send_fds(control, [b"x"], [theirs.fileno()])
        theirs.close()
        record = ours.recv(100)
        control.close()
        os.wait()
        return record.decode()

    def refuse(*_: int) -> int:
        raise OSError(errno.ENOSYS, "not there")

    assert support.in_a_child(action) == "U"


# ---- preexec_fn ---------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{"uts": True}, *MORE.values()], ids=str)
def test_a_preexec_fn_that_closes_all_files(given: dict[str, Any]) -> None:
    """The socket of the launch is among them, and perhaps another file is in its place then."""
    with tempfile.NamedTemporaryFile() as file:

        def close_all() -> None:
            os.closerange(3, 256)
            for _ in range(20):
                os.open(file.name, os.O_RDWR)

        result = pyunshare.run(["echo", "x"], preexec_fn=close_all, stdout=subprocess.PIPE, **given)
        assert result.stdout == b"x\n"
        assert file.read() == b""


@pytest.mark.parametrize("status", [3, -signal.SIGKILL])
def test_a_preexec_fn_that_ends_the_child(status: int) -> None:
    def end() -> None:
        if status < 0:
            os.kill(os.getpid(), -status)
        os._exit(status)

    assert pyunshare.run(["true"], preexec_fn=end, uts=True).returncode == status


def test_a_preexec_fn_and_what_execve_cannot_pass() -> None:
    with pytest.raises(ValueError, match="embedded null byte"):
        pyunshare.run(["echo", "\0"], preexec_fn=os.getpid, uts=True)
