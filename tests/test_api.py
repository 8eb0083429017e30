"""The Python interface: keywords, what subprocess has, errors, and what ends a launch."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import ctypes
import errno
import gc
import io
import os
import pickle
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

import pyunshare
from pyunshare.api import aio as asynchronous
from pyunshare.api import caller, hint, interpreter, job, spawn
from pyunshare.api import kwargs as keywords
from pyunshare.api import popen as interface
from pyunshare.api.exceptions import launch_error
from pyunshare.options.option import OPTIONS
from tests.helpers import support
from tests.helpers.machine import needs

pytestmark = needs("root", "child lists")

# What is asked for, and what does it: a thread, a copy of this process, another interpreter
NAMESPACES_ONLY: dict[str, dict[str, Any]] = {
    "": {"uts": True},
    "-fork": {"pid": True, "fork": True},
}
MORE: dict[str, dict[str, Any]] = {
    "": {"map_root_user": True},
    "-fork": {"map_root_user": True, "fork": True},
    "-pid": {"map_root_user": True, "pid": True, "fork": True, "mount_proc": True},
    "-kill-child": {"kill_child": True},
}
BACKENDS: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"thread{name}": ("thread", given) for name, given in NAMESPACES_ONLY.items()},
    **{
        f"{backend}{name}": (backend, given)
        for backend in ("copy", "interpreter", "launcher")
        for name, given in MORE.items()
    },
}
each_backend = pytest.mark.parametrize("way", BACKENDS, indirect=True)


@pytest.fixture
def way(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """Keywords for a launch, which is done by one backend as far as that can do it."""
    backend, given = BACKENDS[request.param]
    with using(backend, monkeypatch):
        yield {**given}


@contextlib.contextmanager
def using(backend: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have launches done by one backend as far as that can do them."""
    largest = {"copy": 1 << 40, "thread": 1 << 40}.get(backend, -1)
    monkeypatch.setattr(caller, "MOST_PAGE_TABLES", largest)
    with contextlib.ExitStack() as stack:
        if backend == "launcher":
            launcher = stack.enter_context(pyunshare.Launcher())
            monkeypatch.setattr(interface.Popen, "_launcher", launcher)
        yield


def left_over() -> list[int]:
    """Children that are still running, but for a Launcher and its copy that waits for a launch."""
    children = support.left_over_children()
    launcher = interface.Popen._launcher
    if not launcher or launcher._owner != os.getpid():
        return children
    assert launcher._process
    kept = {launcher._process.pid, *copies_of(launcher._process.pid, children)[:1]}
    return [pid for pid in children if pid not in kept]


def copies_of(process: int, among: list[int]) -> list[int]:
    """Which of these processes run the same program with the same arguments as another one."""

    def arguments(pid: int) -> bytes:
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes()
        return b""

    return [pid for pid in among if pid != process and arguments(pid) == arguments(process)]


def is_by_thread(way: dict[str, Any]) -> bool:
    """Whether a thread does such a launch."""
    return way in NAMESPACES_ONLY.values()


TRUE = "/bin/true"


@pytest.fixture(autouse=True)
def nothing_of_the_caller_changes() -> Iterator[None]:
    """No launch changes the calling process, or leaves a descriptor or a child."""
    with support.own_state_kept():
        yield


# ---- keywords -----------------------------------------------------------------------------------

WORDS: list[tuple[dict[str, Any], list[str]]] = [
    ({"pid": True, "fork": False, "uts": None}, ["--pid"]),
    ({"net": "/run/ns/x"}, ["--net=/run/ns/x"]),
    ({"net": Path("/run/ns/x"), "uts": b"/\xff"}, ["--net=/run/ns/x", "--uts=/\udcff"]),
    ({"map_users": [(0, 100000, 65536)]}, ["--map-users=0:100000:65536"]),
    ({"map_users": (0, 100000, 65536)}, ["--map-users=0:100000:65536"]),
    ({"map_users": ["auto", (1, 2, 3)]}, ["--map-users=auto", "--map-users=1:2:3"]),
    ({"map_groups": "subids"}, ["--map-groups=subids"]),
    ({"map_user": "root", "map_group": 5}, ["--map-user=root", "--map-group=5"]),
    ({"kill_child": True}, ["--kill-child"]),
    ({"kill_child": "term"}, ["--kill-child=term"]),
    ({"kill_child": signal.SIGTERM}, ["--kill-child=TERM"]),
    ({"kill_child": 36}, [f"--kill-child=RTMIN+{36 - signal.SIGRTMIN}"]),
    ({"owner": (1, 2)}, ["--owner=1:2"]),
    ({"owner": "1:2"}, ["--owner=1:2"]),
    ({"setuid": 0, "setgid": 5}, ["--setuid=0", "--setgid=5"]),
    ({"monotonic": 86400, "boottime": -5}, ["--monotonic=86400", "--boottime=-5"]),
    ({"whitelist_env": ["A", "B"]}, ["--whitelist-env=A", "--whitelist-env=B"]),
    ({"whitelist_env": "A,B"}, ["--whitelist-env=A,B"]),
    ({"whitelist_env": []}, ["--whitelist-env="]),
    ({"map_root_user": True, "map_user": 3}, ["--map-root-user", "--map-user=3"]),
    ({"map_user": 3, "map_root_user": True}, ["--map-user=3", "--map-root-user"]),
    ({"propagation": "slave", "wd": "."}, ["--propagation=slave", "--wd=."]),
]


@pytest.mark.parametrize(("given", "words"), WORDS, ids=lambda each: str(each))
def test_keywords_stand_for_words(given: dict[str, Any], words: list[str]) -> None:
    assert keywords.as_argv(keywords.given_options(given)) == words


def test_every_option_has_a_keyword() -> None:
    names = {option.name.replace("-", "_") for option in OPTIONS} - {"help", "version"}
    assert set(keywords.KEYWORDS) == names


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"fork": 1}, TypeError, "fork is True or False, not int"),
    ({"fork": "yes"}, TypeError, "fork is True or False, not str"),
    ({"setuid": True}, TypeError, "setuid needs a value"),
    ({"setuid": "0"}, TypeError, "setuid is an integer, not str"),
    ({"setuid": 1.5}, TypeError, "setuid is an integer, not float"),
    ({"setuid": -1}, ValueError, "failed to parse uid: '-1'"),
    ({"setuid": 1 << 32}, ValueError, os.strerror(errno.ERANGE)),
    ({"setgid": 1 << 90}, ValueError, os.strerror(errno.ERANGE)),
    ({"user": 1000}, TypeError, "user is a path, not int; to run as another user, use setuid"),
    ({"net": 5}, TypeError, "net is a path, not int"),
    ({"net": "a\0b"}, ValueError, "net: embedded null byte"),
    ({"root": "/\ud800"}, UnicodeEncodeError, "surrogates not allowed"),
    ({"uts": "/\ud800"}, UnicodeEncodeError, "surrogates not allowed"),
    ({"whitelist_env": ["\ud800"]}, UnicodeEncodeError, "surrogates not allowed"),
    ({"whitelist_env": ["A\0"]}, ValueError, "whitelist_env: embedded null byte"),
    ({"whitelist_env": 5}, TypeError, "whitelist_env is a list of names, not int"),
    ({"whitelist_env": [5]}, TypeError, "whitelist_env is a string, not int"),
    ({"map_users": [(0, 1)]}, ValueError, "a range is inner, outer, count, not (0, 1)"),
    ({"map_users": 5}, TypeError, "map_users is a range or several, not int"),
    ({"map_users": [(0, -1, 1)]}, ValueError, "invalid mapping '0:-1:1'"),
    ({"map_users": [(0, "1", 1)]}, TypeError, "map_users is an integer, not str"),
    ({"map_users": "x"}, ValueError, "invalid mapping 'x'"),
    ({"map_user": "no-such-user"}, ValueError, "failed to parse uid 'no-such-user'"),
    ({"map_user": 1.0}, TypeError, "map_user is an integer, not float"),
    ({"owner": 5}, TypeError, "owner is a pair of ids, not int"),
    ({"owner": (1, 2, 3)}, ValueError, ""),
    ({"owner": (-1, 0)}, ValueError, "failed to parse owner"),
    ({"propagation": "x"}, ValueError, "unsupported propagation mode: x"),
    ({"propagation": 5}, TypeError, "propagation is a string, not int"),
    ({"setgroups": "x"}, ValueError, "unsupported --setgroups argument 'x'"),
    ({"kill_child": "x"}, ValueError, "unknown signal: x"),
    ({"kill_child": 0}, ValueError, "unknown signal: 0"),
    ({"kill_child": 1.0}, TypeError, "kill_child is an integer, not float"),
    ({"monotonic": 1}, ValueError, "require unsharing of a time namespace"),
    ({"map_root_user": True, "setgroups": "allow"}, ValueError, "mutually exclusive"),
    ({"no_such_keyword": True}, TypeError, "no_such_keyword"),
]


@pytest.mark.parametrize("user", [{}, {"user": True}], ids=["thread", "launcher"])
@pytest.mark.parametrize(("given", "kind", "text"), WRONG, ids=lambda each: str(each))
def test_what_could_never_work(
    given: dict[str, Any], kind: type[Exception], text: str, user: dict[str, Any]
) -> None:
    with pytest.raises(kind) as caught:
        pyunshare.run(["/bin/true"], **{**user, **given})
    assert text in str(caught.value)


# ---- arguments ----------------------------------------------------------------------------------


@each_backend
@pytest.mark.parametrize(
    ("args", "more", "like"),
    [
        ([], {}, None),
        ((), {}, None),
        (["echo", "a\0b"], {}, ValueError),
        ("a\0b", {}, ValueError),
        (["echo", 5], {}, TypeError),
        (5, {}, TypeError),
        (None, {}, TypeError),
        ("no-such-program", {}, FileNotFoundError),
        (["/etc/passwd"], {}, PermissionError),
        (["/"], {}, PermissionError),
        (["/etc/passwd/x"], {}, NotADirectoryError),
        (["true"], {"cwd": "/no/such/directory"}, FileNotFoundError),
        (["true"], {"cwd": "/etc/passwd"}, NotADirectoryError),
        (["true"], {"env": {"A=B": "C"}}, ValueError),
        (["true"], {"env": {"PATH": "/none"}}, FileNotFoundError),
        (["true"], {"stdin": "x"}, AttributeError),
        (["true"], {"stdout": io.StringIO()}, io.UnsupportedOperation),
        (["true"], {"executable": "/no/such/program"}, FileNotFoundError),
        (["true"], {"no_such_keyword": 1}, TypeError),
        (Path("true"), {"shell": True}, TypeError),
        (["true"], {"input": b"x", "stdin": subprocess.PIPE}, ValueError),
        (["true"], {"capture_output": True, "stdout": subprocess.PIPE}, ValueError),
        (["true", "x" * (1 << 18)], {}, OSError),
    ],
    ids=str,
)
def test_bad_arguments_raise_what_subprocess_does(
    args: Any, more: dict[str, Any], like: type[Exception] | None, way: dict[str, Any]
) -> None:
    if like is not None:
        with pytest.raises(like):
            subprocess.run(args, check=False, **more)
    with pytest.raises(like or ValueError):
        pyunshare.run(args, **{**way, **more})


@each_backend
def test_arguments_of_subprocess_fail_as_there(way: dict[str, Any]) -> None:
    for more, kind in [
        ({"cwd": "/no/such/directory"}, FileNotFoundError),
        ({"cwd": "/etc/passwd"}, NotADirectoryError),
        ({"group": 1 << 64}, OverflowError),
        ({"extra_groups": [1 << 64]}, ValueError),
        ({"process_group": 1}, PermissionError),
    ]:
        if "process_group" in more and (sys.version_info < (3, 11) or "pid" in way):
            continue
        with pytest.raises(kind) as theirs:
            subprocess.run(["true"], check=False, **more)
        with pytest.raises(kind) as ours:
            pyunshare.run(["true"], **more, **way)
        assert type(ours.value) is kind
        assert str(ours.value) == str(theirs.value)
        assert getattr(ours.value, "filename", None) == getattr(theirs.value, "filename", None)


@each_backend
def test_a_missing_program_says_which(way: dict[str, Any]) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        pyunshare.run(["no-such-program"], **way)
    error = caught.value
    assert isinstance(error, pyunshare.LaunchError)
    assert (error.errno, error.filename, error.step) == (2, "no-such-program", "execve")
    assert str(error) == "failed to execute no-such-program: No such file or directory"


# ---- what subprocess has ------------------------------------------------------------------------


@each_backend
def test_pipes_and_text(way: dict[str, Any]) -> None:
    result = pyunshare.run(
        ["sh", "-c", "cat; echo wrong >&2; exit 3"],
        input="äöü\n",
        capture_output=True,
        encoding="utf-8",
        **way,
    )
    assert (result.returncode, result.stdout, result.stderr) == (3, "äöü\n", "wrong\n")
    assert result.args == ["sh", "-c", "cat; echo wrong >&2; exit 3"]


@each_backend
def test_popen_is_a_context_manager_that_communicates(way: dict[str, Any]) -> None:
    pipe = subprocess.PIPE
    with pyunshare.Popen(["cat"], stdin=pipe, stdout=pipe, **way) as process:
        assert isinstance(process, subprocess.Popen)
        assert process.poll() is None
        assert process.communicate(b"x" * 300000, timeout=20) == (b"x" * 300000, None)
    assert process.returncode == 0


@each_backend
def test_check(way: dict[str, Any]) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        pyunshare.run(["sh", "-c", "echo out; exit 7"], check=True, stdout=subprocess.PIPE, **way)
    assert (caught.value.returncode, caught.value.stdout) == (7, b"out\n")
    with pytest.raises(subprocess.CalledProcessError) as theirs:
        subprocess.run(caught.value.cmd, check=True, stdout=subprocess.PIPE)
    assert caught.value.args == theirs.value.args
    assert vars(caught.value) == vars(theirs.value)


@each_backend
def test_directory_environment_and_descriptors(way: dict[str, Any]) -> None:
    reader, writer = os.pipe()
    try:
        result = pyunshare.run(
            "pwd; echo $A; umask; ls /proc/self/fd | wc -l\n"
            f"echo -n through >/proc/self/fd/{writer}",
            shell=True,
            cwd="/usr",
            env={"A": "b c", "PATH": os.environ["PATH"]},
            pass_fds=[writer],
            umask=0o27,
            stdout=subprocess.PIPE,
            text=True,
            **way,
        )
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
        os.close(writer)
    assert result.stdout == "/usr\nb c\n0027\n5\n"


@each_backend
def test_a_relative_program_is_looked_for_in_cwd(way: dict[str, Any], tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo it is $0\n")
    script.chmod(0o755)
    result = pyunshare.run(["./script"], cwd=tmp_path, stdout=subprocess.PIPE, text=True, **way)
    assert result.stdout == "it is ./script\n"


@each_backend
def test_a_file_that_cannot_be_executed_is_passed_over(way: dict[str, Any], tmp_path: Path) -> None:
    """In a PID namespace each attempt is its process 1, and takes it along."""
    for name, text, mode in (("a", "", 0o644), ("b", "", 0o644), ("c", "echo found\n", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "program").write_text(text)
        (tmp_path / name / "program").chmod(mode)
    env = {"PATH": ":".join(str(tmp_path / name) for name in ("none", "a", "b", "c"))}
    assert pyunshare.run(["program"], env=env, stdout=subprocess.PIPE, **way).stdout == b"found\n"
    env = {"PATH": f"{tmp_path}/a:{tmp_path}/b"}
    with pytest.raises(PermissionError):
        pyunshare.run(["program"], env=env, **way)


@each_backend
def test_wd_is_relative_to_cwd(way: dict[str, Any]) -> None:
    result = pyunshare.run("pwd", cwd="/usr", wd="bin", stdout=subprocess.PIPE, text=True, **way)
    assert result.stdout == "/usr/bin\n"


@each_backend
def test_executable_and_argument_0(way: dict[str, Any]) -> None:
    result = pyunshare.run(
        ["-another", "-c", "echo $0"], executable="sh", stdout=subprocess.PIPE, text=True, **way
    )
    assert result.stdout == "-another\n"


@each_backend
def test_shell_with_arguments(way: dict[str, Any]) -> None:
    result = pyunshare.run(
        ["echo $0 $1", "zero", "one"], shell=True, stdout=subprocess.PIPE, text=True, **way
    )
    assert result.stdout == "zero one\n"
    result = pyunshare.run(
        "echo $0", shell=True, executable="/bin/sh", stdout=subprocess.PIPE, text=True, **way
    )
    assert result.stdout == "/bin/sh\n"


@each_backend
def test_session_and_group(way: dict[str, Any]) -> None:
    script = ["sh", "-c", "cut -d' ' -f5,6 /proc/self/stat"]
    if "pid" in way:
        pytest.skip("numbers of sessions outside are 0 inside")
    with pyunshare.Popen(script, start_new_session=True, stdout=subprocess.PIPE, **way) as process:
        output, _ = process.communicate()
    group, session = map(int, output.split())
    assert group == session == process.pid


@each_backend
@pytest.mark.parametrize("restore", [True, False])
def test_ignored_signals(way: dict[str, Any], restore: bool) -> None:
    """Python ignores SIGPIPE; subprocess takes that back unless it is told not to."""
    command = ["grep", "SigIgn", "/proc/self/status"]  # not by posix_spawn(3), without a path
    expected = subprocess.run(
        command, restore_signals=restore, stdout=subprocess.PIPE, check=True
    ).stdout
    result = pyunshare.run(command, restore_signals=restore, stdout=subprocess.PIPE, **way)
    assert result.stdout == expected


@each_backend
def test_inheritable_descriptors_without_close_fds(way: dict[str, Any]) -> None:
    descriptor = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    try:
        result = pyunshare.run(
            ["sh", "-c", "ls /proc/self/fd"], close_fds=False, stdout=subprocess.PIPE, **way
        )
    finally:
        os.close(descriptor)
    assert str(descriptor).encode() in result.stdout.split()


@each_backend
def test_preexec_fn_is_called_before_the_namespaces_are_made(way: dict[str, Any]) -> None:
    reader, writer = os.pipe()
    seen = b""

    def look() -> None:
        os.write(writer, os.fsencode(os.readlink("/proc/self/ns/uts")))

    # From Python 3.12 on there is a warning of fork with threads: what subprocess does, too.
    with contextlib.ExitStack() as stack:
        import warnings

        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", DeprecationWarning)
        pyunshare.run(["true"], preexec_fn=look, **way)
    seen = os.read(reader, 100)
    os.close(reader)
    os.close(writer)
    assert os.fsdecode(seen) == os.readlink("/proc/self/ns/uts")


@each_backend
def test_clear_env_keeps_what_is_listed(way: dict[str, Any]) -> None:
    env = {"A": "1", "B": "2", "C": "3", "X,A": "4", "PATH": os.environ["PATH"]}
    result = pyunshare.run(
        ["/usr/bin/env"], env=env, whitelist_env=["C", "A"], stdout=subprocess.PIPE, **way
    )
    assert result.stdout.split() == [b"A=1", b"C=3"]
    result = pyunshare.run(
        ["/usr/bin/env"], env=env, whitelist_env=["X,A"], stdout=subprocess.PIPE, **way
    )
    assert result.stdout.split() == [b"X,A=4"]
    result = pyunshare.run(["/usr/bin/env"], clear_env=True, stdout=subprocess.PIPE, **way)
    assert result.stdout == b""


@each_backend
def test_changes_of_os_environ_reach_the_program(
    way: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "only-here"
    program.write_text("#!/bin/sh\necho $NEW\n")
    program.chmod(0o755)
    monkeypatch.setenv("NEW", "value")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert pyunshare.run(["only-here"], stdout=subprocess.PIPE, **way).stdout == b"value\n"


@each_backend
def test_a_python_environment_for_the_program_is_not_for_ours(
    way: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "pyunshare.py").write_text("raise SystemExit('not this')")
    (tmp_path / "posix.py").write_text("raise SystemExit('not this')")
    env = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/none", "LC_ALL": "C", "PATH": "/bin"}
    result = pyunshare.run(["env"], env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True, **way)
    assert dict(line.split("=", 1) for line in result.stdout.splitlines()) == env


# ---- errors -------------------------------------------------------------------------------------

FAILURES: list[tuple[dict[str, Any], type[Exception], str, str, str | None]] = [
    (
        {"root": "/none"},
        FileNotFoundError,
        "cannot change root directory to '/none'",
        "chroot",
        "/none",
    ),
    ({"wd": "/none"}, FileNotFoundError, "cannot change directory to /none", "chdir", "/none"),
    ({"mount_proc": "/none"}, FileNotFoundError, "mount /none failed", "mount", "/none"),
    ({"fork": True, "root": "/none"}, FileNotFoundError, "cannot change root", "chroot", "/none"),
    ({"map_root_user": True, "setuid": 7}, OSError, "setuid() failed", "setuid", None),
    ({"setuid": 4294967295}, OSError, "setuid() failed", "setuid", None),
    ({"map_root_user": True, "setgid": 0}, PermissionError, "setgroups failed", "setgroups", None),
    ({"uts": "/no/file"}, FileNotFoundError, "mount /proc/", "mount", "/no/file"),
    ({"mount": "/no/file"}, FileNotFoundError, "mount /proc/", "mount", "/no/file"),
    ({"mount": "/no/file", "fork": True}, FileNotFoundError, "mount /proc/", "mount", "/no/file"),
    ({"map_users": ["0:0:1", "1:0:1"]}, OSError, "failed to write /proc/", "write", None),
]


@pytest.mark.parametrize(
    ("given", "kind", "text", "step", "file"), FAILURES, ids=lambda each: str(each)
)
def test_failures_are_told_by_exceptions(
    given: dict[str, Any],
    kind: type[Exception],
    text: str,
    step: str,
    file: str | None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(pyunshare.LaunchError) as caught:
        pyunshare.run(["/bin/echo", "started"], **given)
    error = caught.value
    assert isinstance(error, kind)
    assert str(error).startswith(text)
    assert error.step == step
    assert error.errno
    assert str(error).endswith(f": {os.strerror(error.errno)}")
    if file is not None:
        assert error.filename == file
    assert capfd.readouterr() == ("", "")


def test_errors_can_be_copied() -> None:
    error = launch_error("cannot change directory to /x", 2, "chdir", "/x")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is type(error)
        assert (str(other), other.errno, other.filename, other.step) == (
            "cannot change directory to /x: No such file or directory",
            2,
            "/x",
            "chdir",
        )


@needs("root")
@pytest.mark.parametrize(
    ("options", "step", "file"),
    [
        ({"mount": "/nonexistent"}, "mount", "/nonexistent"),
        ({"mount_proc": "/proc/1/ns/uts on /tmp/X"}, "mount", "/proc/1/ns/uts on /tmp/X"),
        ({"root": "/x' and 'y"}, "chroot", "/x' and 'y"),
        ({"wd": "/a\nb"}, "chdir", "/a\nb"),
        ({"map_users": [(0, 0, 1)] * 2}, "write", "uid_map"),
        ({"time": True, "boottime": 1 << 62}, "write", "/proc/self/timens_offsets"),
        ({"map_root_user": True, "setgid": 1}, "setgroups", None),
        ({"setuid": 4294967295}, "setuid", None),
    ],
)
def test_the_step_and_its_file(options: dict[str, Any], step: str, file: str | None) -> None:
    """Known where the failure is met, whatever words are in the paths."""
    with pytest.raises(pyunshare.LaunchError) as caught:
        pyunshare.run(["true"], **options)
    assert caught.value.step == step
    found = caught.value.filename
    assert found == file or (file == "uid_map" and found.endswith("/uid_map"))


@each_backend
def test_a_hint_is_found_when_asked_for(way: dict[str, Any], tmp_path: Path) -> None:
    """It says what the command would, tried in a process of its own."""
    with pytest.raises(pyunshare.LaunchError) as caught:
        pyunshare.run(["/etc/passwd"], **way)
    assert caught.value.hint == "/etc/passwd has no permission to be executed"
    file = tmp_path / "file"
    with pytest.raises(pyunshare.LaunchError) as caught:
        pyunshare.run(["true"], **{**way, "uts": file})
    cause, *commands = (caught.value.hint or "").splitlines()
    assert cause == f"there is no file {file} to bind the namespace to"
    assert commands == [f"type: touch {file}"]
    assert pickle.loads(pickle.dumps(caught.value)).hint is None


def test_no_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is known, or none can be looked for."""
    assert launch_error("something else", 5).hint is None
    with pytest.raises(pyunshare.LaunchError) as caught:
        pyunshare.run(["true"], root="/none")
    assert caught.value.hint is None
    with pytest.raises(pyunshare.LaunchError) as caught:
        pyunshare.run(["/etc/passwd"], uts=True)

    def refuse(*_: object) -> NoReturn:
        raise BrokenPipeError

    for place, name, value in [
        (sys, "executable", ""),
        (hint, "send", refuse),
        (job, "__version__", "0.0.1"),
    ]:
        with monkeypatch.context() as patched:
            patched.setattr(place, name, value)
            assert caught.value.hint is None
    assert caught.value.hint


def test_no_hint_where_pyunshare_has_been_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pyunshare.LaunchError) as caught:
        pyunshare.run(["/etc/passwd"], uts=True)
    with monkeypatch.context() as patched:
        patched.setattr(interpreter, "_PACKAGE", "/none")
        assert caught.value.hint is None
    assert caught.value.hint


def test_hints_for_the_calling_process() -> None:
    def action() -> str:
        with pytest.raises(pyunshare.LaunchError) as caught:
            pyunshare.unshare(mount_proc="/none")
        return str(caught.value.hint)

    assert support.in_a_child(action).startswith("there is no directory /none\ntype: ")


def test_an_interpreter_that_does_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever is the matter with it, it is an error of the launch, and nothing is printed."""
    marker = tmp_path / "has-run"
    frozen = tmp_path / "app"
    frozen.write_text(f"#!/bin/sh\necho run >>{marker}\n")
    failing = tmp_path / "python3"
    failing.write_text("#!/bin/sh\necho wrong >&2\nexit 3\n")
    for path in (frozen, failing):
        path.chmod(0o755)
    missing = tmp_path / "python3.11"
    fifo = tmp_path / "fifo"  # that nobody writes to
    os.mkfifo(fifo, 0o755)
    with using("interpreter", monkeypatch):
        for executable, text in [
            ("", "there is no Python interpreter"),
            (str(frozen), f"{frozen} is no Python interpreter"),
            (str(fifo), f"{fifo} is no Python interpreter"),
            (str(tmp_path), f"{tmp_path} is no Python interpreter"),
            (str(failing), f"the launch did not begin: {failing} ended with status 3"),
            (str(missing), f"failed to execute {missing}: No such file or directory"),
        ]:
            monkeypatch.setattr(sys, "executable", executable)
            with pytest.raises(pyunshare.LaunchError, match=re.escape(text)):
                pyunshare.run(["true"], user=True)
        monkeypatch.setattr(sys, "executable", str(failing))
        monkeypatch.setattr(sys, "frozen", True, raising=False)
        with pytest.raises(pyunshare.LaunchError, match="is no Python interpreter"):
            pyunshare.run(["true"], user=True)
    assert not marker.exists()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["service", "python-app", "Python", "gunicorn"])
def test_a_python_of_another_name(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is used, and no other program of such a name, which is not even started."""
    python = shutil.copy(os.path.realpath(sys.executable), tmp_path / name)
    if subprocess.run([python, "-IS", "-c", ""], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("missing feature: a Python that can be copied")
    with using("interpreter", monkeypatch):
        monkeypatch.setattr(sys, "executable", str(python))
        assert pyunshare.run(["true"], user=True).returncode == 0
        other = shutil.copy(TRUE, tmp_path / f"{name}2")
        monkeypatch.setattr(sys, "executable", str(other))
        with pytest.raises(pyunshare.LaunchError, match="is no Python interpreter"):
            pyunshare.run(["true"], user=True)


@pytest.mark.parametrize("way", [{"user": True}, {"uts": True}], ids=["launcher", "thread"])
def test_no_descriptors_left(way: dict[str, Any]) -> None:
    """What fails because the process has no descriptors left is said as it is."""

    def action() -> None:
        pyunshare.run([TRUE], **way)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(1)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limit[1]))
        try:
            pyunshare.run([TRUE], **way)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)

    told = support.in_a_child(action)
    assert told == f"OSError: {OSError(errno.EMFILE, os.strerror(errno.EMFILE))}"


@each_backend
def test_closed_standard_descriptors(way: dict[str, Any]) -> None:
    def action() -> str:
        os.close(0)
        os.close(2)
        line = ["sh", "-c", "ls /proc/self/fd | wc -l; test -e /proc/self/fd/0 || echo closed"]
        with pyunshare.Popen(line, stdout=subprocess.PIPE, **way) as process:
            return str(process.communicate()[0])

    def plain() -> str:
        os.close(0)
        os.close(2)
        line = ["sh", "-c", "ls /proc/self/fd | wc -l; test -e /proc/self/fd/0 || echo closed"]
        with subprocess.Popen(line, stdout=subprocess.PIPE) as process:
            return str(process.communicate()[0])

    assert support.in_a_child(action) == support.in_a_child(plain)


# ---- ends ---------------------------------------------------------------------------------------


@each_backend
def test_a_timeout_ends_the_whole_launch(way: dict[str, Any]) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        pyunshare.run(["sleep", "30"], timeout=0.3, capture_output=True, **way)
    # A killed one may still be on its way out, where this process is not its parent.
    support.wait_for(lambda: not left_over(), "the end of all")


@each_backend
@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_signals_reach_the_program(way: dict[str, Any], end: str) -> None:
    if way.get("pid") and end == "terminate":
        pytest.skip("process 1 of a PID namespace ignores it")
    with pyunshare.Popen(["sleep", "30"], **way) as process:
        getattr(process, end)()
        number = signal.SIGTERM if end == "terminate" else signal.SIGKILL
        assert process.wait(20) == -number


@each_backend
def test_ctrl_c_ends_the_whole_launch(way: dict[str, Any]) -> None:
    timer = threading.Timer(0.4, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        pyunshare.run(["sleep", "30"], **way)
    timer.join()
    assert not left_over()


class Interruption(Exception):
    """What a signal handler raises."""


def interrupt(*_: object) -> None:
    """Raise it, as a signal handler or in the place of another function."""
    raise Interruption


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@each_backend
def test_exceptions_at_any_moment_leave_nothing(way: dict[str, Any]) -> None:
    """A signal handler raises between the start and the return, sooner and later."""
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        step = 0.0001 if is_by_thread(way) else 0.0007
        for index in range(1, 41):
            # Once more a second later: Python drops what is raised while it finalizes an object.
            with contextlib.suppress(Interruption):
                signal.setitimer(signal.ITIMER_REAL, index * step, 1)
                pyunshare.run(["sleep", "30"], **way)
            signal.setitimer(signal.ITIMER_REAL, 0)
            support.wait_for(lambda: not left_over(), "the end of all")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.collect()  # which closes what an exception has left in a cycle


def program_runs() -> bool:
    """Whether a process that came from this one executes a program by now."""
    for pid in support.descendants(os.getpid()):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep"):
                return True
    return False


@each_backend
def test_a_late_exception_leaves_nothing(
    way: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calling thread had to wait for a processor, and the program runs already."""
    place, moment = (
        (spawn, "call_in_thread") if is_by_thread(way) else (interface.Popen, "_wait_until_closed")
    )
    original = getattr(place, moment)

    def late(*arguments: Any) -> None:
        original(*arguments)
        support.wait_for(program_runs, "the program")
        raise Interruption

    monkeypatch.setattr(place, moment, late)
    with pytest.raises(Interruption):
        pyunshare.run(["sleep", "30"], **way)
    support.wait_for(lambda: not left_over(), "the end of all")


def test_an_exception_where_the_program_has_another_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a caller with a PID namespace for its children; and it comes before the program."""

    def late(process: pyunshare.Popen) -> bool:
        time.sleep(0.3)
        return kill_program(process)

    def running() -> list[int]:
        return [pid for pid in support.descendants(os.getpid()) if support.exists(pid)]

    def action() -> str:
        pyunshare.unshare(pid=True)
        with subprocess.Popen(["sleep", "30"], cwd=".") as first:  # process 1 of that namespace
            try:
                with contextlib.suppress(Interruption):
                    pyunshare.run(["sleep", "31"], **MORE["-fork"])
                support.wait_for(lambda: running() == [first.pid], "the end of all others", 5)
            finally:
                first.kill()
        return "only the first is left"

    kill_program = interface.Popen._kill_program
    monkeypatch.setattr(interface.Popen, "_wait_until_closed", interrupt)
    monkeypatch.setattr(interface.Popen, "_kill_program", late)
    assert support.in_a_child(action) == "only the first is left"


KILLED = """
import pyunshare, threading, os, sys
def start():
    pyunshare.Popen(["sleep", "30"], kill_child={signal!r}, **{more!r})
thread = threading.Thread(target=start)
thread.start()
thread.join()
import time; time.sleep(0.3)
print("started", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, "HUP"])
@pytest.mark.parametrize(
    "more",
    [{}, {"map_root_user": True}, {"setuid": 61001}, {"pid": True, "setuid": 61001}],
    ids=str,
)
def test_kill_child_when_the_caller_is_killed(number: Any, more: dict[str, Any]) -> None:
    """And not before: the thread that started the program has ended."""
    if "pid" in more:
        number = signal.SIGKILL  # process 1 of a PID namespace gets no other
    given = number if isinstance(number, str) else int(number)
    line = KILLED.format(signal=given, more=more)
    caller = subprocess.Popen(
        [sys.executable, "-c", line],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
        env={**os.environ, "PYTHONPATH": support.IMPORTABLE},
    )
    assert caller.stdout is not None and caller.stdin is not None
    with caller:
        assert caller.stdout.readline() == b"started\n"
        running = support.descendants(caller.pid)
        assert len(running) == (2 if "pid" in more else 1)
        caller.kill()
    support.wait_for(lambda: not any(map(support.exists, running)), "the program's end")


def python(line: str) -> subprocess.CompletedProcess[str]:
    """Run Python statements in a process of their own."""
    environment = {**os.environ, "PYTHONPATH": support.IMPORTABLE}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", line],
        cwd="/",
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


# ---- the calling process ------------------------------------------------------------------------


def test_unshare_moves_the_calling_process() -> None:
    def new(*names: str) -> list[str]:
        outside = {name: os.readlink(f"/proc/{parent}/ns/{name}") for name in names}
        return [name for name in names if os.readlink(f"/proc/self/ns/{name}") != outside[name]]

    parent = os.getpid()
    names = ("uts", "ipc", "net", "mnt", "cgroup", "user")

    def with_uts() -> list[str]:
        pyunshare.unshare(uts=True, mount=True)
        return new(*names)

    assert support.in_a_child(with_uts) == "['uts', 'mnt']"


def test_signals_reach_the_program_across_pid_namespaces() -> None:
    """The intermediate process knows the program by another id than the caller."""

    def action() -> str:
        pyunshare.unshare(pid=True)
        ends = []
        with pyunshare.Popen(["sleep", "30"]):  # process 1 of that namespace
            for more in ({}, {"map_root_user": True}):
                line = ["sleep", "30"]
                with pyunshare.Popen(line, pid=True, kill_child=True, **more) as process:
                    program = process._program
                    assert program is not None
                    support.wait_for_name(program, "sleep")
                    process.kill()
                    ends.append(process.wait(20))
            os.kill(support.children(os.getpid())[0], signal.SIGKILL)
        return str(ends)

    assert support.in_a_child(action) == "[-9, -9]"


def test_unshare_maps_and_mounts() -> None:
    def action() -> str:
        pyunshare.unshare(mount_proc="/mnt")
        pyunshare.unshare(map_root_user=True, map_users=[(1, 100000, 9)])
        map = " ".join(Path("/proc/self/uid_map").read_text().split())
        return f"{map} {Path('/mnt/version').exists()}"

    assert support.in_a_child(action) == "0 0 1 1 100000 9 True"


def test_unshare_leaves_the_signal_handlers_alone() -> None:
    def action() -> bool:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        pyunshare.unshare(uts=True)
        return signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN

    assert support.in_a_child(action) == "True"


def reap_all(*_: object) -> None:
    """Handle SIGCHLD, as some servers do."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


@pytest.mark.parametrize("handler", [signal.SIG_IGN, reap_all], ids=["ignored", "reaped"])
def test_unshare_has_its_helpers_whatever_is_done_about_sigchld(handler: Any) -> None:
    def action() -> tuple[str, bool, set[int]]:
        signal.signal(signal.SIGCHLD, handler)
        pyunshare.unshare(map_users=(0, 0, 5))
        is_kept = signal.getsignal(signal.SIGCHLD) == handler
        return Path("/proc/self/uid_map").read_text(), is_kept, signal.pthread_sigmask(0, [])

    expected = str((f"{0:>10} {0:>10} {5:>10}\n", True, set()))
    for _ in range(10):
        assert support.in_a_child(action) == expected


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"fork": True}, "TypeError: unshare() got an unexpected keyword argument 'fork'"),
        ({"shell": True}, "TypeError: unshare() got an unexpected keyword argument 'shell'"),
        ({"uts": "/none", "mount": True}, "LaunchFileNotFoundError: mount /proc/"),
        ({"map_users": ["0:0:1", "1:0:1"]}, "LaunchError: failed to write /proc/"),
        ({"setgroups": "x"}, "UsageError: unsupported --setgroups argument 'x'"),
    ],
)
def test_unshare_fails_by_exceptions(
    given: dict[str, Any], text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert support.in_a_child(lambda: pyunshare.unshare(**given)).startswith(text)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("given", "entered"),
    [
        ({"uts": True, "pid": True, "root": "/none"}, ("uts", "pid")),
        ({"mount_proc": "/none"}, ("mount",)),
        ({"setuid": 4294967295}, ()),
    ],
    ids=str,
)
def test_unshare_says_what_was_done(given: dict[str, Any], entered: tuple[str, ...]) -> None:
    """Before the step that failed."""

    def action() -> str:
        with pytest.raises(pyunshare.LaunchError) as caught:
            pyunshare.unshare(**given)
        return str(caught.value.entered)

    assert support.in_a_child(action) == str(entered)


def test_unshare_of_a_user_namespace_with_threads() -> None:
    def action() -> None:
        threading.Thread(target=time.sleep, args=[1], daemon=True).start()
        pyunshare.unshare(user=True)

    expected = "LaunchError: unshare failed: no new user namespace for a process with 2 threads: "
    assert support.in_a_child(action) == f"{expected}Invalid argument"


# ---- asyncio ------------------------------------------------------------------------------------


@each_backend
def test_asyncio_communicates(way: dict[str, Any]) -> None:
    async def main() -> None:
        pipe = subprocess.PIPE
        process = await pyunshare.create_subprocess_exec(
            "sh", "-c", "cat; echo wrong >&2; exit 3", stdin=pipe, stdout=pipe, stderr=pipe, **way
        )
        assert process.pid > 0
        assert await process.communicate(b"x" * 300000) == (b"x" * 300000, b"wrong\n")
        assert process.returncode == 3
        assert await process.wait() == 3

    asyncio.run(main(), debug=True)


@each_backend
def test_asyncio_many_at_once(way: dict[str, Any]) -> None:
    async def one(status: int) -> None:
        process = await pyunshare.create_subprocess_exec("sh", "-c", f"exit {status}", **way)
        assert await process.wait() == status

    async def main() -> None:
        await asyncio.gather(*map(one, range(8)))

    asyncio.run(main())


@each_backend
def test_asyncio_cancelled_while_it_starts(way: dict[str, Any]) -> None:
    async def main() -> None:
        for index in range(10):
            starting = asyncio.ensure_future(
                pyunshare.create_subprocess_exec("sleep", "30", stdout=subprocess.PIPE, **way)
            )
            await asyncio.sleep(0.0005 * index)
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                process = await starting
                process.kill()
                await process.wait()

    asyncio.run(main())
    support.wait_for(lambda: not left_over(), "the end of all")


@each_backend
def test_asyncio_interrupted_while_it_starts(
    way: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what is no CancelledError, such as a SystemExit from a signal handler."""
    monkeypatch.setattr(asyncio, "shield", interrupt)
    with pytest.raises(Interruption):
        asyncio.run(pyunshare.create_subprocess_exec("sleep", "30", **way))
    support.wait_for(lambda: not left_over(), "the end of all")


@each_backend
def test_asyncio_cancelled_and_its_loop_closed(way: dict[str, Any]) -> None:
    async def main() -> None:
        await asyncio.wait_for(pyunshare.create_subprocess_exec("sleep", "30", **way), 0.0001)

    loop = asyncio.new_event_loop()
    with contextlib.suppress(asyncio.TimeoutError):
        loop.run_until_complete(main())
    loop.close()
    support.wait_for(lambda: not left_over(), "the end of all")


@pytest.mark.parametrize("steps", range(10))
def test_asyncio_cancelled_while_it_connects(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next pipes get the same descriptors, and are not mistaken for those that were left."""
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    connect = asynchronous.Transport._connect_pipes  # type: ignore[attr-defined]
    starting: list[asyncio.Task[Any]] = []

    async def cancel() -> None:
        for _ in range(steps):
            await asyncio.sleep(0)
        starting[0].cancel()

    async def interrupted(transport: asynchronous.Transport, waiter: Any) -> None:
        canceller = asyncio.ensure_future(cancel())
        await connect(transport, waiter)
        await canceller

    async def start() -> None:
        process = await pyunshare.create_subprocess_exec("sleep", "30", uts=True, **pipes)
        try:
            await asyncio.sleep(1)
        finally:  # the cancellation came later
            process.kill()
            await process.communicate()

    async def main() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(asynchronous.Transport, "_connect_pipes", interrupted)
            starting.append(asyncio.ensure_future(start()))
            with pytest.raises(asyncio.CancelledError):
                await starting[0]
        process = await pyunshare.create_subprocess_exec("cat", uts=True, **pipes)
        assert await asyncio.wait_for(process.communicate(b"said"), 10) == (b"said", b"")

    asyncio.run(main())
    support.wait_for(lambda: not left_over(), "the end of all")


@each_backend
def test_asyncio_failures(way: dict[str, Any]) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await pyunshare.create_subprocess_exec("no-such-program", **way)
        with pytest.raises(ValueError, match="text is not supported"):
            await pyunshare.create_subprocess_exec("true", text=True, **way)
        process = await pyunshare.create_subprocess_exec("sleep", "30", **way)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), 0.2)
        process.kill()
        assert await process.communicate() == (None, None)
        assert process.returncode == -signal.SIGKILL

    asyncio.run(main())


def test_asyncio_without_pidfds(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with Linux before 5.3."""

    def refuse(pid: int, flags: int = 0) -> int:
        raise OSError(errno.ENOSYS, "not there")

    async def main() -> None:
        process = await pyunshare.create_subprocess_exec("sleep", "30", uts=True)
        process.terminate()
        assert await process.wait() == -signal.SIGTERM
        process = await pyunshare.create_subprocess_exec("sleep", "30", uts=True)
        process.send_signal(signal.SIGHUP)
        assert await process.wait() == -signal.SIGHUP

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)
    asyncio.run(main())


# ---- importing ----------------------------------------------------------------------------------


def test_importing_the_package_is_almost_free() -> None:
    def modules(line: str) -> set[str]:
        words = [sys.executable, "-S", "-c", f"{line}; import sys; print(*sys.modules)"]
        environment = {"PYTHONPATH": str(support.CHECKOUT)}
        shown = subprocess.run(words, env=environment, capture_output=True, check=True, text=True)
        return set(shown.stdout.split())

    assert modules("import pyunshare") - modules("pass") == {"pyunshare"}


def test_names_of_the_package() -> None:
    assert {"run", "Popen", "unshare", "LaunchError"} <= set(dir(pyunshare))
    assert {name for name in vars(pyunshare.Popen) if name[0] != "_"} <= {*dir(subprocess.Popen)}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pyunshare.nothing  # type: ignore[attr-defined]


# ---- which way ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fork", [False, True])
@pytest.mark.parametrize("name", ["mount", "uts", "ipc", "net", "cgroup", "time", "pid"])
def test_namespaces_alone_take_no_interpreter(
    name: str, fork: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "pid" and not fork:
        pytest.skip("the program stays in the old PID namespace, which a thread cannot do")
    monkeypatch.setattr(interface.sys, "executable", "")
    assert pyunshare.run(["/bin/true"], fork=fork, **{name: True}).returncode == 0


def test_an_ignored_sigchld_is_the_default_in_the_program() -> None:
    line = (
        "import pyunshare, signal, subprocess\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "print(pyunshare.Popen(['grep', 'SigIgn', '/proc/self/status'], uts=True,"
        " stdout=subprocess.PIPE, text=True).communicate()[0])\n"
    )
    result = python(line)
    assert int(result.stdout.split()[1], 16) >> (signal.SIGCHLD - 1) & 1 == 0, result


def test_c_library_is_looked_up_once() -> None:
    from pyunshare import syscalls

    syscalls.load_c_library()
    functions = dict(syscalls._functions)
    syscalls.load_c_library()
    assert functions == syscalls._functions
    assert ctypes
